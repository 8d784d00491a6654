"""Facts about the table of tasks."""

from dataclasses import replace

import pytest

from adabert_nni.data.embedded import is_embedded
from adabert_nni.data.tasks import TASKS, Task, get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.metrics import METRICS
from adabert_nni.problems import CLASSIFICATION, REGRESSION

GLUE = {"sst2", "mrpc", "qqp", "mnli", "qnli", "rte"}


def test_the_six_glue_tasks_come_from_the_hub_and_the_others_are_embedded():
    assert {name for name, task in TASKS.items() if task.hub} >= GLUE
    assert all(TASKS[name].hub == ("nyu-mll/glue", name) for name in GLUE)
    assert {name for name in TASKS if is_embedded(name)} == {"mini-reviews", "mini-claims"}
    assert not any(task.hub and is_embedded(name) for name, task in TASKS.items())


@pytest.mark.parametrize("name", TASKS)
def test_an_entry_is_whole(name):
    task = TASKS[name]
    assert task.name == name
    assert len(task.texts) == (2 if task.is_pair else 1)
    assert len(set(task.labels)) == len(task.labels) >= (2 if task.problem.classes else 1)
    assert set(task.metrics) <= set(METRICS)


def test_mrpc_and_qqp_report_f1_and_it_is_that_of_the_class_that_glue_means():
    assert {name for name in GLUE if "f1" in TASKS[name].metrics} == {"mrpc", "qqp"}
    assert {TASKS[name].metrics[0] for name in GLUE} == {"accuracy"}
    assert TASKS["mrpc"].labels[1] == "equivalent"
    assert TASKS["qqp"].labels[1] == "duplicate"


def test_mnli_is_reported_on_the_matched_set():
    assert TASKS["mnli"].validation == "validation_matched"


def test_an_unknown_task_names_the_closest_and_all_known_ones():
    with pytest.raises(AdaBertError, match=r"'sst-2'.*known are sst2, .*did you mean 'sst2'"):
        get_task("sst-2")
    with pytest.raises(AdaBertError) as caught:
        get_task("../../etc")
    assert "did you mean" not in str(caught.value)


def test_a_task_and_its_problem_name_the_same_metrics():
    by_f1 = replace(TASKS["rte"], metrics=("f1", "accuracy"))
    assert by_f1.problem.metrics == ("f1", "accuracy")
    assert replace(by_f1, scale=(0.0, 2.0)).problem.metrics == ("f1", "accuracy")
    assert Task("stars", ("text",), "stars", ("stars",), problem=REGRESSION).metrics[0] == "r2"
    assert TASKS["rte"].problem is CLASSIFICATION  # nothing to change
