"""Facts of what a run got right and wrong, by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from adabert_nni.data.tasks import Rows, Splits, get_task
from adabert_nni.files import write_json
from adabert_nni.losses import UNLABELLED, transfer_weights
from adabert_nni.metrics import PREDICTIONS, answers
from adabert_nni.report.evaluation import (
    MOST_EXAMPLES,
    MOST_LETTERS,
    compare,
    mean_weights,
    write_evaluation,
)


def rows(labels, text="t"):
    return Rows([(f"{text}{i}",) for i in range(len(labels))], labels, list(range(len(labels))))


def told(classes, confidence=0.9):
    sure = confidence if isinstance(confidence, list) else [confidence] * len(classes)
    return {"classes": classes, "confidence": sure}


def test_confusion_and_agreement_by_hand():
    found = {"teacher": told([0, 0, 1, 1]), "student": told([0, 1, 1, 0])}
    record = compare(rows([0, 0, 1, 1]), 2, found)
    assert record["confusion"]["teacher"] == [[2, 0], [0, 2]]
    assert record["confusion"]["student"] == [[1, 1], [1, 1]]
    assert record["agreement"] == 0.5
    assert [one["row"] for one in record["disagreements"]] == [1, 3]


@pytest.mark.parametrize(
    ("classes", "warned"),
    [([1, 1, 1, 1, 1], True), ([0, 1, 1, 1, 0], True), ([0, 1, 1, 1, 1], False)],
)
def test_who_is_right_no_more_often_than_the_largest_class_is_told(
    classes, warned, tmp_path, caplog
):
    """Of five rows three are of class "b"; three, three and four of the answers are right."""
    (tmp_path / "student").mkdir()
    write_json(tmp_path / "student" / "config.json", {"architecture": {"depth": 1}})
    write_json(tmp_path / "student" / PREDICTIONS, told(classes))
    task = replace(get_task("sst2"), labels=("a", "b"))
    part = rows([0, 0, 1, 1, 1])
    with caplog.at_level("WARNING"):
        write_evaluation(
            tmp_path,
            Splits(task, part, part, part),
            SimpleNamespace(teacher=None),
            teacher=tmp_path / "none",
            probes=tmp_path,
        )
    message = "student: 3 of 5 validation rows are right, and 3 would be by answering 'b' always"
    assert (message in caplog.text) == warned
    assert ("always" in caplog.text) == warned


def test_disagreements_are_the_surest_and_at_most_so_many():
    count = 3 * MOST_EXAMPLES
    sure = [0.5 + i / 200 for i in range(count)]
    found = {"teacher": told([0] * count), "student": told([1] * count, sure)}
    disagreements = compare(rows([0] * count), 2, found)["disagreements"]
    # the teacher is always 0.9 sure, so the less sure of both is min(0.9, sure): the last rows first
    assert len(disagreements) == MOST_EXAMPLES
    least = [min(one["teacher_confidence"], one["student_confidence"]) for one in disagreements]
    assert least == sorted(least, reverse=True)
    assert min(least) >= sorted(sure)[-MOST_EXAMPLES]


def test_a_long_text_is_cut():
    found = {"teacher": told([0]), "student": told([1])}
    (one,) = compare(rows([0], "x" * 5000), 2, found)["disagreements"]
    assert one["texts"] == ["x" * MOST_LETTERS + "…"]


def test_without_a_teachers_answers_only_the_student_is_told_of():
    record = compare(rows([0, 1]), 2, {"student": told([0, 1])})
    assert set(record["confusion"]) == {"student"}
    assert "agreement" not in record


def test_answers_are_the_likeliest_class_and_its_probability():
    # softmax of (0, ln 3) is (1/4, 3/4)
    found = answers(torch.tensor([[1.0, 3.0]]).log())
    assert found == {"classes": [1], "confidence": [0.75]}


def test_mean_weights_by_hand():
    # equation (4): w_i = P_i(y) / sum; 0.6 and 0.9 of the true class give 0.4 and 0.6
    teacher = torch.tensor([[[0.4, 0.6], [0.1, 0.9]]])
    by_hand = pytest.approx([0.4, 0.6])
    assert mean_weights(transfer_weights, teacher, torch.tensor([1]), 2) == by_hand
    with_copies = torch.cat([teacher, teacher]), torch.tensor([1, UNLABELLED])
    assert mean_weights(transfer_weights, *with_copies, 2) == by_hand
