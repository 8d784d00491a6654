"""Facts of the model card: it parses, and it holds the numbers that were given and no others."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from adabert_nni.data.tasks import Task, get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.card import REQUIRED, model_card

METRICS = {
    "teacher_accuracy": 0.90909,
    "student_accuracy": 0.876543,
    "teacher_params": 22_714_752,
    "student_params": 4_481_234,
    "teacher_bytes": 90_900_000,
    "student_bytes": 17_960_000,
    "depth": 3,
    "teacher_ms": 812.44,
    "student_ms": 48.07,
    "bert_base_ms": 2501.0,
    "batch": 16,
    "length": 64,
    "threads": 2,
    "device": "cpu",
    "dtype": "float32",
    "speedup_vs_teacher": 16.9,
    "speedup_vs_bert_base": 52.04,
}
CELL = Architecture(depth=3, nodes=1, edges={"0_2": "std_conv_5", "1_2": "skip_connect"})
SETTINGS = {"task": "sst2", "seed": 3, "weight_lr": 0.02, "train_rows": None}
OWN = Task("own", ("title", "body"), "kind", ("spam", "ham", "other"))


def card(task: Task | None = None, **changes: object) -> str:
    given = {
        "task": task or get_task("sst2"),
        "metrics": METRICS,
        "architecture": CELL,
        "settings": SETTINGS,
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
    }
    return model_card(**(given | changes))


def test_the_hub_reads_the_measured_score_and_the_task():
    data = ModelCard(card(), ignore_metadata_errors=False).data
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", METRICS["student_accuracy"])
    assert (result.dataset_type, result.dataset_config) == ("nyu-mll/glue", "sst2")
    assert (data.pipeline_tag, data.library_name) == ("text-classification", "transformers")
    assert data.datasets == ["nyu-mll/glue"]


def test_a_score_is_published_for_every_metric_of_the_task_that_was_measured():
    text = card(get_task("mrpc"), metrics=METRICS | {"student_f1": 0.9, "teacher_f1": 0.92})
    results = ModelCard(text, ignore_metadata_errors=False).data.eval_results
    assert {result.metric_type: result.metric_value for result in results} == {
        "accuracy": 0.876543,
        "f1": 0.9,
    }
    assert "| f1 | 92.00 % | 90.00 % | -2.00 points |" in text


def test_a_licence_appears_only_when_it_is_given():
    assert "license" not in ModelCard(card()).data.to_dict()
    assert ModelCard(card(license_id="apache-2.0")).data.license == "apache-2.0"


def test_the_measured_section_holds_exactly_the_given_numbers():
    measured = card().split("## Measured")[1].split("## Use")[0]
    numbers = re.findall(r"[-+]?\d+(?:\.\d+)?", measured.replace("float32", ""))
    rows = (
        "90.91 87.65 -3.25",  # 87.6543 - 90.909 = -3.2547
        "22.71 4.48 5.1",  # 22.714752 / 4.481234 = 5.07
        "90.9 18.0 5.1",  # 90.9 / 17.96 = 5.06
        "16 64 812.4 48.1 16.9 52.0",
        "3 2",  # depth and threads
    )
    assert numbers == " ".join(rows).split()


def test_the_card_tells_what_the_teacher_learnt_first():
    told = card(settings={"teacher": "minilm-l6", "teacher_via": "mnli", "teacher_epochs": 2})
    assert "fine-tuned on mnli first, then on the task for 2 epochs" in " ".join(told.split())
    assert "first, then" not in card()


def test_the_settings_read_back_and_name_the_command():
    text = card()
    block = re.search(r"```yaml\n(.*?)\n```", text, re.S)
    assert block and yaml.safe_load(block[1]) == {"task": "sst2", "seed": 3, "weight_lr": 0.02}
    assert "run `adabert compress --config config.yml`" in text
    assert "torch 2.13.0, transformers 5.23.0" in text


def test_a_run_of_a_given_architecture_is_reproduced_by_train():
    given = {
        "task": "sst2",
        "architecture": Architecture(1, 1, {"0_2": "zero", "1_2": "zero"}).to_dict(),
    }
    text = card(settings=given)
    assert "run `adabert train --config config.yml --architecture architecture.json`" in text
    block = re.search(r"```yaml\n(.*?)\n```", text, re.S)
    assert block and yaml.safe_load(block[1]) == {"task": "sst2"}
    assert "adabert compress" not in text


def test_own_rows_stand_beside_no_other_task():
    text = card(OWN, settings={"task": "mini-reviews", "train": "rows.csv"})
    block = re.search(r"```yaml\n(.*?)\n```", text, re.S)
    assert block and yaml.safe_load(block[1]) == {"train": "rows.csv"}


def test_nobodys_folders_are_published():
    folders = {"output": Path("/home/me/out"), "cache": "/home/me/c", "data_dir": "/home/me/d"}
    text = card(settings=folders | {"train": "/home/me/rows.csv", "teacher": "/home/me/bert"})
    assert "/home/me" not in text
    block = re.search(r"```yaml\n(.*?)\n```", text, re.S)
    assert block and yaml.safe_load(block[1]) == {"train": "rows.csv", "teacher": "bert"}


def test_the_cell_is_told_in_words():
    assert "node 2 = std_conv_5(c_{k-2}) + skip_connect(c_{k-1})" in card()


@pytest.mark.parametrize("task", [get_task("sst2"), get_task("mini-claims"), OWN])
def test_the_card_fits_single_texts_pairs_and_own_data(task: Task):
    text = card(task)
    assert ModelCard(text, ignore_metadata_errors=False).data.model_name == f"adabert-{task.name}"
    snippet = re.search(r"```python\n(.*?)```", text, re.S)
    assert snippet and ast.parse(snippet[1])
    assert ('"text_pair"' in snippet[1]) == task.is_pair
    assert all(f"`{name}`" in text for name in (*task.texts, *task.labels))
    assert ("huggingface.co/datasets" in text) == (task.hub is not None)


@pytest.mark.parametrize(
    ("label", "shown"),
    [("a`b", "``a`b``"), ("`a``", "``` `a`` ```"), ("two\nlines", "`two lines`"), ("{x}", "`{x}`")],
)
def test_a_class_name_is_shown_as_it_is(label: str, shown: str):
    assert f"as {shown} or `no`" in card(replace(OWN, labels=(label, "no")))


@pytest.mark.parametrize("key", REQUIRED)
def test_a_card_without_a_measurement_is_refused_by_its_name(key: str):
    with pytest.raises(AdaBertError, match=key):
        card(metrics={name: value for name, value in METRICS.items() if name != key})


def test_metrics_of_another_student_are_refused():
    with pytest.raises(AdaBertError, match="depth 4 but the architecture has 3"):
        card(metrics=METRICS | {"depth": 4})
