"""Facts of one step: what is clipped, what decays, what targets' multipliers do, what an epoch tells."""

import pytest
import torch

from adabert_nni.model.ops import OPS
from adabert_nni.search.step_parts import made_ready
from adabert_nni.search.targets import PARAMS, Cost, Target

COST = Cost(10.0, 1.0, dict.fromkeys(OPS, 1.0))


@pytest.fixture
def make_ready(make_search):
    def build(**settings):
        return made_ready(make_search(**settings), torch.device("cpu"))

    return build


def weights_of(search):
    alphas = {id(alpha) for alpha in search.alphas().values()}
    return [p for p in search.parameters() if id(p) not in alphas]


def test_the_gradient_of_the_weights_is_no_longer_than_the_clip_norm_and_p_alphas_is_as_it_is(
    make_ready, batch
):
    whole, cut = make_ready(), make_ready(clip_norm=0.01)
    for search in (whole, cut):
        search.training_step(batch, 0)
    lengths = [
        torch.stack([p.grad.norm() for p in weights_of(search) if p.grad is not None]).norm().item()
        for search in (whole, cut)
    ]
    assert lengths[0] > 0.1
    assert lengths[1] == pytest.approx(0.01, rel=1e-3)
    for name, alpha in cut.alphas().items():
        assert torch.equal(alpha.grad, whole.alphas()[name].grad)


def test_each_parameter_is_moved_by_one_optimizer_and_p_alpha_by_adam_with_its_decay(make_ready):
    search = make_ready(alpha_lr=0.3, alpha_weight_decay=0.2)
    weights, arch = search.trainer.optimizers
    ids = [{id(p) for p in made.param_groups[0]["params"]} for made in (weights, arch)]
    assert ids == [set(map(id, weights_of(search))), set(map(id, search.alphas().values()))]
    assert (arch.param_groups[0]["lr"], arch.param_groups[0]["weight_decay"]) == (0.3, 0.2)


def test_every_step_takes_the_learning_rate_on(make_ready, batch):
    search = make_ready()
    rates = []
    for step in range(3):
        search.training_step(batch, step)
        rates.append(search.trainer.optimizers[0].param_groups[0]["lr"])
    assert 0.02 > rates[0] > rates[1] > rates[2]


def test_the_loss_has_the_multipliers_times_the_excess(make_ready, batch):
    losses = []
    for value in (0.0, 5.0):
        search = make_ready(targets=[Target(PARAMS, 12.0, COST)])
        search.multipliers.values.fill_(value)
        losses.append(search.training_step(batch, 0).item())
    # 2 layers on average of a cell of 1 + 9 edges of 1 cost 20, where 2 are allowed: an excess of 9
    assert losses[1] - losses[0] == pytest.approx(5 * 9, rel=1e-4)


def test_a_step_that_moves_p_alpha_raises_the_multiplier_of_a_missed_target(
    make_ready, batch, monkeypatch
):
    search = make_ready(targets=[Target(PARAMS, 12.0, COST), Target(PARAMS, 1e3, COST)])
    raised = []
    monkeypatch.setattr(search.multipliers, "ascend", lambda *told: raised.append(told))
    search.training_step(batch, 0)
    ((excess, steps),) = raised
    assert excess.tolist() == pytest.approx([9.0, (30 - 1000) / 990])
    assert steps == search.schedule.moving()


def test_an_epochs_losses_are_means_over_its_steps(make_ready, batch):
    search = make_ready()
    seen = []
    terms_of = search.loss_terms
    search.loss_terms = lambda rows: seen.append(terms_of(rows)) or seen[-1]
    for step in range(3):
        search.training_step(batch, step)
    search.training_module.found = search.training_module.true = [torch.zeros(1)]
    numbers = search.epoch_metrics()
    for name in ("loss_ce", "loss_kd", "loss_e"):
        assert numbers[name] == pytest.approx(sum(terms[name].item() for terms in seen) / 3)
