"""The one table of what proposes words for augmentation: the teacher's vectors, a file of them, a masked model.

A source is written ``name`` or ``name:argument``; several, with commas between them, are asked in turn. Adding
one is one entry. It must not know how texts are changed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM

from adabert_nni.data.augment import Proposer, first_of, from_table
from adabert_nni.data.neighbours import nearest, read_vectors, whole_words
from adabert_nni.errors import AdaBertError, first_line
from adabert_nni.files import sha256
from adabert_nni.precision import device
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.loading import LOCAL, load_tokenizer
from adabert_nni.teacher.masked import MaskedWords
from adabert_nni.teacher.source import locate_teacher, weight_hashes


@dataclass(frozen=True)
class Source:
    """What proposes words.

    Attributes:
        form: how it is written, for errors.
        find: the folder or file of its argument ("" without one), given the teacher's folder.
        build: a proposer from that path, the words that it may be asked for, and how many to propose.
    """

    form: str
    find: Callable[[str, Path], Path]
    build: Callable[[Path, Collection[str], int], Proposer]


def _teacher_words(folder: Path, asked: Collection[str], count: int) -> Proposer:
    words = whole_words(load_tokenizer(folder))
    vectors = embedding_tables(folder)[0][list(words.values())]
    return from_table(nearest(asked, list(words), vectors, count))


def _file_words(path: Path, asked: Collection[str], count: int) -> Proposer:
    return from_table(nearest(asked, *read_vectors(path, asked), count))


def _masked_words(folder: Path, _: Collection[str], count: int) -> Proposer:
    tokenizer = load_tokenizer(folder)
    try:
        model, report = AutoModelForMaskedLM.from_pretrained(
            folder, **LOCAL, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise AdaBertError(
            f"augment_source mlm: {folder} cannot be loaded as a masked language model ({first_line(error)}); "
            "give one, such as bert-base-uncased"
        ) from None
    if report["missing_keys"] or tokenizer.mask_token_id is None or not tokenizer.is_fast:
        lacks = min(report["missing_keys"], default="fast tokenizer with a mask")
        raise AdaBertError(
            f"augment_source mlm: {folder} has no {lacks}; give a masked language model with its trained head, "
            "such as bert-base-uncased"
        )
    model.to(device()).eval()
    return MaskedWords(model, tokenizer, count)


def _file(argument: str, _: Path) -> Path:
    path = Path(argument).expanduser()
    if not path.is_file():
        raise AdaBertError(
            f"augment_source glove: {path} is no file; give a text file of vectors such as glove.6B.300d.txt"
        )
    return path


SOURCES: dict[str, Source] = {
    "teacher": Source("teacher", lambda _, teacher: teacher, _teacher_words),
    "glove": Source("glove:<file>", _file, _file_words),
    "mlm": Source("mlm:<name or folder>", lambda name, _: locate_teacher(name), _masked_words),
}


def find_sources(written: str, teacher: Path) -> list[tuple[str, Path]]:
    """The sources that a setting names, each with its folder or file.

    Args:
        written: such as "teacher", or "mlm:bert-base-uncased,glove:glove.6B.300d.txt".
        teacher: the folder of the teacher before it is fine-tuned.

    Returns:
        (name, path) in their order.

    Raises:
        AdaBertError: if one is unknown or its folder or file cannot be had.
    """
    found = []
    for part in written.split(","):
        name, colon, argument = part.strip().partition(":")
        needs = name in SOURCES and ":" in SOURCES[name].form
        if name not in SOURCES or bool(argument) != needs or bool(colon) != needs:
            allowed = ", ".join(source.form for source in SOURCES.values())
            raise AdaBertError(
                f"augment_source: got {part.strip()!r}, allowed are {allowed}; write several with commas between"
            )
        found.append((name, SOURCES[name].find(argument, teacher)))
    return found


def source_hashes(sources: list[tuple[str, Path]]) -> list[tuple[str, dict[str, str]]]:
    """What the sources are made from: the sha256 of their vectors or weights."""
    return [
        (name, {path.name: sha256(path)} if path.is_file() else weight_hashes(path))
        for name, path in sources
    ]


def proposer(sources: list[tuple[str, Path]], asked: Collection[str], count: int) -> Proposer:
    """Who proposes up to ``count`` words for each word: the first of the sources that has any for it."""
    return first_of([SOURCES[name].build(path, asked, count) for name, path in sources])
