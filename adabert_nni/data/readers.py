"""Files (.csv .tsv .jsonl, plain or .gz) row by row, as they stand: values by column, and the line they come from.

A file may be larger than memory. It must not know which columns are wanted.
"""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from adabert_nni.errors import AdaBertError

Record = tuple[int, dict[str, Any]]  # line, value by column


def file_records(path: Path) -> Iterator[Record]:
    """Line number and fields of every row of a file.

    Args:
        path: its suffix tells its format.

    Yields:
        Line (from 1) and values by column, when they are asked for.

    Raises:
        AdaBertError: naming file and line, if it is missing, empty, not UTF-8 (a BOM is fine), broken or of
            another kind.
    """
    names = path.name.lower().removesuffix(".gz")
    reader = next((read for suffix, read in _READERS.items() if names.endswith(suffix)), None)
    if reader is None:
        allowed = ", ".join(f"{suffix}[.gz]" for suffix in _READERS)
        raise AdaBertError(f"{path}: cannot read this kind of file, allowed are {allowed}")
    yield from reader(_lines(path), str(path))


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file as they stand, read as they are asked for: a file may be larger than memory."""
    packed = path.suffix.lower() == ".gz"
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


def _by_header(rows: Iterator[tuple[int, list[str]]], where: str) -> Iterator[Record]:
    _, header = next(rows)
    if len(set(header)) < len(header):
        raise AdaBertError(f"{where} line 1: a column name is there twice; got {header}")
    for line, fields in rows:
        if not fields or (fields == [""] and len(header) > 1):  # a blank line, and no empty text
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
