"""Texts that begin as one row's and end as another's.

CutMix (Yun et al., 2019) on words, but for the label, which is not mixed: the teacher tells its own for what came
out. New combinations of real words in real phrases, as many as there are pairs of rows.
"""

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\S+")  # what stands between spaces
_DRAW = 4  # random numbers of its own: what else is drawn for a row does not depend on them
_SHORTEST_PART = 0.25  # of the words of each text


def splices(seed: int, source: int) -> np.random.Generator:
    """The random numbers of a row's splices."""
    return np.random.default_rng((seed, _DRAW, source))


def spliced(
    texts: tuple[str, ...],
    partners: Sequence[tuple[str, ...]],
    probability: float,
    generator: np.random.Generator,
) -> tuple[str, ...]:
    """A row's texts, some of them with another row's ends.

    Args:
        texts: of the row, one or two.
        partners: the texts of the rows that ends are taken from; not looked at where ``probability`` is 0.
        probability: in [0, 1], of a splice.
        generator: always gives three numbers.

    Returns:
        The texts as they are, or each with its words from a share on exchanged for the partner's from the same
        share on: one share for both texts of a pair, in [1/4, 3/4].
    """
    draw, who, place = generator.random(3)
    if draw >= probability:
        return texts
    share = _SHORTEST_PART + place * (1 - 2 * _SHORTEST_PART)
    partner = partners[int(who * len(partners))]
    return tuple(_joined(text, other, share) for text, other in zip(texts, partner, strict=True))


def _joined(text: str, other: str, share: float) -> str:
    """The first ``share`` of the words of a text, one at least, and what is behind that share in another."""
    ends = [match.end() for match in WORD.finditer(text)]
    starts = [match.start() for match in WORD.finditer(other)]
    kept, left = (max(1, round(share * len(words))) for words in (ends, starts))
    if not ends or left >= len(starts):
        return text
    return f"{text[: ends[kept - 1]]} {other[starts[left] :]}"
