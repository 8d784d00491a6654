"""Labelled texts from files (.csv .tsv .jsonl, plain or .gz), as text.

Nothing is guessed: "null", "NA" and "None" stay text, every mistake names its file and line. It
must not know of tasks, class ids or splits; that is ``loading.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adabert_nni.data.readers import Record, file_records
from adabert_nni.errors import AdaBertError


@dataclass(frozen=True)
class Source:
    """Rows with all their columns: where they come from, at least one of them, and class names if known.

    Attributes:
        where: a file, or a data set and its split.
        records: line (from 1) and values by column; can be gone through more than once.
        classes: the names of the classes in the order of their ids, by column, where a data set tells them.
    """

    where: str
    records: Iterable[Record]
    classes: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class FileRecords:
    """The rows of a file, read anew whenever they are gone through, so that no unused column is held."""

    path: Path

    def __iter__(self) -> Iterator[Record]:
        """Line and values by column, row by row."""
        return file_records(self.path)


@dataclass(frozen=True)
class Table:
    """Texts: where they come from and, row by row, texts, label (None if there is none), line (from 1)."""

    where: str
    texts: list[tuple[str, ...]]
    labels: list[str | None]
    lines: list[int]


def read_file(path: Path) -> Source:
    """Read a file.

    Args:
        path: .csv, .tsv or .jsonl, plain or .gz; the suffix tells the format.

    Returns:
        Its rows, at least one.

    Raises:
        AdaBertError: naming file and line, if it is missing, empty, not UTF-8 (a BOM is fine) or broken; of
            a later row when its turn comes.
    """
    source = Source(str(path), FileRecords(path))
    if next(iter(source.records), None) is None:
        raise AdaBertError(f"{path}: the file has no rows, only a header; add some")
    return source


def to_table(source: Source, texts: tuple[str, ...], label: str | None) -> Table:
    """Take the text columns and the label column.

    Args:
        source: the rows.
        texts: names of one or two columns.
        label: name of the label's column; None leaves all rows without one.

    Returns:
        One entry per row; labels as text, None where the cell is empty, null or NaN.

    Raises:
        AdaBertError: naming the line that lacks a column or a text, or has an impossible label.
    """
    table = Table(source.where, [], [], [])
    needed = (*texts, *(() if label is None else (label,)))
    for line, record in source.records:
        at = f"{source.where} line {line}"
        missing = [name for name in needed if name not in record]
        if missing:
            raise AdaBertError(
                f"{at}: no column {missing[0]!r}, there are {', '.join(record)}; name them with "
                "--text, --text-pair and --label, or add a header line"
            )
        table.texts.append(
            tuple(check_text(record[name], f"{at} column {name!r}") for name in texts)
        )
        table.labels.append(label and _label(record[label], f"{at} column {label!r}"))
        table.lines.append(line)
    return table


def read_table(path: Path, texts: tuple[str, ...], label: str) -> Table:
    """``to_table`` of ``read_file``."""
    return to_table(read_file(path), texts, label)


def read_texts(path: Path, texts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The text columns of a file, row by row, no labels asked for; errors as in ``read_table``."""
    for line, record in file_records(path):
        at = f"{path} line {line}"
        missing = [name for name in texts if name not in record]
        if missing:
            raise AdaBertError(
                f"{at}: no column {missing[0]!r}, there are {', '.join(record)}; name them with "
                "--text and --text-pair"
            )
        yield tuple(check_text(record[name], f"{at} column {name!r}") for name in texts)


def check_text(value: object, at: str) -> str:
    """``value``, which must be a string of whole characters; AdaBertError says what is wrong ``at`` where."""
    if not isinstance(value, str):
        raise AdaBertError(f"{at}: got {value!r}, a text must be a string; put it in quotes")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise AdaBertError(
            f"{at}: half a surrogate pair is no character; repair the \\u escape, or give UTF-8"
        ) from None
    return value


def _label(value: object, at: str) -> str | None:
    if value is None or str(value).strip().lower() in ("", "nan"):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise AdaBertError(f"{at}: got {value!r}, a label must be a string or a number")
    return str(value).strip()
