"""Which columns hold the texts and the label: as told, else by their names, else the only ones left.

A guess is made where there is one answer, and the caller says it in the log. It must not know where rows come
from, or what a label means.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from adabert_nni.data.files_in import Source
from adabert_nni.errors import AdaBertError
from adabert_nni.reading import hint

# Names in groups: the first group that occurs decides, and two of one group are a question.
_PAIRS = (
    *(("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis")),
    *(("text", "text_pair"), ("text1", "text2"), ("text_a", "text_b"), ("text_1", "text_2")),
    *(("sentence_a", "sentence_b"), ("sentence_A", "sentence_B"), ("sentence_1", "sentence_2")),
    *(("question", "sentence"), ("question", "answer"), ("question", "passage")),
    *(("question", "context"), ("query", "passage"), ("query", "document"), ("claim", "evidence")),
)
_TEXTS = (
    (
        "text",
        "sentence",
        "review",
        "content",
        "comment",
        "document",
        "tweet",
        "utterance",
        "message",
    ),
    ("body", "abstract", "description", "question", "query"),
    ("title", "headline", "summary"),
)
_LABELS = (
    ("label", "labels"),
    ("class", "target", "category", "stars", "rating", "score", "sentiment", "intent", "y"),
)
_NO_DATA = ("", "id", "ids", "idx", "index", "guid", "uid", "uuid", "unnamed: 0")  # numbers of rows
_SAMPLE = 1000  # rows that tell what a column holds
_OPTIONS = "--text, --text-pair for a second text, and --label"


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        texts: one or two.
        label: None where none was asked for.
        guessed: whether one of them was not told.
    """

    texts: tuple[str, ...]
    label: str | None
    guessed: bool


def choose_columns(
    source: Source, text: str | None, text_pair: str | None, label: str | None
) -> Columns:
    """Take the columns as told, and guess those that were not.

    Args:
        source: the rows.
        text: column of the first text; None guesses it, and that of a second one.
        text_pair: column of the second text.
        label: column of the label; None guesses it.

    Returns:
        The columns.

    Raises:
        AdaBertError: if there is no answer or more than one; lists the columns and says what to give.
    """
    told = [name for name in (text, text_pair, label) if name is not None]
    names = [name for name in _first(source) if name.strip().lower() not in _NO_DATA]
    if text is None or label is None:
        _need_header(source, names)
    _need_told(source, told)
    texts: tuple[str, ...] = tuple(name for name in (text, text_pair) if name is not None)
    left = [name for name in names if name not in told]
    if not texts:
        known = label or _named(left, _LABELS, source, "label")
        texts = _find_texts([name for name in left if name != known], source)
        left = [name for name in left if name not in texts]
    found = label or _named(left, _LABELS, source, "label") or _only(left, source, "label")
    if label is None:
        _need_name(source, found)
    return Columns(texts, found, guessed=text is None or label is None)


def _find_texts(names: list[str], source: Source) -> tuple[str, ...]:
    lower = {name.lower(): name for name in names}
    pairs = [(a, b) for a, b in _PAIRS if a.lower() in lower and b.lower() in lower]
    if pairs:
        return tuple(lower[name.lower()] for name in pairs[0])
    found = _named(names, _TEXTS, source, "text")
    return (found or _only([name for name in names if _holds_text(source, name)], source, "text"),)


def _named(
    names: Collection[str], groups: Sequence[Sequence[str]], source: Source, what: str
) -> str | None:
    """The one column whose name is in the first group that occurs; None if no group does."""
    for group in groups:
        found = [name for name in names if name.lower() in group]
        if found:
            return _only(found, source, what)
    return None


def _only(names: Sequence[str], source: Source, what: str) -> str:
    if len(names) == 1:
        return names[0]
    columns = ", ".join(_first(source))
    doubt = f"{' and '.join(names)} could be" if names else "none can be told to be"
    raise AdaBertError(
        f"{source.where}: of its columns {columns}, {doubt} the {what}; name them with {_OPTIONS}"
    )


def _holds_text(source: Source, name: str) -> bool:
    """Whether the column holds strings that are not all numbers."""
    sample = [record.get(name) for _, record in islice(source.records, _SAMPLE)]
    strings = [value for value in sample if isinstance(value, str) and value.strip()]
    return (
        name not in source.classes
        and len(strings) > len(sample) / 2
        and not all(map(is_number, strings))
    )


def _need_header(source: Source, names: list[str]) -> None:
    """Refuse a file whose first line is a row: its names then hold a number."""
    numbers = [name for name in names if is_number(name)]
    if numbers:
        raise AdaBertError(
            f"{source.where} line 1: it seems to be a row and not a header, since a column is called "
            f"{numbers[0]!r}; add a header line such as text,label, or name columns with {_OPTIONS}"
        )


def _need_told(source: Source, told: Sequence[str]) -> None:
    """Refuse a name that the first row lacks, and a line whose cells something else parts than the suffix says."""
    columns = list(_first(source))
    other = next(
        (mark for mark in (";", "\t", "|") if len(columns) == 1 and mark in columns[0]), None
    )
    if other is not None:
        raise AdaBertError(
            f"{source.where} line 1: its one column is called {columns[0]!r}; cells seem to be parted by "
            f"{other!r}: write commas (.csv) or tabs (.tsv)"
        )
    for name in told:
        if name not in columns:
            raise AdaBertError(
                f"{source.where}: no column {name!r}{hint(name, columns)}, there are {', '.join(columns)}; name "
                f"them with {_OPTIONS}, or add a header line"
            )


def _need_name(source: Source, label: str) -> None:
    """Refuse a label's column that is called as one of its own labels."""
    if any(record.get(label) == label for _, record in source.records):
        raise AdaBertError(
            f"{source.where} line 1: it seems to be a row and not a header, since the column {label!r} holds "
            f"{label!r} too; add a header line such as text,label, or name columns with {_OPTIONS}"
        )


def is_number(text: str) -> bool:
    """Whether ``text`` is written as a number."""
    with suppress(ValueError):
        float(text)
        return True
    return False


def _first(source: Source) -> dict[str, Any]:
    """The values of the first row, by column."""
    return next(iter(source.records))[1]
