"""How good a step's gradient to P_alpha is: does it point to the ops that are better, and how much of it is noise?

In a trained supernet, with all ops equally probable and the depth fixed. What an op is worth is told by the losses
of many drawn paths, on rows that the weights learn from and on rows that nothing does; what the straight-through
gradient says of it, by many steps. Shapes: E edges, O ops, N steps, M paths.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, cast

import torch
from torch import Tensor

from adabert_nni.config import SearchConfig
from adabert_nni.data.batches import Batch
from adabert_nni.progress import progress
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.gumbel import CERTAIN
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.space import DEPTH
from adabert_nni.search.strategy import AdaBertStrategy
from adabert_nni.search.supernet import StraightThroughLayer
from adabert_nni.search.task import TaskShape, build_space
from adabert_nni.spaces import SpaceConfig

RIDGE = 1.0  # paths of no effect, for an op that was hardly drawn


@dataclass(frozen=True)
class Observed:
    """What was seen of a supernet.

    Attributes:
        effects: by how much the loss of a path with this op on this edge lies above the mean, (E, O).
        unseen: the same of the task loss on rows that nothing learnt from, (E, O).
        towards: <g, op_i(x)>, the gradient to what stands for the draw, of each step (N, E, O).
        soft: the soft sample of each step at temperature 1, (N, E, O).
    """

    effects: Tensor
    unseen: Tensor
    towards: Tensor
    soft: Tensor

    def gradient(self, relaxation: str, tau: float) -> Tensor:
        """The gradient to the logits of P_alpha that each step would have given, (N, E, O)."""
        if relaxation == "mean":
            stands, scale = torch.full_like(self.soft, 1 / self.soft.shape[-1]), 1.0
        else:
            stands, scale = (self.soft.log() / tau).softmax(-1), 1 / tau
        mean = (stands * self.towards).sum(-1, keepdim=True)
        return scale * stands * (self.towards - mean)


def search_module(
    space: SpaceConfig,
    task: TaskShape,
    settings: SearchConfig,
    weights: Mapping[str, Tensor],
    depth: int,
    costs: Mapping[str, float] | None = None,
) -> AdaBertModule:
    """A finished search's supernet, ready to draw paths of ``depth`` layers, all ops being as probable.

    Args:
        space: the architecture space.
        task: what the supernet is for.
        settings: those of the search.
        weights: of the supernet's body.
        depth: K of all paths, from 1.
        costs: of each op in equation (5), as the search had them; None takes SIZE + FLOPs.

    Returns:
        The module, in training mode.
    """
    strategy = AdaBertStrategy(gamma=settings.gamma, beta=settings.beta, tau_start=1.0, costs=costs)
    evaluator = SearchModule.of(settings, 1, task.problem)
    evaluator.set_model(strategy.mutate_model(build_space(space, task)))
    module = AdaBertModule(evaluator, strategy)
    module.model.body.load_state_dict(weights, strict=False)
    with torch.no_grad():
        strategy.alphas[DEPTH][depth - 1] = CERTAIN
    return module.train()


def observe(
    module: AdaBertModule,
    batches: Sequence[Batch],
    unseen: Sequence[Batch],
    *,
    paths: int,
    steps: int,
    seed: int,
) -> Observed:
    """Draw ``paths`` for what ops are worth and take ``steps`` without moving anything.

    Args:
        module: what ``search_module`` gives.
        batches: rows joined with the probe table; gone through in turns.
        unseen: labelled rows that nothing learnt from, likewise.
        paths: M, some ten for each op of an edge at least.
        steps: N >= 2.
        seed: of the draws and of dropout.

    Returns:
        What ``Observed`` says.
    """
    torch.manual_seed(seed)
    module.settings.sampler.generator.manual_seed(seed)
    effects = _effects(module, batches, paths, _loss)
    elsewhere = _effects(module, unseen, paths, _task_loss)
    towards, soft = (torch.zeros(steps, *effects.shape) for _ in range(2))
    for step, batch in enumerate(progress(islice(cycle(batches), steps), steps, "gradients")):
        loss = _loss(module, batch)
        samples = [choice.current().soft for choice in _choices(module)]
        for edge, grad in enumerate(torch.autograd.grad(loss, samples)):
            towards[step, edge], soft[step, edge] = grad, samples[edge].detach()
    return Observed(effects, elsewhere, towards, soft)


def effects_of(drawn: Tensor, losses: Tensor) -> Tensor:
    """The additive part of the losses of M paths: what each op on each edge adds, centred by edge, (E, O).

    Args:
        drawn: one-hot, (M, E, O).
        losses: (M,).

    Returns:
        The solution of a ridge regression.
    """
    table = drawn.flatten(1)
    gram = table.T @ table + RIDGE * torch.eye(table.shape[1])
    effects = torch.linalg.solve(gram, table.T @ losses).view(drawn.shape[1:])
    return effects - effects.mean(1, keepdim=True)


def quality(gradients: Tensor, effects: Tensor, unseen: Tensor) -> dict[str, float]:
    """How good the gradients of N steps are.

    Args:
        gradients: to the logits of P_alpha, (N, E, O).
        effects: of the ops on the loss, (E, O).
        unseen: of the ops on the task loss of rows that nothing learnt from, (E, O).

    Returns:
        ``correlation`` of the mean gradient with the effects, and with those ``unseen``; ``signal``, its length
        over one step's deviation, less what of it is left noise: 1 / signal^2 steps are worth one without noise.
    """
    mean, variance = gradients.mean(0), gradients.var(0)
    square = (mean.square() - variance / len(gradients)).sum().clamp(min=0)
    return {
        "correlation": _correlation(mean, effects),
        "unseen": _correlation(mean, unseen),
        "signal": float((square / variance.sum().clamp_min(1e-30)).sqrt()),
    }


def _correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


@torch.no_grad()
def _effects(
    module: AdaBertModule,
    batches: Sequence[Batch],
    paths: int,
    loss_of: Callable[[AdaBertModule, Batch], Tensor],
) -> Tensor:
    losses = torch.zeros(paths)
    drawn = torch.zeros(paths, len(module.model.edges), len(module.model.ops))
    for path, batch in enumerate(progress(islice(cycle(batches), paths), paths, "paths")):
        losses[path] = loss_of(module, batch)
        for edge, choice in enumerate(_choices(module)):
            drawn[path, edge, choice.current().index] = 1.0
    # That one batch is harder than another says nothing of paths.
    for number in range(len(batches)):
        losses[number :: len(batches)] -= losses[number :: len(batches)].mean()
    return effects_of(drawn, losses)


def _loss(module: AdaBertModule, batch: Batch) -> Tensor:
    return module.weighed(module.loss_terms(batch))


def _task_loss(module: AdaBertModule, batch: Batch) -> Tensor:
    module.resample()
    logits = module.model(batch["input_ids"], batch["attention_mask"])
    return module.training_module.problem.task_loss(logits, batch["labels"])


def _choices(module: AdaBertModule) -> list[StraightThroughLayer]:
    """One choice of each edge; those of all layers share its draw."""
    edges: Any = module.model.body.cells[0].edges
    return [cast(StraightThroughLayer, edges[edge]) for edge in module.model.edges]
