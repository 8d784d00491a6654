"""Facts of the search for a free port."""

import pytest

from adabert_nni import ports
from adabert_nni.errors import AdaBertError


def test_the_free_port_is_the_first_that_nobody_has(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: port > 8081)
    assert ports.free_port() == 8082
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(AdaBertError, match="8080 to 8279"):
        ports.free_port()
