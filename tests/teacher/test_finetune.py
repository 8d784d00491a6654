"""Facts about fine-tuning a teacher, on a tiny BERT and a task that one word decides."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    pipeline,
)

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.encoding import encode
from adabert_nni.data.loading import Rows, Splits
from adabert_nni.data.tasks import TASKS
from adabert_nni.errors import AdaBertError
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.teacher.finetune import evaluate, finetune_teacher
from adabert_nni.teacher.loading import load_tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "the", "film", "is", "so"]
SETTINGS = {"lr": 5e-3, "batch": 16, "weight_decay": 0.01, "max_length": 12, "seed": 0}


def make_rows(count: int, seed: int) -> Rows:
    rng = random.Random(seed)
    labels = [rng.randrange(2) for _ in range(count)]
    texts = []
    for label in labels:
        words = rng.choices(WORDS[6:], k=rng.randrange(1, 6))
        words.insert(rng.randrange(len(words) + 1), ("bad", "good")[label])
        texts.append((" ".join(words),))
    return Rows(texts, labels, list(range(count)))


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A tiny bare BERT with its tokenizer."""
    folder = tmp_path_factory.mktemp("base")
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    core.pre_tokenizer = Whitespace()
    core.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_max_length=16,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def splits() -> Splits:
    return Splits(TASKS["sst2"], make_rows(160, 1), make_rows(40, 2), make_rows(60, 3))


@pytest.fixture(scope="module")
def teacher(base, splits, tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("teacher")
    return folder, finetune_teacher(str(base), splits, epochs=4, folder=folder, **SETTINGS)


def tune(base: Path, splits: Splits, folder: Path, kept: Path) -> dict:
    folder.mkdir()
    checkpoint = Checkpoint(kept, {})
    return finetune_teacher(
        str(base), splits, epochs=4, folder=folder, checkpoint=checkpoint, **SETTINGS
    )


def test_it_learns_a_task_that_one_word_decides(teacher):
    assert teacher[1]["validation"]["accuracy"] > 0.95


def test_the_folder_is_a_hugging_face_classifier_with_class_names(teacher):
    classify = pipeline("text-classification", model=str(teacher[0]), device="cpu")
    assert classify("the film is good")[0]["label"] == "positive"
    assert classify("bad")[0]["label"] == "negative"


def test_the_metrics_file_is_what_the_function_returns(teacher):
    folder, metrics = teacher
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["settings"] == {"epochs": 4, "precision": "float32", **SETTINGS}
    assert metrics["rows"] == {"train": 160, "selection": 40}


def test_the_saved_model_has_the_scores_of_the_best_epoch_on_selection(teacher, splits):
    folder, metrics = teacher
    scores = [epoch["selection_accuracy"] for epoch in metrics["history"]]
    assert metrics["epoch"] == scores.index(max(scores)) + 1
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for name, rows in (("selection", splits.selection), ("validation", splits.validation)):
        encoded = encode(rows, load_tokenizer(folder), 12)
        assert evaluate(model, encoded, splits.task, name) == metrics[name]
    assert metrics["selection"]["accuracy"] == max(scores)


def test_a_later_worse_epoch_does_not_replace_a_better_one(base, splits, tmp_path, monkeypatch):
    scores = iter([0.6, 0.9, 0.7, 0.9])  # epochs 1, 2, 3, then selection and validation at the end
    kept = []

    def scored(model, *rest):
        kept.append(model.classifier.weight.detach().clone())
        return {"accuracy": next(scores, 0.5)}

    monkeypatch.setattr("adabert_nni.teacher.finetune.evaluate", scored)
    metrics = finetune_teacher(str(base), splits, epochs=3, folder=tmp_path, **SETTINGS)
    assert metrics["epoch"] == 2
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path).classifier.weight
    assert torch.equal(saved, kept[1])
    assert not torch.equal(saved, kept[2])


def test_the_same_seed_gives_the_same_teacher_and_another_seed_another(base, splits, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        torch.rand(3)  # the state of the global generator must not matter
        settings = {**SETTINGS, "seed": seed}
        finetune_teacher(str(base), splits, epochs=1, folder=tmp_path / name, **settings)
    first, again, other = ((tmp_path / n / "model.safetensors").read_bytes() for n in "abc")
    assert first == again
    assert first != other


def test_killed_fine_tuning_goes_on_to_the_same_teacher(
    teacher, base, splits, tmp_path, kill_after
):
    kill_after(18)  # in the second of four epochs of 10 steps
    with pytest.raises(RuntimeError, match="killed"):
        tune(base, splits, tmp_path / "killed", tmp_path / "kept")
    saves = kill_after(0)
    metrics = tune(base, splits, tmp_path / "again", tmp_path / "kept")
    assert len(saves) == 40 - 18
    folder, expected = teacher
    weights = [(f / "model.safetensors").read_bytes() for f in (folder, tmp_path / "again")]
    assert weights[0] == weights[1]
    for found, wanted in zip(metrics["history"], expected["history"], strict=True):
        assert {**found, "seconds": 0} == {**wanted, "seconds": 0}
    assert metrics["epoch"] == expected["epoch"]


def test_zero_epochs_take_a_fine_tuned_folder_as_it_is(teacher, splits, tmp_path):
    folder, before = teacher
    metrics = finetune_teacher(str(folder), splits, epochs=0, folder=tmp_path, **SETTINGS)
    weights = [(path / "model.safetensors").read_bytes() for path in (folder, tmp_path)]
    assert weights[0] == weights[1]
    assert metrics["validation"] == before["validation"]
    assert (metrics["epoch"], metrics["history"]) == (0, [])


def test_zero_epochs_refuse_a_bare_encoder(base, splits, tmp_path):
    with pytest.raises(AdaBertError, match="no trained classification head"):
        finetune_teacher(str(base), splits, epochs=0, folder=tmp_path, **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_biases_and_layer_norms_do_not_decay(base, splits, tmp_path, monkeypatch):
    groups = []

    class Spy(torch.optim.AdamW):
        def __init__(self, params, **rest):
            groups.extend(params)
            super().__init__(params, **rest)

    monkeypatch.setattr("torch.optim.AdamW", Spy)
    finetune_teacher(str(base), splits, epochs=1, folder=tmp_path, **SETTINGS)
    decays = {group["weight_decay"]: {w.ndim for w in group["params"]} for group in groups}
    assert decays == {0.01: {2}, 0.0: {1}}


def test_a_folder_without_a_tokenizer_is_one_sentence(tmp_path):
    with pytest.raises(AdaBertError, match=r"tokenizer in .* cannot be read"):
        load_tokenizer(tmp_path)


def test_another_loss_of_students_leaves_the_teacher_as_it_is(base, splits, tmp_path):
    own = replace(CLASSIFICATION, task_loss=lambda logits, labels: 0 * logits.sum())
    mine = replace(splits, task=replace(splits.task, problem=own))
    made = []
    for name, rows in (("plain", splits), ("mine", mine)):
        (tmp_path / name).mkdir()
        made.append(finetune_teacher(str(base), rows, epochs=1, folder=tmp_path / name, **SETTINGS))
    assert made[0]["history"][0]["train_loss"] == made[1]["history"][0]["train_loss"] > 0


def test_rate_batch_warm_up_and_clipping_are_those_that_are_told(
    base, splits, tmp_path, monkeypatch
):
    seen = []

    def look(model, train, step, optimizer, schedule, **more):
        seen.append((optimizer, schedule, more))
        raise RuntimeError("far enough")

    monkeypatch.setattr("adabert_nni.teacher.finetune.fit", look)
    settings = {**SETTINGS, "lr": 0.02, "batch": 8, "weight_decay": 0.3, "seed": 7}
    with pytest.raises(RuntimeError, match="far enough"):
        finetune_teacher(str(base), splits, epochs=5, folder=tmp_path, **settings)
    ((optimizer, schedule, more),) = seen
    assert {group["initial_lr"] for group in optimizer.param_groups} == {0.02}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.3, 0.0}
    told = {"epochs": 5, "batch_size": 8, "seed": 7, "clip_norm": 1.0}
    assert more.items() >= told.items()
    rates = []
    for _ in range(101):  # 5 epochs of 20 steps, of which 6 are the warm-up
        rates.append(schedule.get_last_lr()[0] / 0.02)
        optimizer.step()
        schedule.step()
    assert rates[:7] == pytest.approx([n / 6 for n in range(7)])
    assert rates[53] == pytest.approx(0.5) and rates[100] == 0
