"""A baseline starts from the layers of the teacher that it says, and has the shape of its paper."""

import copy

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, RobertaConfig
from transformers import RobertaForSequenceClassification as Roberta

from adabert_nni.baselines import build
from adabert_nni.baselines.table import BASELINES, get_baseline
from adabert_nni.errors import AdaBertError

PKD = [("bert-pkd-half", [2, 4, 6]), ("bert-pkd-quarter", [3, 6])]


def layer(model, number):
    """The weights of a BERT's layer, from 1."""
    return dict(model.base_model.encoder.layer[number - 1].named_parameters())


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("name", "taken"), PKD)
def test_pkd_takes_every_second_or_third_layer_embeddings_and_head(
    made_teacher, words, name, taken
):
    teacher = made_teacher(6)
    student = BASELINES[name].build(teacher, words)
    assert student.config.num_hidden_layers == len(taken)
    for number, theirs in enumerate(taken, start=1):
        assert same(layer(student, number), layer(teacher, theirs))
        assert not same(layer(student, number), layer(teacher, theirs - 1))
    rest = {k: v for k, v in teacher.state_dict().items() if "encoder" not in k}
    assert same({k: student.state_dict()[k] for k in rest}, rest)


def test_distilbert_takes_every_third_layer_and_the_embeddings(made_teacher, words):
    teacher = made_teacher(6)
    student = BASELINES["distilbert"].build(teacher, words)
    taken = dict(student.distilbert.named_parameters())
    for name, weight in teacher.bert.named_parameters():
        if name.startswith(("encoder.layer.2.", "encoder.layer.5.")):
            place = name.replace("layer.2.", "layer.0.").replace("layer.5.", "layer.1.")
            distil = build.distilbert_name(f"bert.{place}").removeprefix("distilbert.")
            assert torch.equal(taken[distil], weight)
    assert len(student.distilbert.transformer.layer) == 2
    assert torch.equal(
        student.distilbert.embeddings.word_embeddings.weight,
        teacher.bert.embeddings.word_embeddings.weight,
    )


def test_distilbert_computes_what_bert_does_when_no_layer_is_left_out(made_teacher, words):
    teacher = made_teacher(3)
    teacher.bert.embeddings.token_type_embeddings.weight.data.zero_()  # DistilBERT has none
    student = build.shorter_distilbert(of=1)(teacher, words).eval()
    ids = torch.randint(5, 30, (2, 7))
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])
    ours = student.distilbert(input_ids=ids, attention_mask=mask).last_hidden_state
    theirs = teacher.bert(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.allclose(ours[mask.bool()], theirs[mask.bool()], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "of_twelve", "of_six"),
    [
        ("bert-pkd-half", 6, 3),
        ("bert-pkd-quarter", 3, 2),
        ("distilbert", 4, 2),
        ("tinybert", 4, 2),
    ],
)
def test_layers_are_the_papers_share_of_the_teachers(made_teacher, words, name, of_twelve, of_six):
    for layers, wanted in ((12, of_twelve), (6, of_six)):
        student = BASELINES[name].build(made_teacher(layers), words)
        assert student.config.num_hidden_layers == wanted


def test_tinybert_is_312_wide_with_the_teachers_heads(made_teacher, words):
    student = BASELINES["tinybert"].build(made_teacher(6), words)
    config = student.config
    assert (config.hidden_size, config.intermediate_size, config.num_attention_heads) == (
        312,
        1200,
        2,
    )
    assert config.vocab_size == 30


def test_tinybert_refuses_heads_that_do_not_fit_its_width(words):
    sizes = {"hidden_size": 10, "num_attention_heads": 5, "intermediate_size": 8, "vocab_size": 30}
    teacher = BertForSequenceClassification(BertConfig(num_hidden_layers=1, **sizes))
    with pytest.raises(AdaBertError, match="5 heads"):
        BASELINES["tinybert"].build(teacher, words)


def test_the_bilstm_starts_from_the_words_it_is_given_in_the_papers_sizes(made_teacher, words):
    student = BASELINES["bilstm-soft"].build(made_teacher(6), words)
    assert torch.equal(student.words.weight, words)
    assert (student.words.embedding_dim, student.lstm.hidden_size) == (300, 150)


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "bilstm-soft"])
def test_a_teacher_that_is_no_bert_is_refused_in_one_sentence(words, name):
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    teacher = Roberta(RobertaConfig(num_hidden_layers=2, vocab_size=30, **sizes))
    with pytest.raises(AdaBertError, match=r"roberta.*bilstm-soft"):
        BASELINES[name].build(teacher, words)


def test_the_table_names_the_papers_baselines_and_refuses_others():
    assert set(BASELINES) >= {
        *("bert-pkd-half", "bert-pkd-quarter", "distilbert", "tinybert", "bilstm-soft")
    }
    with pytest.raises(AdaBertError, match="did you mean 'distilbert'"):
        get_baseline("distilbart")


@pytest.mark.parametrize("name", BASELINES)
def test_building_leaves_the_teacher_as_it_is(made_teacher, words, name):
    teacher = made_teacher(4)
    before = copy.deepcopy(teacher.state_dict())
    student = BASELINES[name].build(teacher, words)
    for weight in student.parameters():
        weight.data.zero_()
    assert same(teacher.state_dict(), before)
