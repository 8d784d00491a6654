"""Facts about splits that keep families of texts whole."""

import logging
import time
from collections import Counter

import pytest

from adabert_nni.data.loading import keep_apart
from adabert_nni.data.splitting import families, split_off, subset, without_kin
from adabert_nni.data.tasks import TASKS, Rows, Splits
from adabert_nni.errors import AdaBertError


def single(texts, labels=None):
    labels = labels or [i % 2 for i in range(len(texts))]
    return Rows([(text,) for text in texts], labels, list(range(len(texts))))


def test_a_phrase_joins_the_longest_sentence_that_holds_it():
    texts = [
        "a good film",
        "it is a good film , really",
        "good",
        "a bad film",
        "a good film",
        "bad",
    ]
    f = families(texts)
    assert f[0] == f[1] == f[2] == f[4]  # phrase, sentence, word, and the phrase again
    assert f[3] == f[5] != f[0]


@pytest.mark.parametrize("short", ["goo", "film a", "a film", "a good film indeed", "it film"])
def test_only_whole_words_in_their_order_count_as_inside(short):
    one, other = families(["it is a good film", short])
    assert one != other


def test_a_shared_phrase_does_not_join_two_sentences():
    f = families(["the cast is very good today", "very good", "a very good cast"])
    assert f[0] != f[2]
    assert f[1] == f[0]  # the longer one's


def test_families_equal_a_search_through_all_pairs():
    # ten words make many overlaps; the plain definition: the longest text that holds it, of equals the first
    texts = [" ".join("abcde"[(i * k + i // 7) % 5] for k in range(1 + i % 9)) for i in range(200)]
    order = sorted(dict.fromkeys(texts), key=lambda text: -len(text.split()))
    owner = {}
    for text in order:
        holders = [o for o in order if f" {text} " in f" {o} " and owner.get(o, o) == o]
        owner[text] = holders[0] if holders and holders[0] in owner else text
    found = families(texts)
    number = dict(zip(texts, found, strict=True))
    assert all(number[text] == number[owner[text]] for text in texts)
    assert len(set(found)) == len(set(owner.values())) > 3


def test_what_stands_in_a_held_text_is_dropped_also_where_a_longer_row_holds_it():
    held = single(["it is a good film indeed"])
    more = single(["a good film", "nobody would call this a good film of its kind", "another one"])
    assert families([held.texts[0][0], *(texts[0] for texts in more.texts)])[:2] == [1, 0]
    assert without_kin(more, [held]).texts == more.texts[1:]
    assert without_kin(single(["so it is a good film indeed , they say"]), [held]).texts == []


def test_no_family_is_on_both_sides_and_classes_keep_their_shares():
    texts = [text for i in range(300) for text in (f"a{i} b c d{i}", f"a{i} b", f"c d{i}")]
    classes = [i % 3 == 0 for i in range(900)]
    rest, chosen = split_off(single(texts, classes), 90, (0, 1), classes)
    together = families(texts)
    assert not {together[i] for i in rest.ids} & {together[i] for i in chosen.ids}
    assert len(chosen) == pytest.approx(90, abs=2)
    assert Counter(chosen.labels)[1] == pytest.approx(30, abs=2)


def test_one_family_of_all_rows_is_split_row_by_row_with_a_warning(caplog):
    rows = Rows(
        [("the same question", f"answer {i}") for i in range(40)], [0, 1] * 20, list(range(40))
    )
    with caplog.at_level(logging.WARNING):
        rest, chosen = split_off(rows, 10, (0, 1), rows.labels)
    assert (len(rest), len(chosen)) == (30, 10)
    assert "large groups" in caplog.text


def test_a_subset_keeps_every_class():
    rows = single([f"text {i}" for i in range(100)], [0] * 98 + [1, 2])
    kept = subset(rows, 3, (0, 2), rows.labels)
    assert (len(kept), set(kept.labels)) == (3, {0, 1, 2})


def test_megabytes_of_one_word_are_compared_in_no_time():
    long = "word " * 200_000
    start = time.monotonic()
    assert len(set(families([long, long + "x", "word " * 100_000 + "y", "word"]))) == 1
    assert time.monotonic() - start < 5  # every start against every other would take hours


def splits_of(texts, labels):
    return Splits(TASKS["sst2"], single(texts, labels), Rows([], [], []), Rows([], [], []))


def test_rows_that_are_kept_apart_are_whole_families_with_the_shares_of_the_classes():
    texts = [text for i in range(500) for text in (f"all of text {i}", f"text {i}")]
    splits = splits_of(texts, [label for i in range(500) for label in (int(i % 4 > 0), 1)])
    apart = keep_apart(splits, 0.3, 0)
    assert len(apart) == pytest.approx(300, abs=3)
    whole = {i // 2 for i in apart}  # rows 2i and 2i + 1 are a family
    assert len(apart) == 2 * len(whole)
    assert sum(splits.train.labels[i] == 0 for i in apart) == pytest.approx(0.3 * 125, abs=2)
    assert apart == keep_apart(splits, 0.3, 0) != keep_apart(splits, 0.3, 1)


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_that_leaves_fewer_than_two_rows_is_refused(share):
    splits = splits_of([f"text {i}" for i in range(90)], [0, 1] * 45)
    with pytest.raises(AdaBertError, match=rf"alpha_share: {share} of 90 training rows"):
        keep_apart(splits, share, 0)
