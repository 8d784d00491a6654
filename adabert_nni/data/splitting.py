"""Split rows in two so that neither part tells of the other: whole families, classes in proportion.

SST-2's training rows are phrases cut out of sentences that are rows as well. Drawn row by row, nearly every
selection row would lie inside a training row, and whatever is chosen by it would be chosen for memory.
Must not know where rows come from. Shapes: R rows.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from adabert_nni.data.tasks import Rows

logger = logging.getLogger(__name__)

_LONGEST = 512  # words of a text that are looked at; no model here reads more
_OPENING = 4  # words by which a shorter text is looked up inside a longer one


def families(texts: Sequence[str]) -> list[int]:
    """Which texts belong together: one that stands inside longer ones, word by word, joins the longest.

    Time grows with the number of words, where few texts open with the same four words.

    Args:
        texts: one per row.

    Returns:
        A number per row, below R; equal texts have the same one. Whether a text lies in another is asked of
        whole families' longest texts only, so that "good" does not join all that contain it.
    """
    index = _Index(texts)
    family: dict[str, int] = {}
    for number, text in enumerate(sorted(index.words, key=lambda text: -len(index.words[text]))):
        if text not in family:
            family[text] = number
            for short in index.inside(text):
                family.setdefault(short, number)
    return [family[text] for text in texts]


class _Index:
    """Texts by the words they open with, so that those inside a longer one are found fast."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.words = {text: _words(text) for text in texts}
        self._openings: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for text, words in self.words.items():
            self._openings[words[:_OPENING]].append(text)

    def inside(self, text: str) -> Iterator[str]:
        """Those that stand in ``text`` word by word, itself if it is one of them; some more than once."""
        whole = _words(text)
        for start in range(len(whole)):
            for opening in {whole[start : start + count] for count in range(1, _OPENING + 1)}:
                for short in self._openings.get(opening, ()):
                    words = self.words[short]
                    if whole[start : start + len(words)] == words:
                        yield short


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(maxsplit=_LONGEST)[:_LONGEST])


def split_off(
    rows: Rows, count: int, key: tuple[int, int], classes: Sequence[int]
) -> tuple[Rows, Rows]:
    """(the rest, about ``count`` rows): classes in proportion, drawn by ``key``, both in file order.

    Families of the first text stay whole, as long as that leaves half of ``count``; else rows are drawn one
    by one, with a warning. The rest keeps a row of every class.

    Args:
        rows: what to split.
        count: rows to split off, 0 to R; fewer where a class or a family is too large to give more.
        key: of the random numbers.
        classes: of each row, (R,).

    Returns:
        Two parts without a row in common.
    """
    quota = _quota(Counter(classes), count)
    together = families([texts[0] for texts in rows.texts])
    taken = _draw(classes, together, quota, key)
    if len(taken) < sum(quota.values()) / 2:
        logger.warning(
            "rows share their first text in large groups: the split of %d rows cannot keep them whole, so a "
            "row in it may resemble a training row",
            count,
        )
        taken = _draw(classes, list(range(len(rows))), quota, key)
    rest = [i for i in range(len(rows)) if i not in taken]
    return rows.take(rest), rows.take(sorted(taken))


def subset(rows: Rows, count: int, key: tuple[int, int], classes: Sequence[int]) -> Rows:
    """``count`` of the rows, ``classes`` (R,) in proportion, each kept; drawn row by row by ``key``."""
    quota = _quota(Counter(classes), max(len(rows) - count, 0))
    left = _draw(classes, list(range(len(rows))), quota, key)
    return rows.take([i for i in range(len(rows)) if i not in left])


def without_kin(rows: Rows, held: Sequence[Rows]) -> Rows:
    """The rows whose first text neither stands in a first text of ``held`` nor is of the family of one."""
    known, own = ([texts[0] for part in parts for texts in part.texts] for parts in (held, [rows]))
    together = families([*known, *own])
    index, kin = _Index(own), set(together[: len(known)])
    inside = {short for text in known for short in index.inside(text)}
    found = enumerate(zip(own, together[len(known) :], strict=True))
    return rows.take([i for i, (text, family) in found if family not in kin and text not in inside])


def _quota(sizes: Counter[int], count: int) -> dict[int, int]:
    """Rows per class that add up to ``count`` in the classes' proportions, one of each class being left."""
    total = sum(sizes.values())
    fair = {name: count * size / total for name, size in sizes.items()}
    quota = {name: int(share) for name, share in fair.items()}
    while sum(quota.values()) < count:
        able = [name for name in sizes if quota[name] < sizes[name] - 1]
        if not able:
            break
        quota[max(able, key=lambda name: (fair[name] - quota[name], -name))] += 1
    return quota


def _draw(
    labels: Sequence[int], together: Sequence[int], quota: dict[int, int], key: tuple[int, int]
) -> set[int]:
    """Positions of whole groups in random order, each taken if the quota of its classes still has room."""
    groups: dict[int, list[int]] = defaultdict(list)
    for position, group in enumerate(together):
        groups[group].append(position)
    members, room, taken = list(groups.values()), dict(quota), set[int]()
    for index in np.random.default_rng(key).permutation(len(members)):
        need = Counter(labels[i] for i in members[index])
        if all(room[name] >= more for name, more in need.items()):
            taken.update(members[index])
            room = {name: left - need[name] for name, left in room.items()}
    return taken
