"""The user's own rows: sources read, columns chosen, labels understood, rows without a label set apart.

It must not know of tokens or models, nor which rows are selected by; that is ``loading.py``.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from adabert_nni.data.columns import Columns, choose_columns
from adabert_nni.data.files_in import Source, to_table
from adabert_nni.data.labels import (
    check_classes,
    check_labels,
    in_order,
    kind_of,
    to_rows,
    to_values,
)
from adabert_nni.data.sources import TEST, TRAIN, UNLABELLED, VALIDATION, read_source
from adabert_nni.data.splitting import split_off
from adabert_nni.data.tasks import Rows, Task
from adabert_nni.errors import AdaBertError
from adabert_nni.problems import PROBLEMS

logger = logging.getLogger(__name__)

_VALIDATION_SHARE = 0.1  # of training rows that come without validation rows


def load_own(
    train: str,
    *,
    validation: str | None,
    unlabelled: str | None,
    text: str | None,
    text_pair: str | None,
    label: str | None,
    problem_type: str,
    key: tuple[int, int],
) -> tuple[Task, Rows, Rows, Rows]:
    """Read own rows.

    Args:
        train: what ``read_source`` understands; its split "train" is learnt from. Where it has a split
            "validation", else a "test" with labels, that one is reported on; "unsupervised" is unlabelled.
        validation: another source to report on; None: as above, else a tenth of the labelled training rows.
        unlabelled: another source of texts whose labels, if any, are not read.
        text: column of the first text; None guesses.
        text_pair: column of the second text.
        label: column of the label; None guesses.
        problem_type: "auto", or a key of ``PROBLEMS``.
        key: of the random numbers that draw validation rows.

    Returns:
        The task; rows to learn from, to report on, and without a label, whose ids go on where those of the
        training rows end.

    Raises:
        AdaBertError: if rows or columns cannot be had, or there is nothing to learn.
    """
    splits = _need(read_source(train), TRAIN, train)
    columns = choose_columns(splits[TRAIN], text, text_pair, label)
    if columns.guessed:
        second = f" and {columns.texts[1]!r}" if len(columns.texts) > 1 else ""
        logger.info(
            "%s: taking column %r%s as text and %r as label; --text, --text-pair and --label take others",
            train,
            columns.texts[0],
            second,
            columns.label,
        )
    table = to_table(splits[TRAIN], columns.texts, columns.label)
    known = check_labels(table)
    kind = kind_of(problem_type, known, train)
    task = Task("own", columns.texts, str(columns.label), (str(columns.label),))
    if PROBLEMS[kind].classes:
        check_classes(train, known)
        told = splits[TRAIN].classes.get(str(columns.label), [])
        task = replace(task, labels=in_order(set(known), told))
    else:
        task = replace(task, problem=PROBLEMS[kind], metrics=())
    rows, more = to_rows(table, task).by_label()
    more = _joined(more, _texts_of(splits.get(UNLABELLED), columns), len(table.lines))
    if len(more):
        logger.info("%s: %d rows have no label; the teacher tells of them", train, len(more))
    if unlabelled is not None:
        source = read_source(unlabelled)
        told_split = UNLABELLED if UNLABELLED in source else TRAIN
        extra = _texts_of(_need(source, told_split, unlabelled)[told_split], columns)
        more = _joined(more, extra, max([len(table.lines) - 1, *more.ids]) + 1)
        logger.info("%s: %d more rows for the teacher to tell of", unlabelled, len(extra))
    held = _held(train, validation, splits, columns, task)
    if held is None:
        classes = task.problem.strata(rows.labels)
        rows, held = split_off(rows, round(_VALIDATION_SHARE * len(rows)), key, classes)
        logger.info("%s: no validation file; %d of its rows are held out", train, len(held))
    return task, rows, held, more


def _need(splits: dict[str, Source], split: str, where: str) -> dict[str, Source]:
    if split not in splits:
        raise AdaBertError(f"{where}: has no split {split!r}, only {', '.join(splits)}; add one")
    return splits


def _texts_of(source: Source | None, columns: Columns) -> Rows:
    """The texts of a source, without labels."""
    if source is None:
        return Rows([], [], [])
    return to_values(to_table(source, columns.texts, None))


def _joined(rows: Rows, more: Rows, first: int) -> Rows:
    """``rows``, then ``more`` with ids from ``first`` on."""
    ids = [*rows.ids, *range(first, first + len(more))]
    return Rows([*rows.texts, *more.texts], [*rows.labels, *more.labels], ids)


def _held(
    train: str, validation: str | None, splits: dict[str, Source], columns: Columns, task: Task
) -> Rows | None:
    """The rows to report on that are there, those without a label dropped; None if there are none."""
    if validation is None:
        for split in (VALIDATION, TEST):
            if split in splits:
                table = to_table(splits[split], columns.texts, columns.label)
                rows, dropped = to_rows(table, task).by_label()
                if len(rows):
                    logger.info("%s: its split %r is reported on", train, split)
                    return _told(rows, dropped, table.where)
        return None
    if os.path.exists(validation) and os.path.exists(train) and Path(validation).samefile(train):
        raise AdaBertError(f"{validation}: got the training file again; leave validation out")
    source = read_source(validation)
    split = next(name for name in (VALIDATION, TEST, TRAIN, UNLABELLED) if name in source)
    table = to_table(source[split], columns.texts, columns.label)
    rows, dropped = to_rows(table, task).by_label()
    if not len(rows):
        raise AdaBertError(
            f"{table.where}: none of its {len(dropped)} rows has a label, so nothing can be reported; "
            "add labels, or leave validation out"
        )
    return _told(rows, dropped, table.where)


def _told(rows: Rows, dropped: Rows, where: str) -> Rows:
    if len(dropped):
        logger.warning("%s: %d rows have no label; dropped", where, len(dropped))
    return rows
