"""Rows of a task and their three splits: training, selection, validation.

Selection rows are held out of the training rows: every choice (architecture, epoch, setting) is
made on them, and validation rows are only ever reported on. It must not know of tokens or models.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

from adabert_nni.data import embedded
from adabert_nni.data.files_in import read_table
from adabert_nni.data.hub import read_hub
from adabert_nni.data.labels import check_labels, names_or_ids, to_rows
from adabert_nni.data.own import load_own
from adabert_nni.data.splitting import split_off, subset, without_kin
from adabert_nni.data.tasks import Rows, Splits, Task, get_task
from adabert_nni.errors import AdaBertError

__all__ = ["Rows", "Splits", "keep_apart", "load_splits"]

logger = logging.getLogger(__name__)

_LEAST_SELECTION = 200  # rows; fewer tell candidates apart too badly, see METHOD
_CARVE, _SELECT, _SUBSET, _APART = range(4)  # each draw has random numbers of its own


def load_splits(
    task: str,
    *,
    data_dir: str | Path | None = None,
    train: str | Path | None = None,
    validation: str | Path | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    unlabelled: str | Path | None = None,
    problem_type: str = "auto",
    selection_share: float = 0.1,
    train_rows: int | None = None,
    seed: int = 0,
) -> Splits:
    """Read a task and split it; the same arguments give the same rows.

    Args:
        task: a key of ``TASKS``; without effect where ``train`` names a file.
        data_dir: folder with ``<task>/{train,validation}.tsv[.gz]``; None: the hub.
        train: own training rows: a file, a folder of ``save_to_disk`` or a hub name, see ``sources``.
        validation: own validation rows, likewise; None: those of ``train``, else a tenth of it.
        text: column of the first text in own rows; None guesses.
        text_pair: column of the second text, if there is one.
        label: column of the label; None guesses.
        unlabelled: own texts without labels.
        problem_type: of own rows: "classification", "regression", or "auto" by their labels.
        selection_share: share of the training rows to select by, in (0, 0.5]; at least 200 rows
            are aimed at, but never more than half.
        train_rows: keep only so many of the labelled training rows, with every class; None: all.
        seed: of every draw, >= 0.

    Returns:
        The task and its rows; no row of ``selection`` is in ``train``, nor is the longest text that it stands in
        (``splitting.families``). Unlabelled rows that are kin to a selection or validation row are left out.

    Raises:
        AdaBertError: if the rows cannot be had or cannot be split.
    """
    if not 0 < selection_share <= 0.5:
        raise AdaBertError(f"selection_share: got {selection_share}, allowed is above 0 up to 0.5")
    own = (validation, text, text_pair, label, unlabelled)
    if train is not None:
        known, rows, held, more = load_own(
            str(train),
            validation=None if validation is None else str(validation),
            unlabelled=None if unlabelled is None else str(unlabelled),
            text=text,
            text_pair=text_pair,
            label=label,
            problem_type=problem_type,
            key=(seed, _CARVE),
        )
    elif any(given is not None for given in own):
        raise AdaBertError(
            "validation, text, text_pair, label and unlabelled belong to own rows, got no train; add --train"
        )
    else:
        known = get_task(task)
        rows, held, more = _known(known, None if data_dir is None else Path(data_dir))
    for name, part in (("training", rows), ("validation", held), ("unlabelled", more)):
        if empty := sum(any(not text.strip() for text in texts) for texts in part.texts):
            logger.warning("%s: %d of %d rows have an empty text; kept", name, empty, len(part))
    known_texts = set(rows.texts)
    twice = sum(texts in known_texts for texts in held.texts)
    if twice:
        logger.warning("%d of %d validation rows have a training row's text", twice, len(held))
    count = min(max(round(selection_share * len(rows)), _LEAST_SELECTION), len(rows) // 2)
    if count != round(selection_share * len(rows)):
        told = "selection: %d of %d rows and not %g of them: at least %d, and at most half"
        logger.info(told, count, len(rows), selection_share, _LEAST_SELECTION)
    rest, chosen = split_off(rows, count, (seed, _SELECT), known.problem.strata(rows.labels))
    if train_rows is not None:
        rest = _subset(rest, train_rows, known, seed)
    known = replace(known, scale=known.problem.scale(rest.labels))
    splits = Splits(known, rest, chosen, held, _apart(more, (chosen, held)))
    logger.info(
        "%s: %d rows to train, %d of them without a label, %d to select by, %d to report on",
        known.name,
        len(splits.train) + len(splits.unlabelled),
        len(splits.unlabelled),
        len(splits.selection),
        len(splits.validation),
    )
    return splits


def keep_apart(splits: Splits, share: float, seed: int) -> list[int]:
    """Keep some of the labelled training rows apart from the others, families whole.

    Args:
        splits: the rows.
        share: of the training rows, in (0, 1).
        seed: of the draw, >= 0.

    Returns:
        Their ids, about ``share`` of all, two at least.

    Raises:
        AdaBertError: if they, or the others, are fewer than two.
    """
    rows = splits.train
    count = round(share * len(rows))
    _, apart = split_off(rows, count, (seed, _APART), splits.task.problem.strata(rows.labels))
    if min(len(apart), len(rows) - len(apart)) < 2:
        raise AdaBertError(
            f"alpha_share: {share} of {len(rows)} training rows sets {len(apart)} apart; it must set "
            "two or more apart and leave as many: give more rows or another share"
        )
    return apart.ids


def _apart(more: Rows, held: tuple[Rows, ...]) -> Rows:
    """Unlabelled rows without those whose text is, or lies in, that of a row to select by or report on."""
    if not len(more):
        return more
    apart = without_kin(more, held)
    if len(apart) < len(more):
        dropped = len(more) - len(apart)
        logger.info("%d unlabelled rows have texts of rows that are held out; dropped", dropped)
    return apart


def _known(task: Task, folder: Path | None) -> tuple[Rows, Rows, Rows]:
    """Training, validation and unlabelled rows of a task of the table."""
    if embedded.is_embedded(task.name):
        made = embedded.generate(task.name)
        train, validation = (
            Rows([texts for texts, _ in part], [label for _, label in part], list(range(len(part))))
            for part in (made["train"], made["validation"])
        )
        return train, validation, Rows([], [], [])
    tables = []
    for split in ("train", task.validation):
        if folder is not None:
            path = _find(folder / task.name, split)
            tables.append(read_table(path, task.texts, task.label))
        elif task.hub is not None:
            tables.append(read_hub(task.hub, split, task.texts, task.label))
        else:
            raise AdaBertError(
                f"task {task.name}: its rows are on no hub; give their folder (--data-dir, ADABERT_DATA)"
            )
    ids = names_or_ids(set(check_labels(tables[0])), task.labels, ids_first=folder is None)
    both = (to_rows(table, task, ids).by_label() for table in tables)
    (train, more), (validation, dropped) = both
    if dropped.ids:
        logger.warning("validation: %d rows have no label; dropped", len(dropped))
    return train, validation, more


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


def _subset(rows: Rows, count: int, task: Task, seed: int) -> Rows:
    least = len(task.labels)
    if count < least:
        raise AdaBertError(f"train_rows: got {count}, at least one per class ({least}) is needed")
    if count > len(rows):
        logger.warning("train_rows: got %d, there are %d; all are used", count, len(rows))
    return subset(rows, count, (seed, _SUBSET), task.problem.strata(rows.labels))
