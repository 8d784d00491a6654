"""Labelled texts from files (.csv .tsv .jsonl, plain or .gz) and from the hub, as text.

Nothing is guessed: "null", "NA" and "None" stay text, every mistake names its file and line. It
must not know of tasks, class ids or splits; that is ``loading.py``.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from adabert_nni.errors import AdaBertError

Record = tuple[int, dict[str, Any]]  # line, value by column

_PROBE_SECONDS = 3.0  # the hub's client itself repeats for 23 s before it gives up


@dataclass(frozen=True)
class Table:
    """Labelled texts: where they come from and, row by row, texts, label and line (from 1)."""

    where: str
    texts: list[tuple[str, ...]]
    labels: list[str]
    lines: list[int]


def read_table(path: Path, texts: tuple[str, ...], label: str) -> Table:
    """Read the text columns and the label column of a file.

    Args:
        path: .csv, .tsv or .jsonl, plain or .gz; the suffix tells the format.
        texts: names of one or two columns.
        label: name of the label's column.

    Returns:
        One entry per row, at least one; labels as text.

    Raises:
        AdaBertError: naming file and line, if it is missing, empty, not UTF-8 (a BOM is fine),
            broken, or lacks a column, a text or a label.
    """
    names = path.name.removesuffix(".gz")
    reader = next((read for suffix, read in _READERS.items() if names.endswith(suffix)), None)
    if reader is None:
        allowed = ", ".join(f"{suffix}[.gz]" for suffix in _READERS)
        raise AdaBertError(f"{path}: cannot read this kind of file, allowed are {allowed}")
    table, classes = Table(str(path), [], [], []), dict[str, str]()
    for line, record in reader(_lines(path), str(path)):
        at = f"{path} line {line}"
        missing = [name for name in (*texts, label) if name not in record]
        if missing:
            raise AdaBertError(
                f"{at}: no column {missing[0]!r}, there are {', '.join(record)}; name them with "
                "--text, --text-pair and --label"
            )
        table.texts.append(tuple(_text(record[name], f"{at} column {name!r}") for name in texts))
        name = _label(record[label], f"{at} column {label!r}")
        table.labels.append(classes.setdefault(name, name))  # one object for all rows of a class
        table.lines.append(line)
    if not table.lines:
        raise AdaBertError(f"{path}: the file has no rows, only a header; add some")
    return table


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


def _label(value: object, at: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or (isinstance(value, str | float) and str(value).strip() in ("", "nan")):
        raise AdaBertError(f"{at}: the label is missing; add it or drop the row")
    if not isinstance(value, str):
        raise AdaBertError(f"{at}: got {value!r}, a label must be a string or a whole number")
    return value.strip()


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


def read_hub(source: tuple[str, str], split: str, texts: tuple[str, ...], label: str) -> Table:
    """Read a split of a hub data set, from the cache if there; AdaBertError within seconds."""
    import datasets  # a second of imports that no other source needs

    where = " ".join((*source, split))
    remedy = "give --data-dir or ADABERT_DATA, or an embedded task such as mini-reviews"
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
    labels = [str(value) for value in rows[label]]
    columns = (list(rows[name]) for name in texts)
    return Table(where, list(zip(*columns, strict=True)), labels, list(range(1, len(labels) + 1)))


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
