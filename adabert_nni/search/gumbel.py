"""Gumbel straight-through: a draw that is one-hot forward and soft backward (paper, section 2.5.2, equation 6).

What stands for the draw backward is a choice. ``gumbel`` is the paper's, the draw's own soft sample, whose
gradient is the noisier the lower the temperature. ``mean`` is P_alpha, the mean of all draws (as in Bengio et al.,
arXiv:1308.3432): the draws are the same, and a logit's gradient is p_i (<g, op_i(x)> - sum_k p_k <g, op_k(x)>).

Knows tensors alone, no space and no module: what is drawn for, and who computes the candidates, is the supernet's.
Shapes: n candidates; their outputs (B, L, D) or logits (B, C).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

RELAXATIONS = ("gumbel", "mean")
CERTAIN = 50.0  # a logit that no Gumbel noise overrules: that lies between -4 and 17


@dataclass(frozen=True)
class Draw:
    """One sample of one choice.

    Attributes:
        index: the chosen candidate.
        soft: what stands for the draw backward, y, (n,), sums to 1, with a graph to P_alpha.
    """

    index: int
    soft: Tensor

    def straight_through(self) -> Tensor:
        """One-hot in value, soft in gradient, (n,)."""
        hard = torch.zeros_like(self.soft)
        hard[self.index] = 1.0
        return hard + self.soft - self.soft.detach()


class GumbelSampler:
    """Draws one-hot samples of P_alpha from a generator of its own; neither attribute changes which.

    Attributes:
        tau: temperature of equation (6), > 0; towards 0 its soft sample becomes one-hot. ``mean`` has none.
        relaxation: one of ``RELAXATIONS``, what stands for a draw backward.
    """

    def __init__(self, tau: float, relaxation: str = "gumbel") -> None:
        """Start at temperature ``tau`` with a generator that the owner seeds."""
        self.tau, self.relaxation = tau, relaxation
        self.generator = torch.Generator()  # on the CPU, so that every device draws the same

    def draw(self, alpha: Tensor) -> Draw:
        """Sample from P_alpha = softmax(alpha), alpha (n,)."""
        uniform = torch.rand(len(alpha), generator=self.generator).clamp(1e-10, 1 - 1e-7)
        noise = -(-uniform.log()).log()
        logs = alpha.log_softmax(0)
        noisy = logs + noise.to(alpha.device)
        soft = logs.exp() if self.relaxation == "mean" else (noisy / self.tau).softmax(0)
        return Draw(int(noisy.argmax()), soft)


def anneal(start: float, end: float, progress: float) -> float:
    """Exponential path from ``start`` (> 0) to ``end`` (> 0) as ``progress`` goes from 0 to 1."""
    return start * (end / start) ** min(max(progress, 0.0), 1.0)


class _StraightThrough(torch.autograd.Function):
    """out = chosen; d out / d y_i = op_i(x) for the candidates that are given. See ``mix``."""

    @staticmethod
    def forward(
        ctx: Any, soft: Tensor, chosen: Tensor, indices: list[int], *outputs: Tensor
    ) -> Tensor:
        ctx.indices = indices
        ctx.save_for_backward(soft, *outputs)
        return chosen.view_as(chosen)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), (soft, *outputs) = grads, ctx.saved_tensors
        flat, to_soft = grad.reshape(-1), torch.zeros_like(soft)
        for index, output in zip(ctx.indices, outputs, strict=True):
            to_soft[index] = flat.dot(output.reshape(-1).to(flat.dtype))
        return (to_soft, grad, None, *(None for _ in outputs))


def mix(draw: Draw, chosen: Tensor, outputs: Mapping[int, Tensor]) -> Tensor:
    """Straight-through mixture: chosen + sum_i (y_i - sg(y_i)) sg(op_i(x)).

    The sum is zero in value, so only its gradient <g, op_i(x)> to y_i is computed. With all candidates it
    is exact; with the chosen one alone it is the sampled estimator (GDAS, arXiv:1910.04465),
    chosen * (1 - sg(y_s) + y_s).

    Args:
        draw: the sample of this step.
        chosen: output of the chosen candidate, with a graph.
        outputs: outputs of candidates without a graph, by index; one that is left out gives its y_i no
            gradient, as zeros would.

    Returns:
        A tensor shaped like ``chosen``.
    """
    return _StraightThrough.apply(draw.soft, chosen, list(outputs), *outputs.values())
