"""Facts about the scores."""

import numpy as np
import pytest
import torch

from adabert_nni.errors import AdaBertError
from adabert_nni.metrics import score

LABELS = [1, 1, 1, 0, 0]
FOUND = [1, 1, 0, 1, 0]


def test_scores_by_hand():
    scores = score(("accuracy", "f1"), FOUND, LABELS)
    # 3 of 5 right; class 1: precision 2/3, recall 2/3
    assert scores == pytest.approx({"accuracy": 0.6, "f1": 2 / 3})


def test_f1_is_that_of_class_1_and_not_a_mean_over_classes():
    # all called 1: precision 3/5, recall 1, so 2 * 0.6 / 1.6; the mean over classes is half of it
    assert score(("f1",), [1] * 5, LABELS)["f1"] == pytest.approx(0.75)


def test_f1_without_any_row_of_class_1_is_zero():
    assert score(("f1",), [0, 0], [0, 0]) == {"f1": 0.0}


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_lists_arrays_and_tensors_score_alike(kind):
    value = score(("accuracy",), kind(FOUND), kind(LABELS))["accuracy"]
    assert value == pytest.approx(0.6)
    assert type(value) is float  # so that it goes into JSON


def test_the_metrics_keep_the_order_of_the_task():
    assert list(score(("f1", "accuracy"), FOUND, LABELS)) == ["f1", "accuracy"]


@pytest.mark.parametrize(
    "metrics, found, labels, part",
    [
        (("bleu",), [1], [1], "'bleu', known are accuracy, f1"),
        (("accuracy",), [1, 0], [1], "one class id or value per row"),
        (("accuracy",), [], [], "at least one row"),
        (("accuracy",), [[0.1, 0.9]], [1], "one class id or value per row"),
        (("f1",), [0, 2], [0, 1], "more than 2 classes"),
    ],
)
def test_what_cannot_be_scored_is_refused(metrics, found, labels, part):
    with pytest.raises(AdaBertError, match=part):
        score(metrics, found, labels)


def test_regression_scores_by_hand():
    # errors 0, 1, 0: mean square 1/3; labels 1, 2, 6 have mean 3 and squares 4 + 1 + 9 = 14
    scores = score(("r2", "rmse", "pearson", "spearman"), [1.0, 3.0, 6.0], [1.0, 2.0, 6.0])
    assert scores["r2"] == pytest.approx(1 - 1 / 14)
    assert scores["rmse"] == pytest.approx((1 / 3) ** 0.5)
    # predictions less their mean of 10/3: -7/3, -1/3, 8/3; products with -2, -1, 3 sum to 13
    assert scores["pearson"] == pytest.approx(13 / (14 * 114 / 9) ** 0.5)
    assert scores["spearman"] == 1.0  # the same order


def test_equal_values_share_their_rank():
    # ranks 1.5, 1.5, 3 against 1, 2, 3: sum of products of deviations 1.5, of squares 1.5 and 2
    assert score(("spearman",), [5.0, 5.0, 9.0], [1.0, 2.0, 3.0])["spearman"] == pytest.approx(
        1.5 / 3**0.5
    )


def test_a_constant_prediction_correlates_with_nothing_and_stays_finite():
    scores = score(("pearson", "spearman", "r2"), [2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert scores == {"pearson": 0.0, "spearman": 0.0, "r2": 0.0}
