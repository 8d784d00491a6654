"""Texts in, answers out, for ``predict``: rows from words or lines, and ONE table of the forms they are told in.

It must not know models: an answer comes from ``student.predict``.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adabert_nni.errors import AdaBertError
from adabert_nni.files import make_folder

if TYPE_CHECKING:
    from adabert_nni.student.predict import Answer

COLUMNS = ("text", "text_pair")
END = "\r\n"  # a cell with one of its characters is quoted


def in_tuples(texts: list[str], columns: int) -> Iterator[tuple[str, ...]]:
    """Texts as rows of ``columns``; AdaBertError if they do not come out even."""
    if len(texts) % columns:
        raise AdaBertError(f"got {len(texts)} texts for a student of pairs; give two a row")
    return zip(*[iter(texts)] * columns, strict=True)


def from_lines(stream: Iterable[bytes], columns: int) -> Iterator[tuple[str, ...]]:
    """A row a line; the texts of a pair have a tab between them."""
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise AdaBertError(
                f"standard input line {number}: not UTF-8 ({error.reason})"
            ) from None
        yield tuple(text.split("\t")) if columns > 1 else (text,)


def _jsonl(answers: "Iterable[Answer]") -> Iterator[str]:
    for answer in answers:
        record = dict(zip(COLUMNS, answer.texts, strict=False))
        told = {k: round(v, 6) if isinstance(v, float) else v for k, v in answer.told().items()}
        yield json.dumps({**record, **told}, ensure_ascii=False)


def _csv(answers: "Iterable[Answer]") -> Iterator[str]:
    def line(cells: Iterable[object]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=END).writerow(cells)
        return buffer.getvalue().removesuffix(END)

    for number, answer in enumerate(answers):
        if number == 0:
            yield line([*COLUMNS[: len(answer.texts)], *answer.told()])
        told = (f"{v:.6f}" if isinstance(v, float) else v for v in answer.told().values())
        yield line([*answer.texts, *told])


FORMATS: dict[str, Callable[["Iterable[Answer]"], Iterator[str]]] = {"jsonl": _jsonl, "csv": _csv}


def written(lines: Iterator[str], path: Path) -> int:
    """Write lines to a file that is there whole or not at all.

    Args:
        lines: without their ends.
        path: the file; its folder is made.

    Returns:
        How many lines there were.

    Raises:
        AdaBertError: if it cannot be written; what lay there is untouched.
    """
    half, count = path.with_name(f".{path.name}.partial"), 0
    try:
        make_folder(path.parent)
        with half.open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        os.replace(half, path)
    except OSError as error:
        raise AdaBertError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error
    finally:
        half.unlink(missing_ok=True)
    return count
