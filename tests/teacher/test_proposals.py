"""Facts of what proposes words: which source is asked for which word, and what is refused."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from adabert_nni.data.augment import find_words
from adabert_nni.data.neighbours import whole_words
from adabert_nni.errors import AdaBertError
from adabert_nni.teacher import masked
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.masked import MaskedWords
from adabert_nni.teacher.proposals import find_sources, proposer, source_hashes

TEXT = "the acting was wonderful but the zzyzx film was slow"


def asked_in(text: str) -> list[tuple[str, int, int]]:
    return [(text, start, end) for start, end in find_words(text)]


@pytest.fixture(scope="module")
def masked_dir(tiny_tokenizer, tmp_path_factory):
    """A folder with an untrained masked language model."""
    folder = tmp_path_factory.mktemp("masked")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        config = BertConfig(vocab_size=len(tiny_tokenizer), intermediate_size=16, **sizes)
        model = BertForMaskedLM(config)
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def words(tiny_tokenizer):
    return whole_words(tiny_tokenizer)


def test_the_teacher_proposes_the_nearest_words_of_its_embeddings(tiny_teacher_dir, words):
    word = min(words)
    source = find_sources("teacher", tiny_teacher_dir)
    found = proposer(source, {word}, 3)([(word, 0, len(word))])[0]
    table = embedding_tables(tiny_teacher_dir)[0]
    cosines = {
        w: torch.cosine_similarity(table[words[word]], table[i], 0) for w, i in words.items()
    }
    del cosines[word]
    assert list(found) == sorted(cosines, key=cosines.get, reverse=True)[:3]


def test_single_piece_words_go_to_the_masked_model_and_the_others_to_the_vectors(
    masked_dir, words, tmp_path
):
    file = tmp_path / "vectors.txt"
    single = min(words)
    text = f"{single} zzyzx unheard"  # the last two are of several pieces; one has a vector
    file.write_text(f"zzyzx 1 0\nquux 1 0.1\n{single} 0 1\nnever 0 1\n")
    sources = find_sources(f"mlm:{masked_dir}, glove:{file}", tmp_path)
    found = proposer(sources, {single, "zzyzx", "unheard"}, 4)(asked_in(text))
    assert len(found) == 3
    assert len(found[0]) == 4 and set(found[0]) <= words.keys() - {single}
    assert found[1][0] == "quux"
    assert list(found[2]) == []


def test_the_masked_model_is_asked_beside_the_whole_text(masked_dir, tiny_tokenizer, words):
    model = BertForMaskedLM.from_pretrained(masked_dir).eval()
    first, second = sorted(words)[:2]
    text = f"{first} {second}"
    found = MaskedWords(model, tiny_tokenizer, 5)([(text, 0, len(first))])[0]
    inputs = tiny_tokenizer(f"[MASK] {second}", text, return_tensors="pt")
    scores = model(**inputs).logits[0, 1].softmax(-1)
    best = sorted((w for w in words if w != first), key=lambda w: -scores[words[w]])
    assert found == best[:5]


def test_what_the_masked_model_proposes_depends_on_no_other_text_and_no_size_of_passes(
    masked_dir, tiny_tokenizer, words, monkeypatch
):
    model = BertForMaskedLM.from_pretrained(masked_dir).eval()
    names = sorted(words)
    texts = [" ".join(names[start : start + size]) for start, size in ((0, 3), (5, 9), (20, 5))]
    asked = [word for text in texts for word in asked_in(text)]
    propose = MaskedWords(model, tiny_tokenizer, 3)
    together = propose(asked)
    assert propose(asked[::-1])[::-1] == together
    assert [propose([word])[0] for word in asked] == together
    monkeypatch.setattr(masked, "TOKENS", 1)
    assert propose(asked) == together


def test_a_text_whose_words_are_all_of_several_pieces_gets_none(masked_dir, tiny_tokenizer):
    model = BertForMaskedLM.from_pretrained(masked_dir).eval()
    assert MaskedWords(model, tiny_tokenizer, 3)(asked_in("zzyzx quuxly")) == [[], []]


def test_words_beyond_what_the_masked_model_reads_get_no_proposal(
    masked_dir, tiny_tokenizer, words
):
    model = BertForMaskedLM.from_pretrained(masked_dir).eval()
    text = " ".join([min(words)] * 100)  # twice 100 tokens, and 128 are read
    found = MaskedWords(model, tiny_tokenizer, 3)(asked_in(text))
    assert found[0] and not found[99]


@pytest.mark.parametrize(
    "written", ["wordnet", "teacher:x", "teacher:", "glove", "glove:", "mlm", "", "teacher,"]
)
def test_an_unknown_source_is_one_sentence_that_names_the_known_ones(written, tmp_path):
    with pytest.raises(AdaBertError, match=r"allowed are teacher, glove:<file>, mlm:<name"):
        find_sources(written, tmp_path)


def test_a_missing_file_or_model_is_one_sentence(tmp_path):
    with pytest.raises(AdaBertError, match="is no file"):
        find_sources("glove:/nowhere/vectors.txt", tmp_path)
    with pytest.raises(AdaBertError, match="there is no such folder"):
        find_sources("mlm:/nowhere/model", tmp_path)


def test_a_model_without_a_head_for_masked_words_is_refused(tiny_teacher_dir):
    with pytest.raises(AdaBertError, match="masked language model with its trained head"):
        proposer(find_sources(f"mlm:{tiny_teacher_dir}", tiny_teacher_dir), set(), 3)


def test_the_hash_of_a_source_is_that_of_its_content(tiny_teacher_dir, tmp_path):
    file = tmp_path / "v.txt"
    hashes = []
    for text in ("good 1 0\n", "good 1 1\n", "good 1 0\n"):
        file.write_text(text)
        hashes.append(source_hashes(find_sources(f"glove:{file},teacher", tiny_teacher_dir)))
    assert hashes[0] == hashes[2] != hashes[1]
    assert list(hashes[0][1][1]) == ["model.safetensors"]
