"""Facts of how a gradient to P_alpha is judged: effects and signal by hand, and that it is the search's own."""

import pytest
import torch

from adabert_nni.config import SearchConfig
from adabert_nni.losses import total_loss
from adabert_nni.search import gradients
from adabert_nni.search.gradients import Observed, effects_of, observe, quality, search_module
from adabert_nni.search.task import TaskShape
from adabert_nni.spaces import SpaceConfig


def test_effects_are_what_ops_add_to_the_loss():
    torch.manual_seed(0)
    added = torch.tensor([[0.3, -0.1, -0.2], [0.0, 0.5, -0.5]])
    index = torch.randint(3, (3000, 2))
    drawn = torch.nn.functional.one_hot(index, 3).float()
    losses = (drawn * added).sum((1, 2)) + 0.1 * torch.randn(3000)
    # a thousand paths each with a noise of 0.1: standard errors of 0.003
    assert torch.allclose(effects_of(drawn, losses), added, atol=0.015)


def test_signal_is_the_mean_over_the_deviation_of_one_step_and_noise_has_none():
    torch.manual_seed(0)
    effects = torch.tensor([[0.2, -0.2], [0.1, -0.1]])
    steps = effects + 0.4 * torch.randn(4000, 2, 2)
    told = quality(steps, effects, -effects)
    # the length of the effects is sqrt(0.1), that of a step's deviations 0.4 * sqrt(4)
    assert told["signal"] == pytest.approx(0.1**0.5 / 0.8, abs=0.03)
    assert told["correlation"] > 0.99
    assert told["unseen"] == pytest.approx(-told["correlation"])
    assert quality(steps - steps.mean(0), effects, effects)["signal"] == 0


@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_the_gradient_of_a_soft_sample_is_that_of_equation_six(tau):
    torch.manual_seed(1)
    noise, towards = torch.randn(5, 2, 4), torch.randn(5, 2, 4)
    alpha = torch.zeros(5, 2, 4, requires_grad=True)
    ((((alpha.log_softmax(-1) + noise) / tau).softmax(-1)) * towards).sum().backward()
    seen = Observed(
        torch.zeros(2, 4), torch.zeros(2, 4), towards, noise.softmax(-1)
    )  # P_alpha is uniform
    assert torch.allclose(seen.gradient("gumbel", tau), alpha.grad, atol=1e-6)
    mean = torch.zeros(5, 2, 4, requires_grad=True)
    (mean.softmax(-1) * towards).sum().backward()
    assert torch.allclose(seen.gradient("mean", tau), mean.grad, atol=1e-7)


def test_what_is_seen_is_the_gradient_of_the_steps_of_the_search(make_search, batch):
    unseen = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    seen = observe(make_search(), [batch], [unseen], paths=30, steps=2, seed=4)
    search = make_search()
    search.settings.sampler.generator.manual_seed(4)
    losses = []
    with torch.no_grad():
        for _ in range(30):
            losses.append(step_loss(search, batch))
        for _ in range(30):
            search.resample()
    for step in range(2):
        for alpha in search.alphas().values():
            alpha.grad = None
        step_loss(search, batch).backward()
        edges = [search.alphas()[f"edge_{edge}"].grad for edge in search.model.edges]
        found = seen.gradient("gumbel", 1.0)[step]
        assert torch.allclose(found, torch.stack(edges), rtol=1e-3, atol=1e-6)
    assert torch.stack(losses).std() > 0  # paths differ
    for effects in (seen.effects, seen.unseen):
        assert effects.sum(1).abs().max() < 1e-5 < effects.abs().max()


def test_efficiency_costs_what_it_cost_in_the_search():
    space = SpaceConfig.load("small")
    task = TaskShape(2, None, 8, torch.zeros(9, space.dim), torch.zeros(8, space.dim))
    times = {op: float(place) for place, op in enumerate(space.ops)}
    paper, measured = (
        module.settings.op_costs(module.model)
        for module in (
            search_module(space, task, SearchConfig(), {}, 1),
            search_module(space, task, SearchConfig(), {}, 1, times),
        )
    )
    expected = torch.tensor(list(times.values()))
    assert torch.allclose(measured / measured.sum(), expected / expected.sum())
    assert not torch.allclose(measured, paper)


def step_loss(search, batch):
    terms, settings = search.loss_terms(batch), search.settings
    losses = terms["loss_ce"], terms["loss_kd"], terms["loss_e"]
    return total_loss(*losses, settings.gamma, settings.beta)


def test_that_a_batch_is_harder_than_another_is_no_effect_of_an_op(make_search):
    def hardness(module, batch):
        module.resample()
        return batch["hard"]

    batches = [{"hard": torch.tensor(hard)} for hard in (0.0, 7.0)]
    torch.manual_seed(0)
    assert not gradients._effects(make_search(), batches, 40, hardness).any()


def test_paths_that_are_judged_are_all_as_deep_as_the_one_that_was_found():
    space = SpaceConfig.load("small")
    task = TaskShape(2, None, 8, torch.zeros(9, space.dim), torch.zeros(8, space.dim))
    module = search_module(space, task, SearchConfig(), {}, 2)
    assert {module.resample()["depth"].index for _ in range(50)} == {1}
