"""Straight-through choices: what replaces NNI's ``LayerChoice`` and ``InputChoice`` in the supernet.

What a draw is and how its gradient is found is in ``gumbel``. Shapes: n candidates; op outputs (B, L, D) or logits
(B, C).
"""

from typing import Any

import torch
from nni.nas.nn.pytorch import InputChoice, LayerChoice
from nni.nas.oneshot.pytorch.supermodule.base import BaseSuperNetModule
from torch import Tensor, nn

from adabert_nni.model.architecture import ZERO
from adabert_nni.precision import computing
from adabert_nni.search.gumbel import Draw, GumbelSampler, mix

ESTIMATORS = ("exact", "sampled")


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
        precision: str = "float32",
    ) -> None:
        """Choose among ``candidates`` with logits ``alpha`` (n,).

        While training they compute in ``precision``; states are float32.
        """
        super().__init__(candidates, label=label)
        self._share(alpha, sampler, estimator)
        self.precision = precision

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D), (B, L, 1) -> (B, L, D); without grad mode only the chosen op runs."""
        draw = self.current()
        with computing(self.precision if self.training else "float32", x.device):
            chosen = self[self.names[draw.index]](x, mask)
            if not torch.is_grad_enabled() or not draw.soft.requires_grad:
                return chosen.to(x.dtype)
            outputs = {draw.index: chosen.detach()}
            if self.estimator == "exact":
                outputs |= self._others(draw.index, x, mask)
        return mix(draw, chosen.to(x.dtype), outputs)

    @torch.no_grad()
    def _others(self, chosen: int, x: Tensor, mask: Tensor | None) -> dict[int, Tensor]:
        """Outputs of all candidates but the chosen one, and but zeros, without a graph."""
        return {
            index: self[name](x, mask)
            for index, name in enumerate(self.names)
            if index != chosen and name != ZERO
        }

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
        wanted = range(len(candidate_inputs)) if self.estimator == "exact" else [draw.index]
        return mix(draw, chosen, {index: candidate_inputs[index].detach() for index in wanted})

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
