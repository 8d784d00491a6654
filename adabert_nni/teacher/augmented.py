"""The stage that writes the augmented rows of a task's training rows, and goes on after a kill.

How texts are changed is known by `data.augment`, who proposes words by `proposals`. It must not know of
searches or students.
"""

import gzip
import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.augment import COPY_BITS, augment, vocabulary
from adabert_nni.data.tasks import Rows, Splits
from adabert_nni.files import read_json, write_json
from adabert_nni.losses import UNLABELLED
from adabert_nni.progress import progress
from adabert_nni.teacher.proposals import proposer

logger = logging.getLogger(__name__)

ROWS = "augmented.jsonl.gz"
REPORT = "augmented.json"
CHUNK = 256  # rows that are changed, and words that are asked for, together


def build_augmented(
    splits: Splits,
    sources: list[tuple[str, Path]],
    *,
    copies: int,
    replace: float,
    cut: float,
    neighbours: int,
    seed: int,
    folder: Path,
    checkpoint: Checkpoint | None = None,
    splice: float = 0.0,
) -> dict[str, Any]:
    """Write the augmented rows of ``splits.train``, a line of JSON each, and how many they are.

    Copies that repeat a row of any split are left out: they would teach nothing, or what is chosen by.

    Args:
        splits: of selection and validation nothing but the set of texts is used.
        sources: what ``find_sources`` gave.
        copies: at most so many per row, >= 1.
        replace: probability of a word in [0, 1].
        cut: probability of a span in [0, 1].
        neighbours: proposals per word, >= 1.
        seed: of every draw.
        folder: an existing folder to write into.
        checkpoint: where finished rows are kept, and gone on from after a kill.
        splice: probability in [0, 1] that a copy ends as another of these rows does.

    Returns:
        What ``augmented.json`` says: source rows, copies made of them, rows kept and seconds.
    """
    start = time.monotonic()
    rows = splits.train
    known = {texts for part in (rows, splits.selection, splits.validation) for texts in part.texts}
    words = vocabulary(text for texts in rows.texts for text in texts)
    logger.info("augment: looking for words like %d different ones", len(words))
    propose = proposer(sources, words, neighbours)
    kept = checkpoint and checkpoint.part("rows")
    chunks, label = math.ceil(len(rows) / CHUNK), f"augment, {CHUNK} rows each"
    done = made = 0
    with _writing(folder / ROWS) as file:
        for part in kept.load_all() if kept else ():
            file.writelines(part["lines"])
            done, made = part["done"], made + len(part["lines"])
        fresh: list[str] = []
        starts = range(done, len(rows), CHUNK)
        for at in progress(starts, chunks, label, first=chunks - len(starts)):
            chunk = rows.take(list(range(at, min(at + CHUNK, len(rows)))))
            found = augment(
                chunk,
                propose,
                copies=copies,
                replace=replace,
                cut=cut,
                seed=seed,
                known=known,
                splice=splice,
                partners=rows.texts,
            )
            lines = _lines(found)
            file.writelines(lines)
            made += len(lines)
            if kept:
                fresh += lines
                if kept.due():
                    kept.save({"lines": fresh, "done": at + len(chunk)})
                    fresh = []
    seconds = time.monotonic() - start + (kept.spent if kept else 0)
    report: dict[str, Any] = {"sources": len(rows), "copies": copies * len(rows), "rows": made}
    report["seconds"] = round(seconds, 1)
    write_json(folder / REPORT, report)
    logger.info("augment: %d of %d copies say something new", made, report["copies"])
    return report


def read_augmented(folder: Path) -> Rows:
    """The rows that ``build_augmented`` wrote, unlabelled."""
    with gzip.open(folder / ROWS, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    texts = [tuple(record["texts"]) for record in records]
    return Rows(texts, [UNLABELLED] * len(records), [record["id"] for record in records])


def summary(splits: Splits, folder: Path, count: int) -> str:
    """What was made of ``splits.train``: how many rows, after some sources with their copies below them."""
    sources = dict(zip(splits.train.ids, splits.train.texts, strict=True))
    groups: dict[int, list[tuple[str, ...]]] = {}
    found = read_augmented(folder)
    for texts, number in zip(found.texts, found.ids, strict=True):
        source = number % (1 << COPY_BITS)
        groups.setdefault(source, [sources[source]]).append(texts)
    lines = []
    for source in list(groups)[:: max(1, len(groups) // count)][:count]:
        lines += [f"row {source}", *(f"    {' | '.join(texts)}" for texts in groups[source]), ""]
    made = read_json(folder / REPORT)
    told = f"{made['rows']} of {made['copies']} copies of {made['sources']} rows say something new"
    return "\n".join([*lines, f"{told}; {made['seconds']} s"])


def _lines(rows: Rows) -> list[str]:
    records = (
        {
            "id": number,
            "source": number % (1 << COPY_BITS),
            "copy": number >> COPY_BITS,
            "texts": texts,
        }
        for texts, number in zip(rows.texts, rows.ids, strict=True)
    )
    return [json.dumps(record, ensure_ascii=False) + "\n" for record in records]


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    """A compressed file of lines, the same bytes for the same lines: no time, no name in it."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="\n") as file,
    ):
        yield file
