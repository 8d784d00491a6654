"""Straight-through choices: what replaces NNI's ``LayerChoice`` and ``InputChoice`` in the supernet.

Forward is one-hot, backward is soft (paper, section 2.5.2, equation 6). Shapes: n candidates; op outputs
(B, L, D) or logits (B, C).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from nni.nas.nn.pytorch import InputChoice, LayerChoice
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn

ESTIMATORS = ("exact", "sampled")


@dataclass(frozen=True)
class Draw:
    """One sample of one choice.

    Attributes:
        index: the chosen candidate, argmax of ``soft``.
        soft: relaxed sample y, (n,), sums to 1, with a graph to P_alpha.
    """

    index: int
    soft: Tensor

    def straight_through(self) -> Tensor:
        """One-hot in value, soft in gradient, (n,)."""
        hard = torch.zeros_like(self.soft)
        hard[self.index] = 1.0
        return hard + self.soft - self.soft.detach()


class GumbelSampler:
    """Draws relaxed one-hot samples, equation (6), from a generator of its own.

    Attributes:
        tau: temperature > 0; towards 0 the soft sample becomes one-hot.
        greedy: take argmax of P_alpha instead of sampling, to evaluate what would be derived.
    """

    def __init__(self, tau: float) -> None:
        """Start at temperature ``tau`` with a generator that the owner seeds."""
        self.tau = tau
        self.greedy = False
        self.generator = torch.Generator()  # on the CPU, so that every device draws the same

    def draw(self, alpha: Tensor) -> Draw:
        """Sample from softmax(alpha), alpha (n,)."""
        if self.greedy:
            index = int(alpha.argmax())
            return Draw(index, nn.functional.one_hot(torch.tensor(index), len(alpha)).to(alpha))
        uniform = torch.rand(len(alpha), generator=self.generator).clamp(1e-10, 1 - 1e-7)
        noise = -(-uniform.log()).log()
        soft = ((alpha.log_softmax(0) + noise.to(alpha.device)) / self.tau).softmax(0)
        return Draw(int(soft.argmax()), soft)


class _StraightThrough(torch.autograd.Function):
    """out = chosen; d out / d y_i = op_i(x). See ``mix``."""

    @staticmethod
    def forward(ctx: Any, soft: Tensor, chosen: Tensor, *outputs: Tensor) -> Tensor:
        ctx.save_for_backward(*outputs)
        return chosen.view_as(chosen)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        flat = grad.reshape(-1)
        to_soft = torch.stack([flat.dot(output.reshape(-1)) for output in ctx.saved_tensors])
        return (to_soft, grad, *(None for _ in ctx.saved_tensors))


def mix(draw: Draw, chosen: Tensor, outputs: Sequence[Tensor]) -> Tensor:
    """Exact straight-through mixture: chosen + sum_i (y_i - sg(y_i)) sg(op_i(x)).

    The sum is zero in value, so only its gradient <g, op_i(x)> to y_i is computed.

    Args:
        draw: the sample of this step.
        chosen: output of the chosen candidate, with a graph.
        outputs: outputs of all n candidates in order, without a graph.

    Returns:
        A tensor shaped like ``chosen``.
    """
    return _StraightThrough.apply(draw.soft, chosen, *outputs)


def scale(draw: Draw, chosen: Tensor) -> Tensor:
    """The sampled estimator (GDAS, arXiv:1910.04465): chosen * (1 - sg(y_s) + y_s); only y_s gets a gradient."""
    weight = draw.soft[draw.index]
    return chosen * (1 - weight.detach() + weight)


class _SharedChoice(BaseSuperNetModule):
    """What both choices share: one parameter and one draw per label, however many modules carry it."""

    alpha: nn.Parameter
    draw: Draw | None
    sampler: GumbelSampler
    estimator: str
    label: str

    def _share(self, alpha: nn.Parameter, sampler: GumbelSampler, estimator: str) -> None:
        self.alpha = alpha
        self.sampler = sampler
        self.estimator = estimator
        self.draw = None

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        """Take the draw that the memo has for this label, or draw it."""
        known = memo.get(self.label)
        self.draw = known if known is not None else self.sampler.draw(self.alpha)
        return {} if known is not None else {self.label: self.draw}

    def current(self) -> Draw:
        """The draw of this step.

        Returns:
            What ``resample`` left here, shared by all choices with this label.

        Raises:
            RuntimeError: if ``resample`` was not called.
        """
        if self.draw is None:
            raise RuntimeError(
                f"choice {self.label!r} has no draw; call resample() before forward()"
            )
        return self.draw

    def arch_parameters(self) -> list[nn.Parameter]:
        """The logits of this choice's distribution, for NNI's optimizer split."""
        return [self.alpha]


class StraightThroughLayer(LayerChoice, _SharedChoice):
    """An edge of the supernet."""

    def __init__(
        self,
        candidates: dict[str, nn.Module],
        label: str,
        alpha: nn.Parameter,
        sampler: GumbelSampler,
        estimator: str,
    ) -> None:
        """Choose among ``candidates`` with logits ``alpha`` (n,)."""
        super().__init__(candidates, label=label)
        self._share(alpha, sampler, estimator)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L, 1) -> (B, L, D); without grad mode only the chosen op runs."""
        draw = self.current()
        chosen = self[self.names[draw.index]](x, mask)
        if not torch.is_grad_enabled() or not draw.soft.requires_grad:
            return chosen
        if self.estimator == "sampled":
            return scale(draw, chosen)
        with torch.no_grad():
            outputs = [
                chosen.detach() if i == draw.index else self[name](x, mask)
                for i, name in enumerate(self.names)
            ]
        return mix(draw, chosen, outputs)

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """{label: name of the most probable op}."""
        return {} if self.label in memo else {self.label: self.names[int(self.alpha.argmax())]}

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """{label: {op: probability}}, the plain softmax without noise."""
        if self.label in memo:
            return {}
        return {self.label: dict(zip(self.names, self.alpha.softmax(0).tolist(), strict=True))}


class StraightThroughInput(InputChoice, _SharedChoice):
    """The depth of the supernet: picks one layer's logits."""

    def __init__(
        self,
        n_candidates: int,
        label: str,
        alpha: nn.Parameter,
        sampler: GumbelSampler,
        estimator: str,
    ) -> None:
        """Choose among ``n_candidates`` layers with logits ``alpha`` (n,)."""
        super().__init__(n_candidates, n_chosen=1, label=label)
        self._share(alpha, sampler, estimator)

    def forward(self, candidate_inputs: list[Tensor]) -> Tensor:
        """Logits of the layers (B, C) each -> those of the drawn layer.

        The sampled estimator needs no layer after the drawn one, the exact one needs all.
        """
        draw = self.current()
        chosen = candidate_inputs[draw.index]
        if not torch.is_grad_enabled() or not draw.soft.requires_grad:
            return chosen
        if self.estimator == "sampled":
            return scale(draw, chosen)
        return mix(draw, chosen, [logits.detach() for logits in candidate_inputs])

    def export(self, memo: dict[str, Any]) -> dict[str, Any]:
        """{label: [index of the most probable layer]}."""
        return {} if self.label in memo else {self.label: [int(self.alpha.argmax())]}

    def export_probs(self, memo: dict[str, Any]) -> dict[str, Any]:
        """{label: {layer index: probability}}, the plain softmax without noise."""
        return (
            {}
            if self.label in memo
            else {self.label: dict(enumerate(self.alpha.softmax(0).tolist()))}
        )
