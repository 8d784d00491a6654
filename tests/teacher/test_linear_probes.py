"""Facts about the linear probes themselves: what they come to, alone and beside one another."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from adabert_nni.problems import CLASSIFICATION, REGRESSION
from adabert_nni.teacher import linear_probes
from adabert_nni.teacher.linear_probes import Probes


def fitted(features: Tensor, labels: Tensor, penalties: list[float], classes: int) -> Probes:
    made = Probes(features.half(), labels, classes, len(penalties))
    spread = torch.tensor(penalties)[:, None].expand(-1, features.shape[1])
    made.fit(spread, epochs=1, generator=torch.Generator().manual_seed(0))
    return made


def test_a_probe_is_the_minimum_that_scikit_learn_finds():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 2, 5, generator=generator) * 3 + 1
    noise = torch.randn(400, 3, generator=generator)
    labels = (features[:, 0, :3] + 3 * noise).argmax(dim=1)
    found = fitted(features, labels, [0.1], classes=3).outputs(features.half()).softmax(-1)[0]
    for layer in range(2):
        inputs = features[:, layer].half().float().numpy()
        inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
        # Its objective is a sum over rows with C = 1 / penalty; ours a mean: C = 1 / (penalty * R).
        model = LogisticRegression(C=1 / (0.1 * 400), tol=1e-8).fit(inputs, labels)
        np.testing.assert_allclose(found[:, layer], model.predict_proba(inputs), atol=0.01)


def test_a_probe_of_regression_is_the_ridge_regressor_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 2, 5, generator=generator) * 3 + 1
    labels = features[:, 0].sum(dim=1) / 8 + torch.randn(400, generator=generator)
    made = Probes(features.half(), labels, 1, 1, REGRESSION)
    made.fit(torch.full((1, 2), 0.5), epochs=1, generator=torch.Generator().manual_seed(0))
    found = made.outputs(features.half())[0]
    for layer in range(2):
        inputs = features[:, layer].half().float().numpy()
        inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
        # Its objective is a sum over rows + alpha ||w||^2, ours a mean + penalty / 2 ||w||^2.
        model = Ridge(alpha=0.5 / 2 * 400).fit(inputs, labels)
        np.testing.assert_allclose(found[:, layer, 0], model.predict(inputs), atol=0.02)


def test_a_probe_does_not_depend_on_the_ones_trained_beside_it():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(100, 2, 4, generator=generator)
    labels = (features[:, 0, 0] > 0).long()
    alone = fitted(features[:, :1], labels, [0.1], 2).outputs(features[:, :1].half()).softmax(-1)
    beside = fitted(features, labels, [1.0, 0.1], 2).outputs(features.half()).softmax(-1)
    torch.testing.assert_close(beside[1, :, 0], alone[0, :, 0])


def test_a_layer_that_knows_is_right_and_a_layer_of_noise_is_told_to_doubt():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(600, 2, 40, generator=generator)
    labels = (features[:, 0, 0] > 0).long()
    made = fitted(features[:300], labels[:300], [1e-4, 1.0], 2)
    unseen = features[300:].half()
    costs = CLASSIFICATION.probe_costs(made.outputs(unseen), labels[300:]).mean(1)  # (S, J)
    right = (made.outputs(unseen).argmax(-1) == labels[300:, None]).float().mean(1)
    assert right[0, 0] > 0.9
    # 40 columns of noise and 300 rows: hardly penalised, the probe is sure of what is not there.
    assert costs[0, 1] > costs[1, 1]
    assert costs[1, 1] == pytest.approx(0.693, abs=0.05)  # ln 2: it says "I do not know"


def test_a_constant_feature_does_no_harm():
    features = torch.zeros(20, 1, 2)
    features[:10, 0, 0] = 1
    found = (
        fitted(features, (features[:, 0, 0]).long(), [1e-4], 2).outputs(features.half()).softmax(-1)
    )
    assert bool(found.isfinite().all())


@pytest.mark.parametrize(("epochs", "steps"), [(1, 12), (3, 30)])
def test_probes_go_through_the_rows_as_often_as_asked_and_take_some_steps_at_least(
    monkeypatch, epochs, steps
):
    monkeypatch.setattr(linear_probes, "CHUNK", 10)
    monkeypatch.setattr(linear_probes, "LEAST_STEPS", 12)
    taken, features = [], torch.randn(100, 1, 2).half()
    costs = CLASSIFICATION.probe_costs
    counting = replace(CLASSIFICATION, probe_costs=lambda *g: taken.append(1) or costs(*g))
    made = Probes(features, (features[:, 0, 0] > 0).long(), 2, 1, counting)
    made.fit(torch.ones(1, 1), epochs=epochs, generator=torch.Generator().manual_seed(0))
    assert len(taken) == steps
