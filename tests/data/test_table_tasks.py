"""Facts about tasks that a user adds to the table: numbers as names, values as labels, rows that are nowhere."""

from collections import Counter
from statistics import fmean, pstdev

import pytest

from adabert_nni.data.loading import load_splits
from adabert_nni.data.tasks import TASKS, Task
from adabert_nni.errors import AdaBertError
from adabert_nni.problems import REGRESSION


@pytest.fixture
def add(monkeypatch, tmp_path):
    """Adds a task of one text, with files of these labels."""

    def add(labels, names, **more):
        monkeypatch.setitem(TASKS, "mine", Task("mine", ("text",), "label", names, **more))
        (tmp_path / "mine").mkdir()
        rows = "".join(f"text {i}\t{label}\n" for i, label in enumerate(labels))
        for split in ("train", "validation"):
            (tmp_path / "mine" / f"{split}.tsv").write_text("text\tlabel\n" + rows)
        return tmp_path

    return add


@pytest.mark.parametrize("first", [0, 1], ids=["ids", "names"])
def test_classes_whose_names_are_numbers_stay_apart(add, first):
    folder = add([first + i % 3 for i in range(90)], ("1", "2", "3"))
    assert Counter(load_splits("mine", data_dir=folder).validation.labels) == {0: 30, 1: 30, 2: 30}


def test_a_regression_task_has_values_and_their_scale(add):
    folder = add([i / 10 for i in range(40)], ("score",), problem=REGRESSION)
    splits = load_splits("mine", data_dir=folder)
    assert splits.validation.labels == [i / 10 for i in range(40)]
    known = splits.train.labels
    assert splits.task.scale == pytest.approx((fmean(known), pstdev(known)))


def test_a_task_whose_rows_are_nowhere_says_where_they_belong(add):
    add(["a", "b"], ("a", "b"))
    with pytest.raises(AdaBertError, match=r"task mine: its rows are on no hub.*--data-dir"):
        load_splits("mine")
