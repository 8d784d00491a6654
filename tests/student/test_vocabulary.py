"""A pruned vocabulary changes nothing for texts of kept pieces, and makes no word unknown."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from adabert_nni.errors import AdaBertError
from adabert_nni.student.vocabulary import prune_vocabulary

TEXTS = ["the plot was superb .", "the food was far from good .", "the room was stale ."]


@pytest.fixture(scope="module")
def pruned(made_student, tiny_tokenizer):
    student = made_student(seed=1, vocab_size=len(tiny_tokenizer))
    return student, *prune_vocabulary(student, tiny_tokenizer, TEXTS)


def test_texts_of_kept_pieces_get_the_same_logits(pruned, tiny_tokenizer):
    student, smaller, tokenizer = pruned
    for text in [*TEXTS, "the plot was good .", "far from superb ."]:
        assert tokenizer.tokenize(text) == tiny_tokenizer.tokenize(text)
        with torch.inference_mode():
            before = student(**tiny_tokenizer(text, return_tensors="pt")).logits
            after = smaller(**tokenizer(text, return_tensors="pt")).logits
        assert torch.equal(before, after)


def test_the_table_and_the_tokenizer_shrink_alike(pruned, tiny_tokenizer):
    student, smaller, tokenizer = pruned
    # 5 specials, 26 letters at the start of a word and 26 inside, and the words of the texts; the
    # full stop is a piece of one character, as are the tiny tokenizer's other marks.
    words = {word for text in TEXTS for word in text.split()}
    short = {piece for piece in tiny_tokenizer.get_vocab() if len(piece.removeprefix("##")) == 1}
    assert len(tokenizer) == smaller.config.vocab_size == 5 + len(words | short)
    assert smaller.body.embeddings.words.num_embeddings == len(tokenizer)
    assert len(tokenizer) < len(tiny_tokenizer) / 2
    assert student.config.vocab_size == len(tiny_tokenizer)  # left as it was


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=40))
def test_no_word_of_letters_becomes_unknown(pruned, text):
    _, _, tokenizer = pruned
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    assert "".join(p.removeprefix("##") for p in tokenizer.tokenize(text)) == text.replace(" ", "")


def test_a_pair_keeps_its_separator(made_student, tiny_tokenizer):
    student = made_student(seed=2, pair=True, vocab_size=len(tiny_tokenizer))
    assert student.config.sep_token_id == tiny_tokenizer.sep_token_id
    smaller, tokenizer = prune_vocabulary(student, tiny_tokenizer, TEXTS)
    assert smaller.config.sep_token_id == tokenizer.sep_token_id
    with torch.inference_mode():
        before = student(**tiny_tokenizer(TEXTS[0], TEXTS[1], return_tensors="pt")).logits
        after = smaller(**tokenizer(TEXTS[0], TEXTS[1], return_tensors="pt")).logits
    assert torch.equal(before, after)


def test_a_tokenizer_without_sub_pieces_is_refused(made_student):
    whole = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="[UNK]")
    with pytest.raises(AdaBertError, match="model is WordLevel, only WordPiece"):
        prune_vocabulary(made_student(), tokenizer, TEXTS)
