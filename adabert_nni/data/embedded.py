"""Small tasks that the package writes itself: no download, no file, the same rows every time.

``mini-reviews`` (one text): does the writer like it? The words alone do not tell: opinions are
negated ("far from dull"), set against each other ("although the plot was weak, the acting was
superb": the main clause counts, and what follows "but"), or belong to somebody or something else.

``mini-claims`` (two texts): does the first sentence make the second one certain? It turns on verbs
that say whether a thing was done ("forgot to", "did not fail to", "promised to") in the clause
that the claim is about. Two classes, as in RTE and QNLI: with a third one for "open" the verb alone
would tell it from the others, a shortcut for a bag of words.

All dependencies stay within a dozen tokens, so that convolutions can learn them. It must not know
of files, tokenizers or models.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_LISTS = """
good: superb|wonderful|charming|delightful|excellent|lovely|brilliant|fresh|pleasant|impressive
good: clever|perfect|great|beautiful|enjoyable|splendid|fine|memorable|good|fantastic
bad: dull|awful|weak|dreadful|boring|terrible|poor|bland|disappointing|clumsy|tedious|stale
bad: horrible|annoying|bad|mediocre|unpleasant|miserable|ugly|lousy
degree: |really |quite |truly |simply |
denial: not|not at all|never|far from|anything but|hardly
film: plot|acting|music|ending|dialogue|camera|cast
book: plot|style|story|ending|writing|humor|cover
restaurant: food|service|soup|wine|dessert|menu|bread
hotel: room|breakfast|service|pool|view|garden|bed
concert: sound|band|stage|singing|music|lighting|choir
other: my brother|my sister|the critics|our neighbors|my friends|the guide|my boss
before: we went there on a friday .|i paid the full price .|it was our second time .
before: a friend gave me the tickets .|this was in early spring .|we had two hours to spare .
after: it took about two hours .|we left before ten .|that was last week .|we were four people .
after: i wrote this the next day .|the street was busy .
name: anna|peter|maria|john|laura|david|sarah|tom|emma|paul|julia|frank
deed: lock/locked the door|close/closed the window|water/watered the plants|pay/paid the bill
deed: call/called the doctor|feed/fed the cat|wash/washed the dishes|send/sent the letter
deed: book/booked the hotel|paint/painted the fence|sign/signed the form|order/ordered the food
deed: clean/cleaned the kitchen|repair/repaired the bike|hide/hid the key|cancel/canceled the trip
witness: the neighbors|the teacher|a guest|the driver|the police|a friend
when: on monday|in the morning|before the trip|after lunch|last night|this week
done: managed to|remembered to|was able to|was quick to|did not forget to
not done: failed to|forgot to|refused to|was too late to|did not manage to
open: promised to|planned to|wanted to|hoped to
"""
WORDS: dict[str, list[str]] = {}
for _line in _LISTS.strip().splitlines():
    _name, _words = _line.split(": ", 1)
    WORDS.setdefault(_name, []).extend(_words.split("|"))
_PLACES = ("film", "book", "restaurant", "hotel", "concert")

Row = tuple[tuple[str, ...], int]


def _opinion(rng: random.Random, liked: bool, denied: float) -> str:
    """Words after "was" that say whether it was liked, directly or by denying the opposite."""
    right, wrong = ("good", "bad") if liked else ("bad", "good")
    if rng.random() < denied:
        return f"{rng.choice(WORDS['denial'])} {rng.choice(WORDS[wrong])}"
    return rng.choice(WORDS["degree"]) + rng.choice(WORDS[right])


def _review(rng: random.Random, label: int) -> tuple[str]:
    """One review; label 1: the writer likes it."""
    liked = label == 1
    place, other = rng.choice(_PLACES), rng.choice(WORDS["other"])
    one, two = rng.sample(WORDS[place], 2)
    yes, no = _opinion(rng, liked, 0.45), _opinion(rng, not liked, 0.3)
    right, wrong = ("good", "bad") if liked else ("bad", "good")
    word = rng.choice(WORDS[wrong])  # an opinion that does not count
    frames = [
        f"the {one} of this {place} was {yes} .",
        f"to me the {place} was {yes} .",
        f"although the {one} was {no} , the {two} was {yes} .",
        f"the {one} was {yes} , although the {two} was {no} .",
        f"the {one} was {no} , but the {two} was {yes} .",
        f"{other} found the {one} {word} , but to me it was {yes} .",
        f"to me the {one} was {yes} , but {other} found it {word} .",
        f"unlike the {word} {place} next door , this one was {yes} .",
        f"i expected a {word} {place} , yet the {one} was {yes} .",
        f"i would not say that the {one} was {no} .",
        f"nobody could say that the {place} was {no} .",
        f"{other} was wrong to call the {one} {word} .",
        f"{other} was right to call the {one} {rng.choice(WORDS[right])} .",
    ]
    parts = [rng.choice(frames)]
    if rng.random() < 0.3:
        parts.insert(0, rng.choice(WORDS["before"]))
    if rng.random() < 0.3:
        parts.append(rng.choice(WORDS["after"]))
    return (" ".join(parts),)


def _premise(rng: random.Random, name: str, deed: str, state: str) -> str:
    """A clause after which the deed is "done", "not done" or "open"."""
    verb, rest = deed.split(" ", 1)
    base, past = verb.split("/")
    if rng.random() < 0.25:
        seen = rng.choice(["claimed", "hoped"] if state == "open" else ["noticed", "saw"])
        what = f"did not {base}" if state == "not done" else past
        return f"{rng.choice(WORDS['witness'])} {seen} that {name} {what} {rest}"
    how = rng.choice(WORDS[state])
    return f"{name} {how} {base} {rest}"


def _claim(rng: random.Random, label: int) -> tuple[str, str]:
    """A premise and a hypothesis; label 0: entailment, 1: not."""
    name, other = rng.sample(WORDS["name"], 2)
    deed, second = rng.sample(WORDS["deed"], 2)
    claimed = rng.random() < 0.5
    if label == 0:
        state = "done" if claimed else "not done"
    elif rng.random() < 0.2:
        state = "open"
    else:
        state = "not done" if claimed else "done"
    premise = _premise(rng, name, deed, state)
    if rng.random() < 0.1:  # another clause that says the opposite of somebody else
        aside = _premise(rng, other, second, "not done" if state == "done" else "done")
        clauses = [premise, aside] if rng.random() < 0.5 else [aside, premise]
        premise = f"{clauses[0]} , but {clauses[1]}"
    if rng.random() < 0.5:
        premise = f"{rng.choice(WORDS['when'])} {premise}"
    verb, rest = deed.split(" ", 1)
    base, past = verb.split("/")
    said = past if claimed else f"did not {base}"
    return f"{premise} .", f"{name} {said} {rest} ."


_WRITERS: dict[str, Callable[[random.Random, int], tuple[str, ...]]] = {
    "mini-reviews": _review,
    "mini-claims": _claim,
}
SIZES = {"train": 3000, "validation": 600}


def is_embedded(name: str) -> bool:
    """Whether the package writes this task's rows itself."""
    return name in _WRITERS


def generate(name: str) -> dict[str, list[Row]]:
    """All rows of an embedded task, (texts, class id) by split; no text pair is there twice.

    Classes are even in every split. The rows depend on nothing but this file.
    """
    rng = random.Random(f"adabert {name}")
    seen: set[tuple[str, ...]] = set()
    splits: dict[str, list[Row]] = {}
    for split, size in SIZES.items():
        rows = splits.setdefault(split, [])
        while len(rows) < size:
            label = len(rows) % 2
            texts = _WRITERS[name](rng, label)
            if texts not in seen:
                seen.add(texts)
                rows.append((texts, label))
    return splits
