"""How far work over a few seconds is and how long it still takes: a bar on a terminal, else lines in the log.

It must not know what the work is.
"""

import logging
import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from tqdm import tqdm

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOG_SECONDS, LOG_SHARE = (
    3.0,
    0.05,
)  # to the first line; to the next also this share of the time so far


def progress(
    iterable: Iterable[T],
    total: int | None,
    label: str,
    note: Callable[[], str] = str,
    first: int = 0,
) -> Generator[T, None, None]:
    """Pass items through and say how far they are: a bar on a terminal, else a log line at times.

    Args:
        iterable: what to go through.
        total: how many items there are, with those before it; None if nobody knows.
        label: what is going on, the start of every line.
        note: asked for a few words (the loss, say) when a line is written.
        first: items that were done before, in another process.

    Yields:
        The items, unchanged.
    """
    if sys.stderr.isatty():
        bar = tqdm(iterable, total=total, desc=label, initial=first, delay=LOG_SECONDS)
        for item in bar:
            yield item
            bar.set_postfix_str(note(), refresh=False)
        return
    start = time.monotonic()
    due = start + LOG_SECONDS
    for done, item in enumerate(iterable, start=first + 1):
        yield item
        now = time.monotonic()
        if now >= due:
            due, each = (
                now + max(LOG_SECONDS, LOG_SHARE * (now - start)),
                (now - start) / (done - first),
            )
            if total is None:
                logger.info("%s %d %s, %.0f a second", label, done, note(), 1 / max(each, 1e-9))
            else:
                left = each * max(total - done, 0)
                logger.info("%s %d/%d %s, about %.0f s left", label, done, total, note(), left)
