"""Facts about the table of kinds of problem."""

from collections import Counter

import pytest
import torch
from torch import nn

from adabert_nni.losses import UNLABELLED
from adabert_nni.metrics import METRICS
from adabert_nni.problems import (
    PROBLEMS,
    REGRESSION,
    STRATA,
    UNSCALED,
    in_units,
    unscale_head,
)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_a_kind_names_metrics_that_there_are(kind):
    assert set(PROBLEMS[kind].metrics) <= set(METRICS)


@pytest.mark.parametrize(("kind", "outputs"), [("classification", 3), ("regression", 1)])
def test_the_cost_of_a_probe_is_that_of_its_rows_alone(kind, outputs):
    problem = PROBLEMS[kind]
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(2, 4, 5, outputs, generator=generator)  # S, R, J, C
    labels = torch.tensor([0, 2, 1, 0]).to(problem.dtype)
    costs = problem.probe_costs(found, labels)
    assert costs.shape == (2, 4, 5)
    for row in range(4):
        alone = problem.task_loss(found[1, row, 3][None], labels[row : row + 1])
        torch.testing.assert_close(costs[1, row, 3], alone)


def test_values_in_units_have_mean_zero_and_the_mark_stays():
    labels = torch.tensor([10.0, 30.0, UNLABELLED])
    assert in_units(labels, REGRESSION.scale([10.0, 30.0])).tolist() == [-1.0, 1.0, UNLABELLED]


def test_class_ids_have_no_units():
    ids = torch.tensor([0, 1, UNLABELLED])
    assert in_units(ids, PROBLEMS["classification"].scale([0, 1])) is ids


def test_equal_values_have_a_scale_too():
    assert REGRESSION.scale([2.0, 2.0]) == (2.0, 1.0)


def test_a_head_answers_in_the_labels_unit_afterwards():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Dropout())
    model.eval()
    inputs = torch.randn(5, 3)
    before = model(inputs)
    unscale_head(model, UNSCALED)
    assert torch.equal(model(inputs), before)
    unscale_head(model, (50.0, 20.0))
    torch.testing.assert_close(model(inputs), 50 + 20 * before)


def test_strata_of_values_are_of_one_size_and_keep_equal_values_together():
    assert set(Counter(REGRESSION.strata([0.1 * i for i in range(100)])).values()) == {
        100 // STRATA
    }
    ties = REGRESSION.strata([1.0] * 50 + [2.0] * 50)
    assert len(set(ties[:50])) == len(set(ties[50:])) == 1 != len(set(ties))
