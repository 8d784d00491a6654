"""Facts of augmentation: what is replaced and what stays, and that a row's copies are its own."""

import pytest

from adabert_nni.data.augment import (
    STOP_WORDS,
    augment,
    augmented_id,
    find_words,
    first_of,
    from_table,
    vocabulary,
)
from adabert_nni.data.tasks import Rows
from adabert_nni.losses import UNLABELLED

NEAR = {"good": ["great", "fine"], "film": ["movie", "picture"], "plot": ["story", "tale"]}
TEXTS = [
    "A good film .",
    "the plot is not good",
    "a film with a plot , a good one",
    "unknown stays",
]
ALWAYS = {"copies": 3, "replace": 1.0, "cut": 0.0, "seed": 0}


def rows(*texts: str, first: int = 0) -> Rows:
    ids = list(range(first, first + len(texts)))
    return Rows([(text,) for text in texts], [0] * len(texts), ids)


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in find_words(text)]


def made(source: Rows, **settings) -> dict[int, tuple[str, ...]]:
    found = augment(source, from_table(NEAR), **{**ALWAYS, **settings})
    return dict(zip(found.ids, found.texts, strict=True))


def test_words_are_found_without_what_stands_around_them():
    found = words('"Great" (film), 3D or 100 % well-made: it\'s not fun!')
    assert found == ["Great", "film", "well", "made", "fun"]


@pytest.mark.parametrize(
    "text",
    ["n't", "don't", "#tag", "@user", "<br", "a.b.com", "x2", "--", "42", "हिन्दी", "is", "not"],
)
def test_what_is_no_plain_word_stays(text):
    assert words(text) == []
    new = {"great", "fine"}
    assert {changed for (changed,) in made(rows(f"{text} good")).values()} <= {
        f"{text} {n}" for n in new
    }


def test_probability_0_gives_the_source_text_once_and_asks_for_no_word():
    asked = []
    found = augment(rows(*TEXTS), lambda a: asked.extend(a) or [], **{**ALWAYS, "replace": 0.0})
    assert found.texts == [(text,) for text in TEXTS]
    assert asked == []


def test_probability_1_replaces_every_word_by_one_of_its_neighbours_and_nothing_else():
    for (text,) in made(rows("The good film 's plot , it is GOOD .")).values():
        new = text.split()
        assert new[0] == "The" and new[3] == "'s" and new[5:8] == [",", "it", "is"]
        assert new[1] in NEAR["good"] and new[2] in NEAR["film"] and new[4] in NEAR["plot"]
        assert new[8] in ("GREAT", "FINE")


def test_all_neighbours_are_drawn_about_equally_often():
    texts = [f"{index} good" for index in range(400)]
    great = sum("great" in text for (text,) in made(rows(*texts), copies=1).values())
    assert great == pytest.approx(200, abs=60)  # 6 deviations of a coin thrown 400 times


def test_words_are_replaced_with_probability_p():
    texts = [f"{index} film" for index in range(400)]
    changed = ["film" not in text for (text,) in made(rows(*texts), copies=1, replace=0.3).values()]
    assert len(changed) == 400
    assert sum(changed) == pytest.approx(120, abs=55)  # 6 deviations


def test_a_word_keeps_its_capitals_and_the_text_its_spaces():
    assert set(made(rows("  Good,\tFILM")).values()) <= {
        (f"  {first},\t{second}",) for first in ("Great", "Fine") for second in ("MOVIE", "PICTURE")
    }


def test_the_same_seed_gives_the_same_texts_and_another_seed_others():
    source = rows(*TEXTS * 5)
    assert made(source, replace=0.5) == made(source, replace=0.5)
    assert made(source, replace=0.5) != made(source, replace=0.5, seed=1)


def test_what_a_row_becomes_depends_on_no_other_row_and_not_on_the_order():
    source = rows(*TEXTS)
    together = made(source, replace=0.5, cut=0.5)
    backwards = made(source.take([3, 2, 1, 0]), replace=0.5, cut=0.5)
    alone = [made(source.take([index]), replace=0.5, cut=0.5) for index in range(4)]
    assert together == backwards == {k: v for part in alone for k, v in part.items()}


def test_more_copies_leave_the_first_ones_as_they_were():
    few, many = (made(rows(*TEXTS), copies=count, replace=0.5) for count in (2, 6))
    assert few.items() <= many.items()


def test_ids_tell_source_and_copy_and_are_no_row_of_the_file():
    found = made(rows(*TEXTS, first=2**32 - 4))
    assert len(found) > 4
    assert {number % 2**32 for number in found} == set(range(2**32 - 4, 2**32))
    assert {number >> 32 for number in found} <= {1, 2, 3}
    assert augmented_id(7, 2) == 2 * 2**32 + 7


def test_augmented_rows_have_no_label():
    found = augment(rows(*TEXTS), from_table(NEAR), **ALWAYS)
    assert set(found.labels) == {UNLABELLED}


def test_no_copy_says_what_a_known_row_or_an_earlier_copy_says():
    # Two texts can come of it; one of them is known, and three copies of the other are one row.
    found = made(rows("good"), known={("fine",)}, copies=20)
    assert list(found.values()) == [("great",)]


def test_both_texts_of_a_pair_are_changed_each_word_apart():
    pairs = Rows([("good film", "film good")] * 200, [0] * 200, list(range(200)))
    found = set(made(pairs, copies=1).values())
    assert len(found) == 16  # 2 ** 4 choices; 200 draws miss one of them with a chance of 4e-5


def test_a_cut_keeps_a_span_of_a_quarter_of_the_words_or_more():
    text = " ".join(f"w{index}" for index in range(8))
    found = [cut for (cut,) in made(rows(text), copies=200, cut=1.0).values()]
    assert all(cut in text for cut in found)
    assert {len(cut.split()) for cut in found} == {2, 3, 4, 5, 6, 7}


def test_a_text_of_one_word_is_not_cut():
    assert list(made(rows("42"), cut=1.0).values()) == [("42",)]


def test_the_first_that_knows_a_word_proposes_for_it():
    asked = [("good film", 0, 4), ("good film", 5, 9)]
    chain = first_of([from_table({"film": ["movie"]}), from_table({"film": ["x"], "good": ["y"]})])
    assert chain(asked) == [["y"], ["movie"]]


def test_the_vocabulary_holds_the_words_as_they_stand_and_in_lower_case():
    assert vocabulary(["Good film", "the FILM 42"]) == {"Good", "good", "film", "FILM"}


def test_stop_words_are_lower_case_letters():
    assert all(word.isalpha() and word.islower() for word in STOP_WORDS)


def test_a_span_that_is_kept_has_its_own_words_replaced_and_nothing_of_the_rest():
    source = ["good", "film", "plot", "good", "film", "plot", "good", "film"]
    found = made(rows(" ".join(source)), copies=200, cut=1.0)
    assert len(found) > 50
    for (text,) in found.values():
        new = text.split()
        starts = range(len(source) - len(new) + 1)
        assert any(
            all(word in NEAR[old] for word, old in zip(new, source[at:], strict=False))
            for at in starts
        ), text
