"""From labels as text to class ids or values, and what kind of problem they are.

It must not know where rows come from or how they are split.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence

from adabert_nni.data.columns import is_number
from adabert_nni.data.files_in import Table
from adabert_nni.data.tasks import Rows, Task
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import UNLABELLED

logger = logging.getLogger(__name__)

LEAST_ROWS = 8  # below that no split can hold every class
AUTO = "auto"
MANY = 10  # more distinct values than that are no classes, if they have fractions


def kind_of(asked: str, labels: Sequence[str], where: str) -> str:
    """Whether the labels are classes or values: a key of ``PROBLEMS``, said in the log.

    Args:
        asked: such a key, or "auto".
        labels: those of the training rows that have one.
        where: what to call them in the log.

    Returns:
        What was asked for; with "auto", "regression" where all labels are numbers, one has a fraction and more
        than ``MANY`` differ.
    """
    if asked != AUTO:
        return asked
    distinct = set(labels)
    numbers = all(map(is_number, distinct))
    fractions = numbers and not all(float(label).is_integer() for label in distinct)
    found = "regression" if fractions and len(distinct) > MANY else "classification"
    other = "classification" if found == "regression" else "regression"
    logger.info(
        "%s: taken as %s, by its %d different labels, which are %s%s",
        where,
        found,
        len(distinct),
        "numbers with fractions" if fractions else "whole numbers" if numbers else "text",
        f"; --problem-type {other} takes it otherwise" if numbers else "",
    )
    return found


def check_labels(train: Table) -> list[str]:
    """The labels of the training rows that have one; AdaBertError if they are too few or all the same."""
    known = [name for name in train.labels if name is not None]
    if len(known) < LEAST_ROWS:
        raise AdaBertError(
            f"{train.where}: got {len(known)} rows with a label, at least {LEAST_ROWS} are needed; add some"
        )
    if len(set(known)) < 2:
        raise AdaBertError(f"{train.where}: every label is {known[0]!r}; give at least 2 classes")
    return known


def check_classes(where: str, known: Sequence[str]) -> None:
    """Refuse labels most of which stand in one row only."""
    distinct = sorted(set(known))
    if len(distinct) > len(known) / 2:
        raise AdaBertError(
            f"{where}: {len(known)} rows have {len(distinct)} different labels, such as {distinct[0]!r}: "
            "these are no classes; name the label's column with --label, or give --problem-type regression"
        )


def in_order(names: set[str], told: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes in the order of their ids: as a data set tells, else by number, else by name.

    Args:
        names: the classes that occur.
        told: the order that a data set gives; it may have more.

    Returns:
        All of ``names``, once.
    """
    numbers = all(is_number(name) for name in names)
    known = {name: place for place, name in enumerate(told)}
    if names <= known.keys():
        return tuple(sorted(names, key=known.__getitem__))
    # sorted twice: "1" and "01" keep their order, too
    return tuple(sorted(sorted(names), key=float if numbers else str))


def to_rows(table: Table, task: Task, ids: Mapping[str, int] | None = None) -> Rows:
    """Rows with the task's labels: ids of its classes (``ids`` tells other texts of them), or values."""
    return to_classes(table, task.labels, ids) if task.problem.classes else to_values(table)


def to_classes(table: Table, names: Sequence[str], ids: Mapping[str, int] | None = None) -> Rows:
    """Rows with class ids: what ``ids`` tells of a label, by default its place in ``names``."""
    known = by_name(names) if ids is None else ids
    allowed = f"the training classes {', '.join(names[:20])}"
    return _to_rows(table, lambda label: class_of(label, known), allowed)


def class_of(label: str, known: Mapping[str, int]) -> int:
    """The class id of a label, also where only one side has the ".0" that a column of numbers with gaps gets.

    Args:
        label: as a file has it.
        known: class names to ids.

    Returns:
        The id.

    Raises:
        KeyError: if no class, or more than one, is meant.
    """
    if label in known or not is_number(label):
        return known[label]
    whole = label.removesuffix(".0")
    meant = [id_ for name, id_ in known.items() if name.removesuffix(".0") == whole]
    if len(meant) != 1:
        raise KeyError(label)
    return meant[0]


def by_name(names: Sequence[str]) -> dict[str, int]:
    """Class names to their ids."""
    return {name: place for place, name in enumerate(names)}


def names_or_ids(labels: set[str], names: Sequence[str], *, ids_first: bool) -> dict[str, int]:
    """How a column tells classes: by name, by id, or, where no name is another class's id, by either.

    Args:
        labels: those that occur in the training rows.
        names: of the classes, in the order of their ids.
        ids_first: what to take where all labels are both names and ids, of other classes.

    Returns:
        Labels to class ids.
    """
    named, numbered = by_name(names), {str(place): place for place in range(len(names))}
    if all(numbered.get(name, place) == place for name, place in named.items()):
        return numbered | named
    readings = (numbered, named) if ids_first else (named, numbered)
    return next((reading for reading in readings if labels <= reading.keys()), named)


def to_values(table: Table) -> Rows:
    """Rows with values as labels."""
    return _to_rows(table, _value, "finite numbers")


def _value(label: str) -> float:
    value = float(label)
    if not math.isfinite(value):
        raise ValueError(label)
    # No label may be the mark of a row without one: the next number in float32 takes its place.
    return value if value != UNLABELLED else -99.99999


def _to_rows(table: Table, read: Callable[[str], float], allowed: str) -> Rows:
    labels: list[float] = []
    for label, line in zip(table.labels, table.lines, strict=True):
        try:
            labels.append(UNLABELLED if label is None else read(label))
        except (KeyError, ValueError):
            raise AdaBertError(
                f"{table.where} line {line}: got label {label!r}, allowed are {allowed}; correct the "
                "label or drop the row"
            ) from None
    return Rows(table.texts, labels, list(range(len(labels))))
