"""A student's folder is a Hugging Face model: what one does with those works with it."""

import json
import logging
import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
)

from adabert_nni.data.embedded import generate
from adabert_nni.files import read_json
from adabert_nni.model import modeling
from adabert_nni.student.export import save_student

AUTO_MAP = {
    "AutoConfig": "modeling.AdaBertConfig",
    "AutoModelForSequenceClassification": "modeling.AdaBertForSequenceClassification",
}
CODE = {
    "architecture.py",
    "convolution.py",
    "ops.py",
    "cell.py",
    "body.py",
    "pairs.py",
    "modeling.py",
}
MODEL = {"config.json", "model.safetensors", *CODE}
PAIR = {"text": "the room was stale .", "text_pair": "the room was good ."}
AWAY = """
import json, sys
for name in ("nni", "pytorch_lightning", "adabert_nni"):
    sys.modules[name] = None
import torch
from transformers import AutoModelForSequenceClassification
first, second = sys.argv[1:]
ids, logits = torch.tensor([[2, 7, 8, 9, 3, 10, 3]]), []
load = AutoModelForSequenceClassification.from_pretrained
model = load(first, trust_remote_code=True)
model.save_pretrained(second)
for one in (model, load(second, trust_remote_code=True)):
    logits.append(one.eval()(ids).logits.tolist())
print(json.dumps(logits))
"""


@pytest.fixture(scope="module")
def saved(made_student, tiny_teacher_dir, tmp_path_factory):
    """A student of pairs, and its folder; the tokenizer comes from a folder, as that of a teacher does."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_teacher_dir)
    folder = tmp_path_factory.mktemp("run") / "student"
    folder.mkdir()
    student = made_student(seed=1, pair=True, vocab_size=len(tokenizer))
    scores = {"accuracy": 0.5}
    save_student(student, tokenizer, folder, scores=scores, history=[], seconds=0.0)
    return student, folder


def files(folder):
    return {file.name for file in folder.iterdir()}


def test_the_folder_has_all_that_a_hub_repository_needs(saved):
    _, folder = saved
    assert files(folder) >= MODEL | {"tokenizer.json", "tokenizer_config.json"}
    assert read_json(folder / "config.json")["auto_map"] == AUTO_MAP


def test_nothing_in_the_folder_says_where_it_was_made(saved, tiny_teacher_dir):
    _, folder = saved
    for file in folder.iterdir():
        data = file.read_bytes()
        for place in (tiny_teacher_dir, folder, folder.parent):
            assert str(place).encode() not in data, file
    assert not {"is_local", "local_files_only"} & set(read_json(folder / "tokenizer_config.json"))


def test_a_loaded_student_is_saved_with_its_code(saved, tmp_path):
    student, folder = saved
    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    loaded.save_pretrained(tmp_path / "again")
    assert files(tmp_path / "again") == MODEL
    assert read_json(tmp_path / "again" / "config.json")["auto_map"] == AUTO_MAP
    for name in CODE:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    theirs = loaded.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in student.state_dict().items())


def test_a_student_whose_code_came_with_it_is_saved_and_loaded_again_without_the_package(
    saved, tmp_path
):
    student, folder = saved
    away = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}
    away.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", AWAY, str(folder), str(tmp_path / "again")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=away,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "again") == MODEL
    assert read_json(tmp_path / "again" / "config.json")["auto_map"] == AUTO_MAP
    with torch.no_grad():
        here = student(torch.tensor([[2, 7, 8, 9, 3, 10, 3]])).logits
    for logits in json.loads(done.stdout):
        assert torch.allclose(torch.tensor(logits), here, atol=1e-5)


def test_a_saved_config_knows_its_code_too(saved, tmp_path):
    AutoConfig.from_pretrained(saved[1]).save_pretrained(tmp_path)
    assert read_json(tmp_path / "config.json")["auto_map"]["AutoConfig"] == AUTO_MAP["AutoConfig"]


def test_a_pipeline_takes_pairs(saved):
    student, folder = saved
    answer = pipeline("text-classification", model=str(folder))(PAIR, top_k=None)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = student(**tokenizer(*PAIR.values(), return_tensors="pt")).logits
    found = {entry["label"]: entry["score"] for entry in answer}
    wanted = dict(
        zip(student.config.id2label.values(), logits.softmax(-1)[0].tolist(), strict=True)
    )
    assert found == pytest.approx(wanted, abs=1e-5)


def test_labels_give_the_cross_entropy_of_the_logits(saved):
    student, ids = saved[0], torch.tensor([[2, 7, 8, 3, 9, 3], [2, 9, 9, 3, 7, 3]])
    labels = torch.tensor([2, 0])
    with torch.no_grad():
        answer = student(ids, labels=labels)
        as_tuple = student(ids, labels=labels, return_dict=False)
    assert torch.equal(answer.loss, functional.cross_entropy(answer.logits, labels))
    assert torch.equal(as_tuple[0], answer.loss) and torch.equal(as_tuple[1], answer.logits)
    assert student(ids).loss is None


def test_the_trainer_of_transformers_trains_it(made_student, tiny_tokenizer, tmp_path):
    pytest.importorskip("accelerate")  # which the Trainer needs
    rows = [
        {**tiny_tokenizer(text, truncation=True, max_length=40), "labels": label}
        for (text,), label in generate("mini-reviews")["train"][:64]
    ]
    trainer = Trainer(
        made_student(seed=2, vocab_size=len(tiny_tokenizer)),
        TrainingArguments(
            str(tmp_path),
            max_steps=20,
            per_device_train_batch_size=16,
            learning_rate=1e-2,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        data_collator=DataCollatorWithPadding(tiny_tokenizer),
        train_dataset=rows,
        eval_dataset=rows,
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before
    trainer.save_model(str(tmp_path / "trained"))
    assert files(tmp_path / "trained") >= MODEL


def test_a_head_of_another_size_starts_as_a_fresh_one_and_all_else_is_kept(saved):
    student, folder = saved
    for _ in range(3):
        again = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=5, ignore_mismatched_sizes=True
        )
        (name,) = again.body.readouts
        head = again.body.readouts[name].head
        bound = head.in_features**-0.5  # of PyTorch's own start
        assert head.out_features == 5
        assert all(0 < p.abs().max() <= bound for p in head.parameters())
        kept = student.state_dict()
        same = {k: v for k, v in again.state_dict().items() if ".head." not in k}
        assert same.keys() < kept.keys()
        assert all(torch.equal(value, kept[key]) for key, value in same.items())


def test_losses_are_those_of_the_kind_of_problem_whatever_the_labels_shape(made_student):
    ids, classes = torch.tensor([[2, 7, 3], [2, 9, 3]]), torch.tensor([1, 2])
    student = made_student(names=("a", "b", "c"))
    logits = student(ids).logits
    wanted = functional.cross_entropy(logits, classes)
    assert student(ids, labels=classes[:, None]).loss == student(ids, labels=classes).loss == wanted
    student.config.problem_type = "multi_label_classification"
    several = torch.tensor([[1, 0, 1], [0, 0, 1]])
    wanted = functional.binary_cross_entropy_with_logits(logits, several.float())
    assert student(ids, labels=several).loss == wanted
    student.config.return_dict = False
    assert torch.equal(student(ids)[0], logits)
    value = made_student(names=("a",))
    value.config.problem_type = "regression"
    assert value(ids, labels=value(ids).logits.detach()).loss == 0  # (B, 1) beside (B, 1)


def test_a_text_that_is_cut_is_told_once(made_student, caplog, monkeypatch):
    student = made_student(pair=True)
    modeling.logger.warning_once.cache_clear()
    monkeypatch.setattr(modeling.logger, "propagate", True)
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("adabert_nni"), "propagate", True)
    for length in (40, 41, 41):
        student(torch.full((1, length), 7))
    told = [r.message for r in caplog.records if "truncation=True" in r.message]
    assert told == [next(iter(told))] and "a row has 41 tokens, and what is beyond 40" in told[0]
