"""Rows of a task and their three splits: training, selection, validation.

Selection rows are held out of the training rows: every choice (architecture, epoch, setting) is
made on them, and validation rows are only ever reported on. It must not know of tokens or models.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from adabert_nni.data import embedded
from adabert_nni.data.files_in import Table, read_hub, read_table
from adabert_nni.data.splitting import split_off, subset
from adabert_nni.data.tasks import Rows, Splits, Task, get_task
from adabert_nni.errors import AdaBertError

__all__ = ["Rows", "Splits", "load_splits"]

logger = logging.getLogger(__name__)

_LEAST_ROWS = 8  # below that no split can hold every class
_LEAST_SELECTION = 200  # rows; fewer tell candidates apart too badly, see METHOD
_VALIDATION_SHARE = 0.1  # of a training file that comes without a validation file
_CARVE, _SELECT, _SUBSET = range(3)  # each draw has random numbers of its own


def load_splits(
    task: str,
    *,
    data_dir: str | Path | None = None,
    train: str | Path | None = None,
    validation: str | Path | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    selection_share: float = 0.1,
    train_rows: int | None = None,
    seed: int = 0,
) -> Splits:
    """Read a task and split it; the same arguments give the same rows.

    Args:
        task: a key of ``TASKS``; without effect where ``train`` names a file.
        data_dir: folder with ``<task>/{train,validation}.tsv[.gz]``; None: the hub.
        train: own training file, .csv .tsv or .jsonl, plain or .gz.
        validation: own validation file; None: a tenth of ``train``.
        text: column of the first text in own files, default "text".
        text_pair: column of the second text, if there is one.
        label: column of the label, default "label".
        selection_share: share of the training rows to select by, in (0, 0.5]; at least 200 rows
            are aimed at, but never more than half.
        train_rows: keep only so many of the training rows, with every class; None: all.
        seed: of every draw, >= 0.

    Returns:
        The task and its rows; no row of ``selection`` is in ``train``, nor inside a longer text there
        (``splitting.families``).

    Raises:
        AdaBertError: if the rows cannot be had or cannot be split.
    """
    if not 0 < selection_share <= 0.5:
        raise AdaBertError(f"selection_share: got {selection_share}, allowed is above 0 up to 0.5")
    if train is not None:
        columns = (text or "text",) if text_pair is None else (text or "text", text_pair)
        known, rows, held = _own(Path(train), validation, columns, label or "label", seed)
    elif validation is not None or text or text_pair or label:
        raise AdaBertError(
            "validation, text, text_pair and label belong to own files, got no train; add --train"
        )
    else:
        known = get_task(task)
        rows, held = _known(known, None if data_dir is None else Path(data_dir))
    for name, part in (("training", rows), ("validation", held)):
        empty = sum(any(not text.strip() for text in texts) for texts in part.texts)
        if empty:
            logger.warning("%s: %d of %d rows have an empty text; kept", name, empty, len(part))
    known_texts = set(rows.texts)
    twice = sum(texts in known_texts for texts in held.texts)
    if twice:
        logger.warning("%d of %d validation rows have a training row's text", twice, len(held))
    count = min(max(round(selection_share * len(rows)), _LEAST_SELECTION), len(rows) // 2)
    rest, chosen = split_off(rows, count, (seed, _SELECT))
    if train_rows is not None:
        rest = _subset(rest, train_rows, len(known.labels), seed)
    splits = Splits(known, rest, chosen, held)
    logger.info(
        "%s: %d rows to train, %d to select by, %d to report on",
        known.name,
        len(splits.train),
        len(splits.selection),
        len(splits.validation),
    )
    return splits


def _known(task: Task, folder: Path | None) -> tuple[Rows, Rows]:
    """Training and validation rows of a task of the table."""
    if embedded.is_embedded(task.name):
        made = embedded.generate(task.name)
        train, validation = (
            Rows([texts for texts, _ in part], [label for _, label in part], list(range(len(part))))
            for part in (made["train"], made["validation"])
        )
        return train, validation
    tables = []
    for split in ("train", task.validation):
        if folder is not None:
            path = _find(folder / task.name, split)
            tables.append(read_table(path, task.texts, task.label))
        elif task.hub is not None:
            tables.append(read_hub(task.hub, split, task.texts, task.label))
    _check(tables[0])
    ids = {str(i): i for i in range(len(task.labels))}  # files hold numbers; names do as well
    train, validation = (_to_rows(table, task.labels, ids) for table in tables)
    return train, validation


def _find(folder: Path, split: str) -> Path:
    stems = (split, "validation") if split.startswith("validation") else (split,)
    paths = [folder / f"{stem}.tsv{end}" for stem in stems for end in ("", ".gz")]
    for path in paths:
        if os.path.isfile(path):  # which takes any text for a name, also one that is too long
            return path
    raise AdaBertError(
        f"{paths[0]}[.gz]: there is no such file; the data folder (--data-dir, ADABERT_DATA) holds "
        "<task>/train.tsv and <task>/validation.tsv, plain or .gz"
    )


def _own(
    train: Path, validation: str | Path | None, texts: tuple[str, ...], label: str, seed: int
) -> tuple[Task, Rows, Rows]:
    table = read_table(train, texts, label)
    _check(table)
    found = set(table.labels)
    # Python turns no text of thousands of digits into a number.
    numbers = all(name.removeprefix("-").isdecimal() and len(name) < 20 for name in found)
    names = sorted(sorted(found), key=int if numbers else str)  # "1" and "01" keep their order, too
    task = Task("own", texts, label, tuple(names))
    rows = _to_rows(table, task.labels)
    if validation is not None:
        held = read_table(Path(validation), texts, label)
        if Path(validation).samefile(train):
            raise AdaBertError(f"{validation}: got the training file again; leave validation out")
        return task, rows, _to_rows(held, task.labels)
    rows, held_rows = split_off(rows, round(_VALIDATION_SHARE * len(rows)), (seed, _CARVE))
    logger.info("%s: no validation file; %d of its rows are held out", train, len(held_rows))
    return task, rows, held_rows


def _check(train: Table) -> None:
    rows, classes = len(train.labels), sorted(set(train.labels))
    if rows < _LEAST_ROWS:
        raise AdaBertError(f"{train.where}: got {rows} rows, at least {_LEAST_ROWS} are needed")
    if len(classes) < 2:
        raise AdaBertError(f"{train.where}: every label is {classes[0]!r}; give at least 2 classes")


def _to_rows(table: Table, names: tuple[str, ...], more: dict[str, int] | None = None) -> Rows:
    ids = (more or {}) | {name: i for i, name in enumerate(names)}
    for label, line in zip(table.labels, table.lines, strict=True):
        if label not in ids:
            raise AdaBertError(
                f"{table.where} line {line}: got label {label!r}, allowed are the training classes "
                f"{', '.join(names[:20])}; correct the label or drop the row"
            )
    return Rows(table.texts, [ids[label] for label in table.labels], list(range(len(table.lines))))


def _subset(rows: Rows, count: int, classes: int, seed: int) -> Rows:
    if count < classes:
        raise AdaBertError(f"train_rows: got {count}, at least one per class ({classes}) is needed")
    if count > len(rows):
        logger.warning("train_rows: got %d, there are %d; all are used", count, len(rows))
    return subset(rows, count, (seed, _SUBSET))
