"""Facts about tokens and batches."""

import logging
import time

import numpy as np
import pytest
import torch

from adabert_nni.data.batches import Interleaved, LengthBuckets, loader
from adabert_nni.data.embedded import generate
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Rows
from adabert_nni.errors import AdaBertError


def rows_of(texts: list[tuple[str, ...]]) -> Rows:
    return Rows(texts, [i % 2 for i in range(len(texts))], [10 + 3 * i for i in range(len(texts))])


@pytest.fixture(scope="module")
def reviews(tiny_tokenizer) -> Encoded:
    texts = [texts for texts, _ in generate("mini-reviews")["train"][:203]]
    return encode(rows_of(texts), tiny_tokenizer, 64)


def ids_by_batch(encoded: Encoded, epoch: int, seed: int = 0, shuffle: bool = True) -> list[list]:
    batches = loader(encoded, 8, shuffle=shuffle, seed=seed)
    batches.batch_sampler.set_epoch(epoch)
    return [batch["ids"].tolist() for batch in batches]


def test_a_row_is_its_text_between_cls_and_sep(tiny_tokenizer):
    encoded = encode(rows_of([("the plot was dull .",)]), tiny_tokenizer, 64)
    words = tiny_tokenizer.convert_ids_to_tokens(encoded.input_ids[0].tolist())
    assert words == ["[CLS]", "the", "plot", "was", "dull", ".", "[SEP]"]
    assert encoded.input_ids[0].dtype == torch.int32


def test_the_segments_of_a_pair_tell_its_texts_apart(tiny_tokenizer):
    encoded = encode(rows_of([("anna managed", "the key")]), tiny_tokenizer, 64)
    # [CLS] anna managed [SEP] the key [SEP]
    assert encoded.token_type_ids[0].tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_id_comes_once_per_epoch(reviews, shuffle):
    for epoch in range(3):
        seen = [i for batch in ids_by_batch(reviews, epoch, shuffle=shuffle) for i in batch]
        assert sorted(seen) == reviews.ids.tolist()


def test_batches_are_a_function_of_seed_and_epoch(reviews):
    first = ids_by_batch(reviews, 1, seed=5)
    torch.rand(7)  # the global random state has no part in it
    assert ids_by_batch(reviews, 1, seed=5) == first
    assert ids_by_batch(reviews, 2, seed=5) != first
    assert ids_by_batch(reviews, 1, seed=6) != first
    # not only the order of the batches changes, their company does, too
    assert {frozenset(b) for b in ids_by_batch(reviews, 2, seed=5)} != {frozenset(b) for b in first}


def test_iterating_leaves_the_global_random_state_alone(reviews):
    before = torch.get_rng_state()  # a resumed run would drift apart otherwise
    ids_by_batch(reviews, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_in_order_every_epoch_goes_from_short_to_long(reviews):
    batches = ids_by_batch(reviews, 0, shuffle=False)
    assert batches == ids_by_batch(reviews, 4, shuffle=False, seed=9)
    lengths = dict(zip(reviews.ids.tolist(), map(len, reviews.input_ids), strict=True))
    found = [lengths[i] for batch in batches for i in batch]
    assert found == sorted(found)


def test_buckets_need_far_less_padding_than_a_plain_shuffle():
    lengths = [3 + 7 * i % 120 for i in range(4000)]
    padded = sum(
        max(lengths[i] for i in batch) * len(batch)
        for batch in LengthBuckets(lengths, 32, True, 0).batches(0)
    )
    # sorted inside 1,600 rows, a batch spans 1/50 of the lengths; a plain shuffle pads to the
    # longest of 32 out of 3..122, so nearly doubles the mean of 62
    assert padded < 1.05 * sum(lengths)


@pytest.mark.parametrize(
    "rows, size, shuffle, sizes",
    [
        (17, 8, True, [8, 9]),  # a last batch of one joins the one before
        (17, 8, False, [1, 8, 8]),  # nobody trains on these
        (18, 8, True, [2, 8, 8]),
        (401, 8, True, [8] * 49 + [9]),  # 50 batches make a chunk; the 401st row has its own
        (5, 8, True, [5]),
        (1, 8, True, [1]),
        (3, 1, True, [1, 1, 1]),
        (0, 8, True, []),
    ],
)
def test_batch_sizes(rows, size, shuffle, sizes):
    buckets = LengthBuckets(list(range(rows)), size, shuffle, 3)
    found = buckets.batches(0)
    assert sorted(map(len, found)) == sizes
    assert len(buckets) == len(sizes)
    assert sorted(i for batch in found for i in batch) == list(range(rows))


@pytest.mark.parametrize(("rows", "held"), [(400, 100), (400, 200), (90, 17), (30, 2)])
def test_rows_that_are_held_apart_come_in_batches_of_their_own_spread_over_the_epoch(rows, held):
    apart = np.zeros(rows, dtype=bool)
    apart[np.random.default_rng(0).permutation(rows)[:held]] = True
    order = Interleaved([3 + i % 20 for i in range(rows)], 8, 1, apart)
    found = order.batches(4)
    kinds = [{bool(apart[i]) for i in batch} for batch in found]
    places = [number for number, kind in enumerate(kinds) if kind == {True}]
    assert sorted(i for batch in found for i in batch) == list(range(rows))
    assert all(len(kind) == 1 for kind in kinds)
    assert len(found) == len(order)
    assert len(places) == order.held
    ideal = len(found) / order.held
    assert all(abs(place - (n + 0.5) * ideal) <= 1 for n, place in enumerate(places))
    assert found == order.batches(4) != order.batches(5)


def test_a_batch_says_whether_its_rows_are_held_apart(reviews):
    apart = reviews.ids % 4 == 0
    for batch in loader(reviews, 8, shuffle=True, seed=0, held=apart):
        assert batch["held"].tolist() == (batch["ids"] % 4 == 0).tolist()
    assert "held" not in next(iter(loader(reviews, 8, shuffle=True, seed=0)))


def test_a_row_of_a_batch_holds_its_own_tokens_and_then_only_padding(reviews):
    by_id = dict(zip(reviews.ids.tolist(), reviews.input_ids, strict=True))
    keys = ("input_ids", "attention_mask", "ids")
    for batch in loader(reviews, 8, shuffle=True, seed=0):
        assert batch["input_ids"].shape[1] == batch["attention_mask"].sum(1).max()
        for row, mask, i in zip(*(batch[k] for k in keys), strict=True):
            length = len(by_id[i.item()])
            assert row[:length].tolist() == by_id[i.item()].tolist()
            assert mask.tolist() == [1] * length + [0] * (len(row) - length)
            assert (row[length:] == reviews.pad_id).all()


def test_a_batch_has_the_promised_shapes_and_types(tiny_tokenizer):
    encoded = encode(rows_of([("the key", "anna")] * 3), tiny_tokenizer, 64)
    encoded = encoded.with_teacher(encoded.ids, torch.rand(3, 4, 2))
    (batch,) = loader(encoded, 8, shuffle=True, seed=0)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "input_ids": (3, 6),  # [CLS] the key [SEP] anna [SEP]
        "attention_mask": (3, 6),
        "token_type_ids": (3, 6),
        "labels": (3,),
        "ids": (3,),
        "teacher": (3, 4, 2),
    }
    assert all(batch[name].dtype == torch.int64 for name in batch if name != "teacher")


def test_skipped_batches_come_empty_and_the_others_as_ever(reviews):
    batches = loader(reviews, 8, shuffle=True, seed=1)
    batches.batch_sampler.set_epoch(2)
    whole = [batch["ids"].tolist() for batch in batches]
    late = iter(batches)
    batches.batch_sampler.set_epoch(2, skip=3)  # also after the iterator was asked for
    seen = list(late)
    assert seen[:3] == [{}, {}, {}]
    assert [batch["ids"].tolist() for batch in seen[3:]] == whole[3:]
    batches.batch_sampler.set_epoch(2)  # skips none again
    assert [batch["ids"].tolist() for batch in batches] == whole


def test_teacher_rows_stay_with_their_ids_through_the_shuffle(reviews):
    # the table is in another order, holds more rows, and encodes the id in its first value
    table_ids = torch.cat([reviews.ids, torch.tensor([1, 2, 5000])]).flip(0)
    table = table_ids.float()[:, None, None].expand(-1, 3, 2)
    joined = reviews.with_teacher(table_ids, table)
    assert reviews.teacher is None
    batches = loader(joined, 8, shuffle=True, seed=1)
    for epoch in range(2):
        batches.batch_sampler.set_epoch(epoch)
        for batch in batches:
            assert (batch["teacher"][:, 2, 1] == batch["ids"]).all()
            assert (batch["labels"] == (batch["ids"] - 10) // 3 % 2).all()


def test_a_table_that_does_not_fit_is_refused(reviews):
    table = torch.rand(len(reviews), 3, 2)
    with pytest.raises(AdaBertError, match="lacks 1 of 203 rows, such as id 10"):
        reviews.with_teacher(reviews.ids[1:], table[1:])
    with pytest.raises(AdaBertError, match="lacks 203 of 203 rows"):
        reviews.with_teacher(torch.tensor([], dtype=torch.int64), table[:0])
    with pytest.raises(AdaBertError, match="a row id twice"):
        reviews.with_teacher(torch.zeros(len(reviews), dtype=torch.int64), table)


def test_long_rows_are_cut_from_the_longer_text_and_counted(tiny_tokenizer, caplog):
    with caplog.at_level(logging.WARNING):
        encoded = encode(
            rows_of([("key " * 50, "anna"), ("key", "anna")]), tiny_tokenizer, max_length=16
        )
    assert "1 of 2 rows were cut to 16 tokens" in caplog.text
    words = tiny_tokenizer.convert_ids_to_tokens(encoded.input_ids[0].tolist())
    assert words == ["[CLS]", *["key"] * 12, "[SEP]", "anna", "[SEP]"]  # 12 + 1 + 3 special


def test_rows_that_just_fit_are_not_counted_as_cut(tiny_tokenizer, caplog):
    encoded = encode(rows_of([("key " * 14,)]), tiny_tokenizer, max_length=16)
    assert len(encoded.input_ids[0]) == 16
    assert "cut" not in caplog.text


def test_a_pair_of_megabyte_texts_is_cut_in_no_time(tiny_tokenizer):
    # the tokenizer alone would keep (200,000 / 61)^2 combinations of what it cuts off
    start = time.monotonic()
    encoded = encode(rows_of([("anna key " * 110_000, "the door " * 110_000)]), tiny_tokenizer, 64)
    assert time.monotonic() - start < 5
    assert len(encoded.input_ids[0]) == 64


@pytest.mark.parametrize("words", [30, 100, 1000])
def test_dropping_the_tail_first_changes_no_token(tiny_tokenizer, words):
    text = ("the unbelievable door ,was dull-ish " * words).strip()
    short = "anna did not lock it"
    ours = encode(rows_of([(text, short)]), tiny_tokenizer, 32).input_ids[0].tolist()
    plain = tiny_tokenizer(text, short, truncation="longest_first", max_length=32)["input_ids"]
    assert ours == plain


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u200f\u200e"])
def test_a_text_of_no_tokens_still_has_cls_and_sep(tiny_tokenizer, text):
    encoded = encode(rows_of([(text,)]), tiny_tokenizer, 64)
    assert tiny_tokenizer.convert_ids_to_tokens(encoded.input_ids[0].tolist()) == ["[CLS]", "[SEP]"]
    (batch,) = loader(encoded, 8, shuffle=True, seed=0)
    assert batch["attention_mask"].tolist() == [[1, 1]]


def test_odd_scripts_are_tokens_like_any_other(tiny_tokenizer):
    encoded = encode(rows_of([("\u05e9\u05dc\u05d5\u05dd \U0001f600 key",)]), tiny_tokenizer, 64)
    words = tiny_tokenizer.convert_ids_to_tokens(encoded.input_ids[0].tolist())
    assert words == ["[CLS]", "[UNK]", "[UNK]", "key", "[SEP]"]


def test_no_rows_make_no_batches(tiny_tokenizer):
    assert list(loader(encode(Rows([], [], []), tiny_tokenizer, 64), 8, True, 0)) == []


@pytest.mark.parametrize("max_length", [0, 4, 129])
def test_an_impossible_length_is_refused(tiny_tokenizer, max_length):
    # a pair takes [CLS] a [SEP] b [SEP]; the tokenizer's model has 128 positions
    with pytest.raises(AdaBertError, match=f"max_length: got {max_length}, .* allows 5 to 128"):
        encode(rows_of([("a", "b")]), tiny_tokenizer, max_length)
