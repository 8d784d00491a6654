"""Facts about the temperatures that make probes no surer than they are right."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from adabert_nni.problems import CLASSIFICATION, REGRESSION
from adabert_nni.teacher.calibration import temperatures


def drawn(rows: int, sureness: float, layers: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (R, J, 3) and labels drawn from their softmax, then the logits times ``sureness``."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(rows, 1, 3, generator=generator).expand(-1, layers, -1)
    labels = torch.multinomial(logits[:, 0].softmax(-1), 1, generator=generator).squeeze(1)
    return sureness * logits, labels


@pytest.mark.parametrize("sureness", [1.0, 1.5, 4.0])
def test_what_is_too_sure_by_a_factor_is_divided_by_it(sureness):
    outputs, labels = drawn(20_000, sureness)
    assert temperatures(outputs, labels, CLASSIFICATION).item() == pytest.approx(sureness, rel=0.06)


def test_the_temperature_is_the_slope_that_scikit_learn_finds():
    outputs, labels = drawn(3_000, 3.0)
    first = outputs[:, 0, :2]  # two classes: a logistic regression on the difference of logits
    rows = labels < 2
    difference = (first[:, 1] - first[:, 0])[rows, None].numpy()
    model = LogisticRegression(C=1e6, fit_intercept=False).fit(difference, labels[rows].numpy())
    found = temperatures(first[rows, None], labels[rows], CLASSIFICATION).item()
    assert found == pytest.approx(1 / model.coef_.item(), rel=0.02)


def test_no_answer_is_made_surer():
    outputs, labels = drawn(5_000, 0.3)
    assert temperatures(outputs, labels, CLASSIFICATION).tolist() == [1.0]


def test_each_layer_has_its_own():
    outputs, labels = drawn(20_000, 1.0, layers=2)
    outputs = outputs * torch.tensor([1.0, 3.0])[:, None]
    assert temperatures(outputs, labels, CLASSIFICATION).tolist() == pytest.approx(
        [1.0, 3.0], rel=0.06
    )


def test_a_probe_that_knows_nothing_is_told_to_doubt_as_much_as_can_be():
    outputs, labels = drawn(2_000, 5.0)
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    assert temperatures(outputs, shuffled, CLASSIFICATION).item() > 10


def test_values_have_no_temperature():
    assert temperatures(torch.randn(5, 3, 1), torch.randn(5), REGRESSION).tolist() == [1, 1, 1]
