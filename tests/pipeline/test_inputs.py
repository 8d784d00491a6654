"""Facts of what stages start from, and of the student that own values and unlabelled rows end in."""

import random

import pytest
import yaml
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    pipeline,
)

from adabert_nni.benchmark import peers
from adabert_nni.config import Config
from adabert_nni.data.encoding import encode
from adabert_nni.losses import UNLABELLED
from adabert_nni.pipeline import inputs, run
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.problems import REGRESSION
from adabert_nni.student.train import evaluate

SPACE = {"ops": ["std_conv_3", "max_pool_3", "skip_connect"], "nodes": 2, "max_depth": 2, "dim": 16}


@pytest.fixture(scope="module")
def settings(tiny_teacher_dir, tmp_path_factory):
    """Own rows whose value, about 500, counts a word; every fifth has none."""
    folder, draw = tmp_path_factory.mktemp("own"), random.Random(0)
    lines = ["text,stars"]
    for row in range(300):
        words = draw.choices(["superb", "dull", "the", "plot"], k=6)
        value = 500 + 100 * words.count("superb") + draw.random()
        lines.append(f"{' '.join(words)} {row},{'' if row % 5 == 0 else round(value, 2)}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "space.yml").write_text(yaml.safe_dump(SPACE))
    return {
        "train": str(folder / "rows.csv"),
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 1,
        "probe_epochs": 1,
        "space": str(folder / "space.yml"),
        "search_epochs": 1,
        "search_batch": 50,
        "student_epochs": 4,
        "student_batch": 20,
        "student_lr": 1e-2,
        "max_length": 32,
        "cache": str(folder / "cache"),
        "repetitions": 1,
    }


@pytest.fixture(scope="module")
def prepared(settings):
    config = Config.from_mapping(settings, "test")
    return inputs.prepare(config, SPACE["dim"], read_rows(config.data))


def test_rows_without_a_label_follow_the_others_with_the_probes_answers(prepared):
    splits, train = prepared.splits, prepared.train
    assert splits.task.problem is REGRESSION
    known = len(splits.train)
    assert train.ids.tolist() == splits.train.ids + splits.unlabelled.ids
    assert len(splits.unlabelled) > 10
    assert (train.labels[:known] != UNLABELLED).all()
    assert (train.labels[known:] == UNLABELLED).all()
    assert train.teacher.shape == (len(train), 3, 1)
    assert train.teacher.isfinite().all()


def test_models_learn_by_labels_in_units_and_results_are_reported_in_their_own(prepared):
    known = prepared.train.labels[prepared.train.labels != UNLABELLED]
    assert float(known.mean()) == pytest.approx(0, abs=1e-4)
    assert float(known.std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert float(prepared.validation.labels.mean()) > 500


def test_the_student_of_own_values_answers_in_their_unit(settings, prepared, tmp_path):
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
        metrics = run.compress(Config.from_mapping(settings, "test"), tmp_path)
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval()
    assert (student.config.problem_type, student.config.num_labels) == ("regression", 1)
    task = prepared.splits.task
    held = encode(prepared.splits.validation, prepared.tokenizer, 32)
    found = evaluate(student, held, task.metrics, task.problem)
    assert found == pytest.approx({name: metrics[f"student_{name}"] for name in task.metrics})
    assert metrics["selection_r2"] > 0.2  # 0 is the labels' mean
    (answer,) = pipeline("text-classification", model=str(tmp_path / "student"), device="cpu")(
        "superb"
    )
    assert answer["label"] == "stars"
    assert 400 < answer["score"] < 1200  # and not a sigmoid of it
    card = (tmp_path / "student" / "README.md").read_text()
    assert "It gives a text (`text`) a number, `stars`." in card
    assert "| r2 |" in card
