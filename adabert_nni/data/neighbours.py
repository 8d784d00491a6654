"""Words near to a word in a space of vectors, and the words that a tokenizer or a file of vectors holds.

It must not know whose vectors they are or what the neighbours are for. Shapes: W words, D dimensions, Q words
asked for, N neighbours.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adabert_nni.data.augment import says_something
from adabert_nni.errors import AdaBertError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMMON = (
    30_000  # first words of a file of vectors, which go from frequent to rare: all may be proposed
)
_CHUNK = 256  # words asked for at a time: Q x W similarities of 30,000 words take 30 MB


def whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The words that are one piece of a tokenizer, with its id; those that say little are left out.

    Works for any kind of pieces: a candidate is what an id decodes to, and a word if its text becomes that one
    piece again after a space.
    """
    decoded = tokenizer.batch_decode([[number] for number in range(len(tokenizer))])
    words = sorted({word for text in decoded if says_something(word := text.strip())})
    pieces = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
    return {word: ids[0] for word, ids in zip(words, pieces, strict=True) if len(ids) == 1}


def nearest(
    asked: Collection[str], words: Sequence[str], vectors: Tensor, count: int
) -> dict[str, list[str]]:
    """The ``count`` words of the highest cosine with each word that has a vector, itself left out.

    Args:
        asked: Q words; those without a vector are left out.
        words: W different words.
        vectors: theirs, (W, D).
        count: N >= 1; fewer where there are no more words.

    Returns:
        Neighbours by word, the nearest first; a word that differs in case only is none.
    """
    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    place = {word: index for index, word in enumerate(words)}
    known = sorted(word for word in asked if word in place)
    found: dict[str, list[str]] = {}
    for start in range(0, len(known), _CHUNK):
        chunk = known[start : start + _CHUNK]
        cosines = unit[[place[word] for word in chunk]] @ unit.T  # (Q, W)
        # Itself is among them, and perhaps once more in capitals and once as a title.
        best = cosines.topk(min(count + 3, len(words)), dim=1).indices.tolist()
        for word, row in zip(chunk, best, strict=True):
            near = [words[index] for index in row if words[index].lower() != word.lower()]
            found[word] = near[:count]
    return found


def read_vectors(path: Path, needed: Collection[str]) -> tuple[list[str], Tensor]:
    """Words and vectors of a text file as of GloVe: a word and D numbers a line, plain or .gz.

    The file is streamed; kept are its first ``COMMON`` words and the ``needed`` ones.

    Args:
        path: the file.
        needed: words to look for in all of it.

    Returns:
        W words and their vectors (W, D).

    Raises:
        AdaBertError: naming file and line if it is missing or not such a file.
    """
    words, vectors, width = list[str](), list[np.ndarray](), 0
    for number, line in enumerate(_lines(path), start=1):
        word, _, rest = line.rstrip().partition(" ")
        if number == 1:
            width = rest.count(" ") + 1
            if width == 1 and rest.isdecimal():  # a header: how many words, how many numbers
                width = int(rest)
                continue
        if not says_something(word) or (number > COMMON and word not in needed):
            continue
        try:
            vectors.append(np.array(rest.split(" "), dtype=np.float32))
        except ValueError:
            raise AdaBertError(
                f"{path} line {number}: got {line[:40]!r}, a line must hold a word and {width} numbers; give a "
                "text file of vectors such as glove.6B.300d.txt"
            ) from None
        words.append(word)
        if len(vectors[-1]) != width:
            raise AdaBertError(
                f"{path} line {number}: got {len(vectors[-1])} numbers, the lines before have {width}; give a "
                "whole file"
            )
    if not words:
        raise AdaBertError(f"{path}: holds no vector of a word; give a text file as of GloVe")
    return words, torch.from_numpy(np.stack(vectors))


def _lines(path: Path) -> Iterator[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise AdaBertError(
            f"{path}: cannot be read ({reason}); give a text file as of GloVe"
        ) from error
