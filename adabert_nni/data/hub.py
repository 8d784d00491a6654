"""Data sets of the Hugging Face hub: from its cache, else, if it answers, from there.

The only module that may open a connection for rows. It must not know of tasks or class ids.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

from adabert_nni.data.files_in import Table
from adabert_nni.errors import AdaBertError

_PROBE_SECONDS = 3.0  # the hub's client itself repeats for 23 s before it gives up


def read_hub(source: tuple[str, str], split: str, texts: tuple[str, ...], label: str) -> Table:
    """Read a split of a hub data set, from the cache if there; AdaBertError within seconds."""
    remedy = "give --data-dir or ADABERT_DATA, or an embedded task such as mini-reviews"
    rows = fetch(source, split, remedy)
    labels = [str(value) for value in rows[label]]
    columns = (list(rows[name]) for name in texts)
    lines = list(range(1, len(labels) + 1))
    where = " ".join((*source, split))
    return Table(where, list(zip(*columns, strict=True)), [*labels], lines)


def fetch(source: tuple[str, ...], split: str | None, remedy: str) -> Any:
    """A data set of the hub, from the cache if it is there, without a socket.

    Args:
        source: its name, and its configuration if it has several.
        split: the one to give; None gives a dictionary of all.
        remedy: what to do if it cannot be had, for the error.

    Returns:
        What ``datasets.load_dataset`` gives.

    Raises:
        AdaBertError: if it cannot be had; within seconds where there is no network.
    """
    import datasets  # a second of imports that no other source needs

    where = " ".join((*source, *((split,) if split else ())))
    rows, config = None, datasets.config
    before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, True  # the cache first, and no socket
    try:
        with suppress(OSError, ValueError):
            rows = datasets.load_dataset(*source, split=split)
    finally:
        config.HF_HUB_OFFLINE = before
    try:
        if rows is None and not before and _reachable(config.HF_ENDPOINT):
            rows = datasets.load_dataset(*source, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise AdaBertError(f"{where}: the hub does not give it ({error}); {remedy}") from error
    if rows is None:
        raise AdaBertError(f"{where}: it is not cached and the hub cannot be reached; {remedy}")
    return rows


def _reachable(endpoint: str) -> bool:
    """Whether the hub answers at all, within ``_PROBE_SECONDS``."""
    answers: list[bool] = []

    def ask() -> None:
        with suppress(OSError):
            with suppress(urllib.error.HTTPError):  # a refusal is an answer, too
                urllib.request.urlopen(endpoint, timeout=_PROBE_SECONDS).close()
            answers.append(True)

    (thread := threading.Thread(target=ask, daemon=True)).start()  # name look-ups know no timeout
    thread.join(_PROBE_SECONDS)
    return bool(answers)
