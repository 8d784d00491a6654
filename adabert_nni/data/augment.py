"""Texts to more texts: words replaced by words like them, ends exchanged, spans cut out (paper, 3.3, "DA").

As in TinyBERT (Jiao et al., 2019), every word is replaced apart from the others and the rest of the text stays as
it is, spaces too, so that any tokenizer can read it. Who proposes words is passed in: this file must not know of
models, vectors or files. The cut is the n-gram sampling of Tang et al. (2019); `data.splice` exchanges ends.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adabert_nni.data.splice import WORD, spliced, splices
from adabert_nni.data.tasks import Rows
from adabert_nni.losses import UNLABELLED

Asked = tuple[str, int, int]  # a text, and from where to where in it a word stands
Proposals = Sequence[Sequence[str]]
Proposer = Callable[[Sequence[Asked]], Proposals]

# Closed-class words are neither replaced nor proposed: what is near to one is another of them ("not": "also",
# "his": "her"), which breaks the grammar or turns the meaning and says nothing new. TinyBERT leaves them, too.
STOP_WORDS = frozenset(
    """
    about above after again against ain all also although always among and another any anybody anyone
    anything are aren because been before being below between both but can cannot could couldn did didn
    does doesn doing don done down during each either else enough etc even ever every everybody everyone
    everything few first for from further get gets had hadn has hasn have haven having hence her here hers
    herself him himself his how however instead into isn its itself just least less let many may might
    mine more most much must myself near neither never nobody none nor not nothing now off often once one
    only onto other others otherwise ought our ours ourselves out over own per perhaps quite rather same
    second several shall she should shouldn since some somebody someone something still such than that the
    their theirs them themselves then there therefore these they this those though three through thus
    together too toward towards two under unless until upon very was wasn were weren what whatever when
    where whereas whether which while who whoever whole whom whose why will with within without would
    wouldn yet you your yours yourself yourselves
    """.split()  # noqa: SIM905
)
_SHORTEST_WORD = 3  # letters; below are "of", "it", and pieces of words such as "em"
COPY_BITS = 32  # of an id hold the source row's, which is a position in a file
_BEFORE, _AFTER = "\"'“‘«([{¿¡*", "\"'”’»)]}*.,;:!?…"
_CHUNK = re.compile(r"[^\s\-‐‑–—]+")  # what stands between spaces and hyphens
_DRAW = 3  # random numbers of its own, beside those of the splits
_SHORTEST_SPAN = 0.25  # of the words of a text are left when the rest is cut


def augmented_id(source: int, copy: int) -> int:
    """The id of the ``copy``-th (from 1) augmented row of a row: no original row's, and no other copy's."""
    return copy << COPY_BITS | source


def says_something(word: str) -> bool:
    """Whether it may be replaced or proposed: three letters or more, nothing else, and no stop word."""
    return len(word) >= _SHORTEST_WORD and word.isalpha() and word.lower() not in STOP_WORDS


def find_words(text: str) -> list[tuple[int, int]]:
    """Where the words that may be replaced begin and end.

    A word ``says_something``, apart from quotes, brackets and punctuation around it. So numbers, punctuation,
    contractions ("n't"), handles, addresses and HTML stay.
    """
    found = []
    for chunk in _CHUNK.finditer(text):
        right = chunk[0].rstrip(_AFTER)
        word = right.lstrip(_BEFORE)
        if says_something(word):
            end = chunk.start() + len(right)
            found.append((end - len(word), end))
    return found


def vocabulary(texts: Iterable[str]) -> set[str]:
    """The words of these texts that may be replaced, as they stand and in lower case."""
    words = {text[start:end] for text in texts for start, end in find_words(text)}
    return words | {word.lower() for word in words}


def from_table(table: Mapping[str, Sequence[str]]) -> Proposer:
    """Who proposes for a word what a table holds for it, or for it in lower case."""
    return lambda asked: [
        table.get(text[start:end]) or table.get(text[start:end].lower(), ())
        for text, start, end in asked
    ]


def first_of(proposers: Sequence[Proposer]) -> Proposer:
    """Who asks the first proposer for all words, the next one for those that it had nothing for, and so on."""

    def propose(asked: Sequence[Asked]) -> Proposals:
        found: dict[Asked, Sequence[str]] = {}
        for proposer in proposers:
            left = [word for word in asked if not found.get(word)]
            found.update(zip(left, proposer(left), strict=True))
        return [found[word] for word in asked]

    return propose


@dataclass(frozen=True)
class _Draft:
    """A text, the span of it that is kept, and the words in it to replace with where in their proposals."""

    text: str
    kept: tuple[int, int]
    words: list[tuple[Asked, float]]


def augment(
    rows: Rows,
    propose: Proposer,
    *,
    copies: int,
    replace: float,
    cut: float,
    seed: int,
    known: Collection[tuple[str, ...]] = frozenset(),
    splice: float = 0.0,
    partners: Sequence[tuple[str, ...]] = (),
) -> Rows:
    """Augmented rows without labels; those of a row depend on it, ``partners`` and ``seed`` alone.

    Args:
        rows: the sources, with ids in [0, 2 ** 32).
        propose: gives the words, none or more, that may stand for each word that it is asked for.
        copies: n >= 1 per row; a row's first ones do not depend on n.
        replace: probability p in [0, 1] with which a word that has proposals becomes one of them.
        cut: probability in [0, 1] with which only a span of a text is kept.
        seed: >= 0, keys one generator per row.
        known: texts of rows that no copy may repeat; equal copies of a row are kept once, too.
        splice: probability in [0, 1] that a copy ends as one of ``partners`` does, before words are replaced.
        partners: texts of rows, of as many texts as ``rows``; none are needed where ``splice`` is 0.

    Returns:
        At most n rows per source, in its place, with ids of ``augmented_id`` and labels ``UNLABELLED``.
    """
    drafts: list[tuple[int, list[_Draft]]] = []
    for texts, source in zip(rows.texts, rows.ids, strict=True):
        generator = np.random.default_rng((seed, _DRAW, source))
        splicing = splices(seed, source)
        for copy in range(1, copies + 1):
            start = spliced(texts, partners, splice, splicing)
            drawn = [_draft(text, replace, cut, generator) for text in start]
            drafts.append((augmented_id(source, copy), drawn))
    asked = list(dict.fromkeys(word for _, row in drafts for text in row for word, _ in text.words))
    found = dict(zip(asked, propose(asked), strict=True))
    made: dict[tuple[int, tuple[str, ...]], int] = {}  # the first copy of each text
    for number, row in drafts:
        texts = tuple(_write(draft, found) for draft in row)
        if texts not in known:
            made.setdefault((number % (1 << COPY_BITS), texts), number)
    return Rows([texts for _, texts in made], [UNLABELLED] * len(made), list(made.values()))


def _draft(text: str, replace: float, cut: float, generator: np.random.Generator) -> _Draft:
    words = find_words(text)
    chosen, picks = generator.random((2, len(words)))
    start, end = _span(text, cut, *generator.random(3))
    replaced = [
        ((text, *word), float(pick))
        for word, draw, pick in zip(words, chosen, picks, strict=True)
        if draw < replace and start <= word[0] and word[1] <= end
    ]
    return _Draft(text, (start, end), replaced)


def _span(text: str, cut: float, draw: float, size: float, place: float) -> tuple[int, int]:
    """From where to where a text is kept: all, or with probability ``cut`` a quarter of its words or more."""
    tokens = [match.span() for match in WORD.finditer(text)]
    least = max(1, round(_SHORTEST_SPAN * len(tokens)))
    if draw >= cut or len(tokens) <= least:
        return 0, len(text)
    count = least + int(size * (len(tokens) - least))  # below len(tokens): something is cut
    first = int(place * (len(tokens) - count + 1))
    return tokens[first][0], tokens[first + count - 1][1]


def _write(draft: _Draft, found: Mapping[Asked, Sequence[str]]) -> str:
    at, last = draft.kept
    parts = []
    for word, pick in draft.words:
        text, start, end = word
        if options := found[word]:
            proposal = options[int(pick * len(options))]
            parts += [text[at:start], _in_case_of(text[start:end], proposal)]
            at = end
    return "".join([*parts, draft.text[at:last]])


def _in_case_of(word: str, proposal: str) -> str:
    if word.isupper():
        return proposal.upper()
    return proposal[0].upper() + proposal[1:] if word[0].isupper() else proposal
