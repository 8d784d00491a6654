"""A port for NNI's web UI. It must not know NNI."""

import socket

from adabert_nni.errors import AdaBertError

FIRST_PORT, PORTS = 8080, 200


def free_port() -> int:
    """The first free port of 127.0.0.1 from 8080.

    Returns:
        8080 to 8279; another process may take it before it is used.

    Raises:
        AdaBertError: if none of 200 is free.
    """
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        if is_free(port):
            return port
    raise AdaBertError(
        f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are all in use; end one, or give --port"
    )


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
