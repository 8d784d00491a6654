"""Labelled texts from files (.csv .tsv .jsonl, plain or .gz), as text.

Nothing is guessed: "null", "NA" and "None" stay text, every mistake names its file and line. It
must not know of tasks, class ids or splits; that is ``loading.py``.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from adabert_nni.errors import AdaBertError

Record = tuple[int, dict[str, Any]]  # line, value by column


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
        return _records(self.path)


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
        table.texts.append(tuple(_text(record[name], f"{at} column {name!r}") for name in texts))
        table.labels.append(label and _label(record[label], f"{at} column {label!r}"))
        table.lines.append(line)
    return table


def read_table(path: Path, texts: tuple[str, ...], label: str) -> Table:
    """``to_table`` of ``read_file``."""
    return to_table(read_file(path), texts, label)


def read_texts(path: Path, texts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The text columns of a file, row by row, no labels asked for; errors as in ``read_table``."""
    for line, record in _records(path):
        at = f"{path} line {line}"
        missing = [name for name in texts if name not in record]
        if missing:
            raise AdaBertError(
                f"{at}: no column {missing[0]!r}, there are {', '.join(record)}; name them with "
                "--text and --text-pair"
            )
        yield tuple(_text(record[name], f"{at} column {name!r}") for name in texts)


def _records(path: Path) -> Iterator[Record]:
    """Line number and fields of every row of a file of a known kind."""
    names = path.name.removesuffix(".gz")
    reader = next((read for suffix, read in _READERS.items() if names.endswith(suffix)), None)
    if reader is None:
        allowed = ", ".join(f"{suffix}[.gz]" for suffix in _READERS)
        raise AdaBertError(f"{path}: cannot read this kind of file, allowed are {allowed}")
    yield from reader(_lines(path), str(path))


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file as they stand, read as they are asked for: a file may be larger than memory."""
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            blank: list[str] = []
            lines = iter(io.TextIOWrapper(cast(IO[bytes], file), "utf-8-sig", newline=""))
            for line in lines:
                blank.append(line)
                if line.strip():
                    break
            else:
                raise AdaBertError(f"{path}: the file is empty; it must hold labelled texts")
            yield from blank
            yield from lines
    except FileNotFoundError:
        raise AdaBertError(f"{path}: there is no such file; check the path") from None
    except UnicodeDecodeError:
        raise AdaBertError(_not_utf8(path)) from None
    except AdaBertError:
        raise
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise AdaBertError(f"{path}: cannot be read ({error}); give a whole file") from error


def _not_utf8(path: Path) -> str:
    """Look for the first line that is no UTF-8; no character goes on after a line feed."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"{path} line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                    "save it as UTF-8"
                )
    return f"{path}: is not UTF-8; save it as UTF-8"


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise AdaBertError(f"{at}: got {value!r}, a text must be a string; put it in quotes")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise AdaBertError(f"{at}: half a surrogate pair is no character; repair the \\u escape")
    return value


def _label(value: object, at: str) -> str | None:
    if value is None or (isinstance(value, str | float) and str(value).strip() in ("", "nan")):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise AdaBertError(f"{at}: got {value!r}, a label must be a string or a number")
    return str(value).strip()


def _by_header(rows: Iterator[tuple[int, list[str]]], where: str) -> Iterator[Record]:
    _, header = next(rows)
    if len(set(header)) < len(header):
        raise AdaBertError(f"{where} line 1: a column name is there twice; got {header}")
    for line, fields in rows:
        if fields in ([], [""]):  # a blank line
            continue
        if len(fields) != len(header):
            raise AdaBertError(
                f"{where} line {line}: got {len(fields)} fields, the header has {len(header)} "
                f"({', '.join(header)}); look for a stray separator or an unbalanced quote"
            )
        yield line, dict(zip(header, fields, strict=True))


def _csv(text: Iterator[str], where: str) -> Iterator[Record]:
    def rows() -> Iterator[tuple[int, list[str]]]:
        reader, line = csv.reader(text, strict=True), 1
        try:
            for fields in reader:
                yield line, fields
                line = reader.line_num + 1
        except csv.Error as error:
            at = f"{where} line {line}"
            raise AdaBertError(f"{at}: broken quotes ({error}); double inner ones") from error

    before = csv.field_size_limit(sys.maxsize)  # the default refuses a text above 128 kB
    try:
        yield from _by_header(rows(), where)
    finally:
        csv.field_size_limit(before)


def _tsv(text: Iterator[str], where: str) -> Iterator[Record]:
    numbered = enumerate(text, start=1)
    rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in numbered)
    return _by_header(rows, where)  # as in GLUE: quotes are characters like any other


def _jsonl(text: Iterator[str], where: str) -> Iterator[Record]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AdaBertError(f"{where} line {number}: no whole JSON object ({error})") from error
        if not isinstance(record, dict):
            raise AdaBertError(f"{where} line {number}: got no JSON object but {line[:40]!r}")
        yield number, record


_Reader = Callable[[Iterator[str], str], Iterator[Record]]
_READERS: dict[str, _Reader] = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl}
