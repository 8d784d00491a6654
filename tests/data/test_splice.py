"""Facts of splices: whose words stand where, and that nothing else changes."""

import numpy as np
import pytest

from adabert_nni.data.augment import augment
from adabert_nni.data.splice import spliced
from adabert_nni.data.tasks import Rows

LETTERS = "a b c d e f g h"
DIGITS = "1 2 3 4 5 6 7 8 9 10 11 12"
OTHER = {"copies": 4, "replace": 0.0, "cut": 0.0, "seed": 0}


def made(*texts: str, **settings) -> dict[int, str]:
    rows = Rows([(text,) for text in texts], [0] * len(texts), list(range(len(texts))))
    partners = [(DIGITS,)]
    found = augment(rows, lambda asked: [[]] * len(asked), **OTHER, partners=partners, **settings)
    return dict(zip(found.ids, (text for (text,) in found.texts), strict=True))


def test_a_splice_begins_as_the_row_and_ends_as_the_partner():
    for seed in range(50):
        generator = np.random.default_rng(seed)
        (text,) = spliced((LETTERS,), [(DIGITS,)], 1.0, generator)
        words = text.split()
        kept = sum(word.isalpha() for word in words)
        assert 2 <= kept <= 6  # a quarter to three quarters of 8
        assert words[:kept] == LETTERS.split()[:kept]
        assert words[kept:] == DIGITS.split()[kept - len(words) :]
        share = kept / 8
        assert abs((len(words) - kept) / 12 - (1 - share)) <= 0.5 / 8 + 0.5 / 12


def test_both_texts_of_a_pair_are_parted_at_one_share():
    pair, partner = (LETTERS, LETTERS), (DIGITS, DIGITS)
    for seed in range(20):
        one, two = spliced(pair, [partner], 1.0, np.random.default_rng(seed))
        assert one == two


def test_with_probability_0_no_partner_is_looked_at():
    assert spliced((LETTERS,), [], 0.0, np.random.default_rng(0)) == (LETTERS,)


@pytest.mark.parametrize(("text", "other"), [("", DIGITS), (LETTERS, ""), (LETTERS, "one")])
def test_where_there_is_nothing_to_part_the_text_stays(text, other):
    assert spliced((text,), [(other,)], 1.0, np.random.default_rng(0)) == (text,)


def test_spaces_within_each_part_stay():
    (text,) = spliced(("a  b\tc d",), [("1 2  3 4",)], 1.0, np.random.default_rng(1))
    head, tail = "a  b\tc d", "1 2  3 4"
    at = next(i for i, letter in enumerate(text) if letter.isdigit())
    assert head.startswith(text[: at - 1])
    assert tail.endswith(text[at:])


def test_a_row_s_splices_depend_on_no_other_row():
    alone, beside = made(LETTERS, splice=0.5), made(LETTERS, "x y z w", splice=0.5)
    assert alone.items() <= beside.items()
    assert any(any(word.isdigit() for word in text.split()) for text in alone.values())
    assert LETTERS in alone.values()  # one of the four is none


def test_what_is_replaced_does_not_depend_on_splices():
    def replaced(**settings):
        rows = Rows([(LETTERS.replace(" ", "good "),)], [0], [0])
        near = {word: ["great"] for word in rows.texts[0][0].split()}
        return augment(
            rows,
            lambda asked: [near.get(t[a:b], []) for t, a, b in asked],
            **{**OTHER, "replace": 0.5},
            **settings,
        ).texts

    assert replaced() == replaced(splice=1e-9, partners=[(DIGITS,)])
    assert replaced() != replaced(splice=1.0, partners=[(DIGITS,)])


def test_every_row_may_be_a_partner():
    partners = [(DIGITS,), ("I II III IV",), ("alpha beta gamma delta",)]
    ends = {
        spliced((LETTERS,), partners, 1.0, np.random.default_rng(seed))[0].split()[-1]
        for seed in range(40)
    }
    assert ends == {"12", "IV", "delta"}
