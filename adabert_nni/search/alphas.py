"""P_alpha of a supernet: its distributions, the student that they say, and the path that the supernet takes.

The part of the Lightning module that no training step is in. Shapes: E edges, O ops.
"""

from collections.abc import Mapping
from typing import Any

import torch
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor, nn

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.search.gumbel import Draw
from adabert_nni.search.settings import Settings
from adabert_nni.search.space import DEPTH, AdaBertSpace, edge_label
from adabert_nni.search.targets import most_probable


class AlphaModule(BaseOneShotLightningModule):
    """A one-shot module whose choices draw from P_alpha."""

    model: AdaBertSpace
    settings: Settings

    def alphas(self) -> dict[str, nn.Parameter]:
        """Logits of every distribution by label, edges first."""
        return self.settings.alphas

    def distributions(self) -> tuple[Tensor, Tensor]:
        """P_alpha: of the edges (E, O), and of the depths (K_max,), with a graph."""
        probs = {label: alpha.softmax(0) for label, alpha in self.alphas().items()}
        return torch.stack([probs[edge_label(edge)] for edge in self.model.edges]), probs[DEPTH]

    def excess(self) -> Tensor:
        """How far the expected student lies above each target, as shares of it, (targets,)."""
        targets = self.settings.targets
        if not targets:
            return self.alphas()[DEPTH].new_zeros(0)
        edges, depths = self.distributions()
        return torch.stack([target.excess(edges, depths) for target in targets])

    def export(self) -> dict[str, Any]:
        """NNI's flat sample of the most probable student that keeps all targets.

        Returns:
            ``{"edge_0_2": op, ..., "depth": [K - 1]}``; without targets the argmax of each distribution.

        Raises:
            AdaBertError: if no student keeps them.
        """
        probs = self.export_probs()
        edges = {edge: probs[edge_label(edge)] for edge in self.model.edges}
        found = most_probable(edges, list(probs[DEPTH].values()), self.settings.targets)
        if found is None:
            limits = ", ".join(f"{t.key} {t.limit}" for t in self.settings.targets) or "no limit"
            raise AdaBertError(
                f"search: no student that reads its input keeps {limits}; allow more, or more ops"
            )
        return found.to_sample()

    @torch.no_grad()
    def follow(self, sample: Mapping[str, Any]) -> None:
        """Let all choices take the path of NNI's flat ``sample`` until the next draw."""
        found = Architecture.from_sample(sample)
        taken = {edge_label(edge): self.model.ops.index(op) for edge, op in found.edges.items()}
        taken[DEPTH] = found.depth - 1
        memo = {}
        for label, alpha in self.alphas().items():
            certain = torch.zeros_like(alpha)
            certain[taken[label]] = 1.0
            memo[label] = Draw(taken[label], certain)
        for choice in self.supernet_modules():
            choice.resample(memo)

    def configure_architecture_optimizers(self) -> torch.optim.Optimizer:
        """Adam for P_alpha."""
        settings = self.settings
        parameters = list(self.alphas().values())
        return torch.optim.Adam(
            parameters, lr=settings.alpha_lr, weight_decay=settings.alpha_weight_decay
        )

    def postprocess_weight_optimizers(self, optimizers: Any) -> Any:
        """Take P_alpha out of the optimizer of the weights."""
        architecture = {id(alpha) for alpha in self.alphas().values()}
        for group in optimizers[0][0].param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in architecture]
        return optimizers
