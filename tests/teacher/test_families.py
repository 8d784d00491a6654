"""Facts about teachers of every family: fine-tuned, probed, and turned into a student's start."""

import itertools
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, pipeline

from adabert_nni.data.encoding import encode
from adabert_nni.data.tasks import Rows, Splits, Task
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.pairs import split_pair
from adabert_nni.problems import REGRESSION
from adabert_nni.student.derive import factorise
from adabert_nni.student.export import save_student
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.finetune import finetune_teacher
from adabert_nni.teacher.loading import load_tokenizer, separator
from adabert_nni.teacher.probes import build_probes, load_probes
from adabert_nni.training import predict

LENGTH = 16
RELATIVE = ("deberta", "deberta-v2", "modernbert")  # no table of positions
ONE, TWO = ("the film is good", "so bad", "dull"), ("why", "it was not so", "and fine")
PAIR = Task("own", ("one", "two"), "label", ("no", "yes"))
VALUE = Task("own", ("one",), "stars", ("stars",), ("r2",), problem=REGRESSION, scale=(50.0, 20.0))
SETTINGS = {
    "epochs": 1,
    "lr": 1e-3,
    "batch": 8,
    "weight_decay": 0.01,
    "max_length": LENGTH,
    "seed": 0,
}


def rows(count: int, first: int = 0) -> Rows:
    texts = list(itertools.islice(itertools.cycle(itertools.product(ONE, TWO)), count))
    return Rows(texts, [i % 2 for i in range(count)], list(range(first, first + count)))


def values(count: int) -> Rows:
    given = rows(count)
    return Rows(
        [texts[:1] for texts in given.texts], [30.0 + 40 * i for i in given.labels], given.ids
    )


PAIRS = Splits(PAIR, rows(40), rows(12), rows(12))
VALUES = Splits(VALUE, values(40), values(12), values(12))


@pytest.fixture(scope="module")
def teacher(family, tmp_path_factory) -> Path:
    """Fine-tuned on pairs for one epoch."""
    folder = tmp_path_factory.mktemp("teacher")
    finetune_teacher(str(family[1]), PAIRS, folder=folder, **SETTINGS)
    return folder


def test_it_learns_pairs_and_every_layer_gets_a_probe(family, teacher, tmp_path):
    before, after = AutoModel.from_pretrained(family[1]), AutoModel.from_pretrained(teacher)
    words = (model.get_input_embeddings().weight for model in (before, after))
    assert not torch.equal(*words)
    tokenizer = load_tokenizer(teacher)
    train, selection = (encode(rows(n), tokenizer, LENGTH) for n in (40, 12))
    more = encode(rows(9, first=100), tokenizer, LENGTH)
    build_probes(teacher, train, selection, labels=2, seed=0, folder=tmp_path, more=more)
    table = load_probes(tmp_path)
    assert table["probs"].shape == (49, 2, 2)
    torch.testing.assert_close(table["probs"].sum(-1), torch.ones(49, 2))


def test_its_answers_do_not_depend_on_padding(teacher):
    model = AutoModelForSequenceClassification.from_pretrained(teacher)
    encoded = encode(rows(9), load_tokenizer(teacher), LENGTH)
    together, alone = (predict(model, encoded, batch_size=size) for size in (9, 1))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_it_learns_values_and_answers_in_their_unit(family, tmp_path):
    metrics = finetune_teacher(str(family[1]), VALUES, folder=tmp_path, **SETTINGS)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert (model.config.problem_type, model.config.num_labels) == ("regression", 1)
    encoded = encode(VALUES.validation, load_tokenizer(tmp_path), LENGTH)
    found = predict(model, encoded)[:, 0]
    assert (
        30 < float(found.mean()) < 70
    )  # untrained and without the labels' mean it would be about 0
    error = (found - encoded.labels).square().mean() / encoded.labels.var(correction=0)
    assert metrics["validation"]["r2"] == pytest.approx(1 - float(error), abs=1e-4)


def test_its_embeddings_start_a_students(family, teacher):
    name, _ = family
    words, positions = embedding_tables(teacher)
    tokenizer = load_tokenizer(teacher)
    assert len(words) >= len(tokenizer)
    model = AutoModel.from_pretrained(teacher)
    assert torch.equal(words, model.get_input_embeddings().weight)
    assert len(positions) == (0 if name in RELATIVE else LENGTH)
    small, placed = factorise(words, positions, 8)
    assert small.shape == (len(words), 8)
    assert placed.shape == (len(positions), 8)


def test_the_position_of_its_first_token_is_the_first_row(family):
    _, folder = family
    _, positions = embedding_tables(folder)
    if not len(positions):
        pytest.skip("no absolute positions")
    model = AutoModel.from_pretrained(folder).eval()
    ids = torch.tensor([load_tokenizer(folder)("the film")["input_ids"]])
    embeddings = model.embeddings
    before = embeddings(ids)
    table = embeddings.position_embeddings.weight
    with torch.no_grad():
        place = int((table == positions[0]).all(1).nonzero()[-1])
        table[place] += 1.0 + torch.arange(table.shape[1])
    moved = (embeddings(ids) - before).abs().sum(-1)[0] > 0
    assert moved.tolist() == [True] + [False] * (ids.shape[1] - 1)


def test_a_students_split_of_its_pairs_finds_both_texts(family):
    tokenizer = load_tokenizer(family[1])
    sep = separator(tokenizer)
    encoded = encode(rows(9), tokenizer, LENGTH)
    special = set(tokenizer.all_special_ids)
    for row, texts in zip(encoded.input_ids, rows(9).texts, strict=True):
        ids = row.long()
        masks = split_pair(ids[None], torch.ones(1, len(row), dtype=torch.long), sep)
        for mask, text in zip(masks, texts, strict=True):
            kept = [int(i) for i in ids[mask[0].bool()] if int(i) not in special]
            assert kept == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_more_tokens_than_it_has_positions_for_are_refused(family, tmp_path):
    name, folder = family
    tokenizer = load_tokenizer(folder)
    tokenizer.model_max_length = 10**9  # as in checkpoints that do not tell
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    settings = {**SETTINGS, "max_length": LENGTH + 1, "folder": out}
    if name in RELATIVE:
        assert finetune_teacher(str(tmp_path), PAIRS, **settings)["epoch"] == 1
        return
    with pytest.raises(AdaBertError, match=r"max_length: got 17, .* has positions for 16 tokens"):
        finetune_teacher(str(tmp_path), PAIRS, **settings)


def test_its_tokenizer_comes_back_from_a_students_folder(family, tmp_path):
    tokenizer = load_tokenizer(family[1])
    architecture = Architecture(1, 1, {"0_2": "skip_connect", "1_2": "std_conv_3"})
    config = AdaBertConfig(
        architecture.to_dict(),
        vocab_size=len(tokenizer),
        hidden_size=8,
        max_position_embeddings=LENGTH,
        sep_token_id=separator(tokenizer),
    )
    student = AdaBertForSequenceClassification(config).eval()
    save_student(student, tokenizer, tmp_path, scores={}, history=[], seconds=0.0)
    classify = pipeline("text-classification", model=str(tmp_path), device="cpu", top_k=None)
    found = classify([{"text": "the film is good", "text_pair": "why"}] * 2, batch_size=2)
    encoded = tokenizer("the film is good", "why", return_tensors="pt")
    with torch.no_grad():
        wanted = student(encoded["input_ids"]).logits.softmax(-1)[0]
    assert sorted(e["score"] for e in found[1]) == pytest.approx(sorted(wanted.tolist()), abs=1e-5)


def test_padding_is_what_its_tokenizer_pads_with(family):
    tokenizer = load_tokenizer(family[1])
    assert encode(rows(3), tokenizer, LENGTH).pad_id == tokenizer.pad_token_id


def test_a_tokenizer_without_a_separator_cannot_tell_pairs_apart(family):
    tokenizer = load_tokenizer(family[1])
    tokenizer.sep_token = None
    with pytest.raises(AdaBertError, match="no separator token"):
        separator(tokenizer)
