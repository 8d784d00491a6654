"""Facts of the straight-through choices: exact equality with the plain formula, shared draws."""

import pytest
import torch

from adabert_nni.model.ops import OPS
from adabert_nni.search.gumbel import Draw, GumbelSampler, mix
from adabert_nni.search.supernet import StraightThroughLayer

NAMES = list(OPS)


def draw_of(alpha, tau=0.7, seed=0):
    sampler = GumbelSampler(tau)
    sampler.generator.manual_seed(seed)
    return sampler.draw(alpha)


def test_relaxed_sample_is_equation_six():
    alpha = torch.tensor([0.5, -1.0, 2.0])
    sampler = GumbelSampler(0.5)
    sampler.generator.manual_seed(3)
    soft = sampler.draw(alpha).soft
    noise = -(-torch.rand(3, generator=torch.Generator().manual_seed(3)).log()).log()
    scores = torch.exp((alpha.softmax(0).log() + noise) / 0.5)
    assert torch.allclose(soft, scores / scores.sum(), atol=1e-6)


def test_samples_follow_the_distribution():
    alpha = torch.tensor([0.6, 0.3, 0.1]).log()
    sampler = GumbelSampler(1.0)
    sampler.generator.manual_seed(0)
    drawn = torch.tensor([sampler.draw(alpha).index for _ in range(4000)])
    share = drawn.bincount(minlength=3) / 4000
    assert torch.allclose(
        share, torch.tensor([0.6, 0.3, 0.1]), atol=0.03
    )  # 4 standard errors: 0.031


def test_straight_through_is_one_hot_in_value_and_soft_in_gradient():
    alpha = torch.zeros(4, requires_grad=True)
    draw = draw_of(alpha)
    weights = draw.straight_through()
    assert weights.tolist() == [float(i == draw.index) for i in range(4)]
    (weights * torch.arange(4.0)).sum().backward()
    by_hand = torch.zeros(4, requires_grad=True)
    (draw_of(by_hand).soft * torch.arange(4.0)).sum().backward()
    assert torch.equal(alpha.grad, by_hand.grad)


def plain(ops, draw, x, mask):
    """One-hot forward, soft backward, through every op: the formula that the exact estimator saves."""
    weights = draw.straight_through()
    return sum(weights[i] * op(x, mask) for i, op in enumerate(ops))


@pytest.mark.parametrize("seed", range(4))
def test_exact_straight_through_equals_the_plain_formula_in_value_and_all_gradients(seed):
    torch.manual_seed(seed)
    ops = torch.nn.ModuleList([OPS[name].build(6).double() for name in NAMES])
    mask = torch.ones(2, 9, 1, dtype=torch.double)
    mask[1, 6:] = 0
    start = torch.randn(2, 9, 6, dtype=torch.double) * mask
    target = torch.randn(2, 9, 6, dtype=torch.double)
    gradients = []
    for exact in (True, False):
        ops.zero_grad()
        x = start.clone().requires_grad_()
        alpha = torch.linspace(-1, 1, len(NAMES), dtype=torch.double).requires_grad_()
        draw = draw_of(alpha, seed=seed)
        if exact:
            with torch.no_grad():
                outputs = dict(enumerate(op(x, mask) for op in ops))
            out = mix(draw, ops[draw.index](x, mask), outputs)
        else:
            out = plain(ops, draw, x, mask)
        ((out - target).square() * mask).sum().backward()
        leaves = [alpha, x, *ops.parameters()]  # no gradient at all means zero
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in leaves]
        gradients.append([out.detach(), *grads])
    for ours, formula in zip(*gradients, strict=True):
        assert torch.allclose(ours, formula, atol=1e-10)
    assert gradients[0][1].abs().sum() > 0


def test_sampled_estimator_keeps_the_value_and_feeds_only_the_drawn_probability():
    soft = torch.tensor([0.2, 0.7, 0.1], requires_grad=True)
    chosen = torch.tensor([2.0, 3.0])
    out = mix(Draw(1, soft), chosen, {1: chosen})
    assert torch.equal(out, chosen)
    out.sum().backward()
    assert soft.grad.tolist() == [0.0, 5.0, 0.0]  # sum of the chosen op's output


def test_all_layers_share_one_draw(make_search):
    search = make_search()
    draws = search.resample()
    layers = [m for m in search.modules() if isinstance(m, StraightThroughLayer)]
    assert len(layers) == 3 * 9  # K_max cells of nine edges
    assert len(draws) == 9 + 1
    for layer in layers:
        assert layer.draw is draws[layer.label]


def test_forward_without_a_draw_is_refused(make_space):
    from adabert_nni.search.strategy import AdaBertStrategy

    space = AdaBertStrategy().mutate_model(make_space())
    with pytest.raises(RuntimeError, match="resample"):
        space(torch.tensor([[5, 6]]))


def test_what_stands_for_a_draw_backward_does_not_change_what_is_drawn():
    alpha = torch.tensor([0.5, -1.0, 2.0, 0.0])
    draws = {}
    for relaxation in ("gumbel", "mean"):
        sampler = GumbelSampler(0.3, relaxation)
        sampler.generator.manual_seed(5)
        draws[relaxation] = [sampler.draw(alpha) for _ in range(50)]
    assert [d.index for d in draws["gumbel"]] == [d.index for d in draws["mean"]]
    assert all(torch.allclose(d.soft, alpha.softmax(0)) for d in draws["mean"])


def gradients_of_draws(relaxation, tau, count=400):
    """Of a loss that is linear in the one-hot draw, to P_alpha, (count, 4); and of its expectation, (4,)."""
    costs, sampler = torch.tensor([3.0, 1.0, 4.0, 1.5]), GumbelSampler(tau, relaxation)
    sampler.generator.manual_seed(0)
    found = []
    for _ in range(count):
        alpha = torch.tensor([0.2, -0.4, 0.0, 0.3], requires_grad=True)
        (sampler.draw(alpha).straight_through() * costs).sum().backward()
        found.append(alpha.grad)
    true = torch.tensor([0.2, -0.4, 0.0, 0.3], requires_grad=True)
    (true.softmax(0) * costs).sum().backward()
    return torch.stack(found), true.grad


def test_the_mean_gives_the_gradient_of_the_expected_loss_at_every_draw():
    found, true = gradients_of_draws("mean", tau=0.2)
    assert torch.allclose(found, true.expand_as(found), atol=1e-6)


def test_the_soft_sample_of_a_draw_is_the_noisier_the_lower_its_temperature():
    noise = [gradients_of_draws("gumbel", tau)[0].std(0).mean() for tau in (1.0, 0.45, 0.2)]
    assert 0 < noise[0] < noise[1] < noise[2]
