"""Facts of nearest words, of files of vectors and of a vocabulary's whole words."""

import gzip

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from adabert_nni.data import neighbours
from adabert_nni.data.neighbours import nearest, read_vectors, whole_words
from adabert_nni.errors import AdaBertError

WORDS = ["good", "Good", "great", "bad", "film"]
# Angles of 0, 0, 10, 60 and 90 degrees; lengths differ, which the cosine does not see.
VECTORS = torch.tensor([[1, 0], [5, 0], [9.848, 1.736], [0.5, 0.866], [0, 3]])


def test_neighbours_are_those_of_the_highest_cosine_without_the_word_itself():
    found = nearest(["good", "film", "absent"], WORDS, VECTORS, 2)
    assert found == {"good": ["great", "bad"], "film": ["bad", "great"]}


def test_where_there_are_few_words_all_are_neighbours():
    assert nearest(["good"], WORDS, VECTORS, 50) == {"good": ["great", "bad", "film"]}


def test_the_size_of_the_chunks_changes_nothing(monkeypatch):
    words = [f"w{index}" for index in range(40)]
    vectors = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    expected = nearest(words, words, vectors, 5)
    monkeypatch.setattr(neighbours, "_CHUNK", 7)
    assert nearest(words, words, vectors, 5) == expected
    assert expected["w0"] == [
        f"w{index}"
        for index in torch.cosine_similarity(vectors[:1], vectors).argsort(descending=True)[1:6]
    ]


@pytest.mark.parametrize("header", ["", "3 2\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_vectors_are_read_with_and_without_a_header_plain_or_packed(tmp_path, header, packed):
    path = tmp_path / ("v.txt.gz" if packed else "v.txt")
    text = f"{header}good 1 0\n, 5 5\nthe 2 2\nfilm 0.5 -1e-1\n"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    words, vectors = read_vectors(path, set())
    assert words == ["good", "film"]
    torch.testing.assert_close(vectors, torch.tensor([[1, 0], [0.5, -0.1]]))


def test_of_rare_words_only_the_needed_ones_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbours, "COMMON", 1)
    path = tmp_path / "v.txt"
    path.write_text("good 1 0\nfilm 0 1\nplot 1 1\n")
    assert read_vectors(path, {"plot"})[0] == ["good", "plot"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("good 1 0\nfilm 1\n", "line 2: got 1 numbers, the lines before have 2"),
        ("good 1 x\n", "line 1: got 'good 1 x"),
        ("", "holds no vector"),
    ],
)
def test_a_broken_file_of_vectors_is_one_sentence(tmp_path, text, told):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(AdaBertError, match=told):
        read_vectors(path, set())


def test_a_file_that_is_cut_off_or_absent_is_one_sentence(tmp_path):
    path = tmp_path / "v.txt.gz"
    path.write_bytes(gzip.compress(b"good 1 0\n" * 1000)[:30])
    with pytest.raises(AdaBertError, match="cannot be read"):
        read_vectors(path, set())
    with pytest.raises(AdaBertError, match="no such file"):
        read_vectors(tmp_path / "gone.txt", set())


def test_whole_words_of_word_pieces_are_those_without_a_mark(tiny_tokenizer):
    found = whole_words(tiny_tokenizer)
    assert all(
        tiny_tokenizer.convert_ids_to_tokens(number) == word for word, number in found.items()
    )
    assert "film" in found or "movie" in found
    assert not {"the", "is", "a", "[MASK]"} & found.keys()


def test_whole_words_of_byte_pairs_are_those_after_a_space():
    pieces = {"good": 0, "Ġgood": 1, "ing": 2, "Ġ": 3, "g": 4, "o": 5, "d": 6, "i": 7, "n": 8}
    merges = [("o", "o"), ("g", "oo"), ("goo", "d"), ("Ġ", "good"), ("i", "n"), ("in", "g")]
    pieces |= {"oo": 9, "goo": 10, "in": 11}
    backend = Tokenizer(models.BPE(pieces, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    from tokenizers import decoders

    backend.decoder = decoders.ByteLevel()
    assert whole_words(PreTrainedTokenizerFast(tokenizer_object=backend)) == {"good": 1}
