"""Facts of the steps that are compared: both move weights and P_alpha, ours at the depth that is asked."""

import pytest
import torch
from nni.nas.oneshot.pytorch.differentiable import GumbelDartsLightningModule

from adabert_nni.model.ops import ConvBlock
from adabert_nni.search.step_parts import StepSize
from adabert_nni.search.steps import STEPS, build_step, spread_depths
from adabert_nni.search.supernet import StraightThroughLayer
from adabert_nni.spaces import SpaceConfig

SIZE = {"batch": 4, "length": 6, "max_depth": 2, "dim": 8, "vocab_size": 30}


def small(row, **changes):
    return build_step(row, StepSize(**{**SIZE, **changes}))


def logits_of(step):
    """P_alpha by name, and the other parameters."""
    named = dict(step.module.named_parameters())
    alphas = {name: p for name, p in named.items() if "alpha" in name}
    return alphas, {name: p for name, p in named.items() if name not in alphas}


@pytest.mark.parametrize("row", STEPS)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_moves_weights_and_p_alpha_and_both_stay_float32(row, precision):
    step = small(row, precision=precision)
    moved = []
    for optimizer in step.module.trainer.optimizers:
        optimizer.register_step_post_hook(lambda *args, of=optimizer: moved.append(of))
    before = {name: p.detach().clone() for name, p in step.module.named_parameters()}
    step(depth=2)
    assert len(set(map(id, moved))) == len(moved) == 2  # each optimizer once
    alphas, weights = logits_of(step)
    assert any(not torch.equal(weights[name], before[name]) for name in weights)
    assert all(p.grad is not None for p in alphas.values())
    assert {p.dtype for p in [*alphas.values(), *weights.values()]} == {torch.float32}
    assert {p.grad.dtype for p in step.module.parameters() if p.grad is not None} == {torch.float32}


def test_the_peer_is_nnis_own_and_trains_every_candidate_at_every_depth():
    step = small("nni-gumbel-darts")
    assert type(step.module) is GumbelDartsLightningModule
    assert (step.passes, step.depths) == (2, (2,))
    step(depth=2)
    convolutions = [m for m in step.module.modules() if isinstance(m, ConvBlock)]
    assert len(convolutions) == 2 * 9 * 6  # layers, edges, convolutions among the ops
    assert all(block.conv.weight.grad.abs().sum() > 0 for block in convolutions)


@pytest.mark.parametrize("row", ["adabert-exact", "adabert-sampled"])
def test_ours_draws_the_depth_that_is_asked_and_another_op_on_each_edge(row):
    step = small(row)
    assert (step.passes, step.depths) == (1, (1, 2))
    left_out = set()
    for depth in step.depths:
        step(depth)
        assert step.module.model.depth.draw.index == depth - 1
        layers = [m for m in step.module.modules() if isinstance(m, StraightThroughLayer)]
        drawn = {m.label: m.names[m.draw.index] for m in layers}
        assert len(set(drawn.values())) == len(drawn) == 9
        left_out |= set(SpaceConfig.load("paper").ops) - set(drawn.values())
    assert len(left_out) == 2


@pytest.mark.parametrize("most", range(1, 25))
def test_the_depths_that_are_timed_cost_on_average_what_all_do(most):
    depths = spread_depths(most)
    assert sum(depths) / len(depths) == (1 + most) / 2  # a step's cost is a line in K
    assert depths == tuple(sorted(set(depths)))
    assert (depths[0], depths[-1], len(depths)) == (1, most, min(most, 4))


@pytest.mark.parametrize("row", STEPS)
def test_in_bf16_the_convolutions_and_nothing_of_ours_outside_the_edges_are_bf16(row):
    step = small(row, precision="bf16")
    seen = {"conv": set(), "state": set(), "logits": set()}
    for name, module in step.module.named_modules():
        if isinstance(module, ConvBlock):
            module.register_forward_hook(lambda m, i, out: seen["conv"].add(out.dtype))
        if isinstance(module, StraightThroughLayer):
            module.register_forward_hook(lambda m, i, out: seen["state"].add(out.dtype))
        if ".readouts." in name and name.endswith("head"):
            module.register_forward_hook(lambda m, i, out: seen["logits"].add(out.dtype))
    step(depth=2)
    assert seen["conv"] == {torch.bfloat16}
    if row != "nni-gumbel-darts":
        assert seen["state"] == seen["logits"] == {torch.float32}


def test_a_supernet_that_trains_in_bf16_is_scored_in_float32():
    step = small("adabert-exact", precision="bf16")
    seen = set()
    for module in step.module.modules():
        if isinstance(module, ConvBlock):
            module.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    step(depth=2)
    assert seen == {torch.bfloat16}
    seen.clear()
    step.module.eval()
    with torch.no_grad():
        list(
            step.module.model.body.layer_logits(
                step.batch["input_ids"], step.batch["attention_mask"]
            )
        )
    assert seen == {torch.float32}


def test_fewer_rows_can_be_asked_for():
    step = small("adabert-sampled")
    seen = []
    step.module.model.body.embeddings.register_forward_hook(lambda m, i, out: seen.append(len(out)))
    step(depth=1, rows=2)
    step(depth=1)
    assert seen == [2, 4]
