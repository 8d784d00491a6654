"""The wiring of one cell, and the readout of a layer. Ops are passed in: supernet and student share this.

Shapes: B batch, L tokens, D channels, N nodes, C classes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .ops import lowest


class Cell(nn.Module):
    """A directed acyclic graph over two input states and N nodes (paper, section 2.2 and figure 2)."""

    def __init__(self, nodes: int, dim: int, edges: Mapping[str, nn.Module]) -> None:
        """Wire ``edges`` (``{"i_j": module}``) over ``dim`` channels; an absent edge carries nothing."""
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleDict(edges)
        self.node_logits = nn.Parameter(torch.zeros(nodes))  # attention over nodes, before softmax
        # Sums over skips and pools grow from cell to cell (nothing normalises them, unlike
        # convolutions); without this norm the losses of a supernet of eight cells explode.
        self.norm = nn.LayerNorm(dim)

    def forward(self, before: Tensor, last: Tensor, mask: Tensor) -> Tensor:
        """Compute c_k from c_{k-2} and c_{k-1}.

        Args:
            before: c_{k-2}, (B, L, D), zero at padding.
            last: c_{k-1}, (B, L, D), zero at padding.
            mask: 1.0 at real tokens, 0.0 at padding, (B, L, 1).

        Returns:
            c_k, (B, L, D), zero at padding.
        """
        # Many batches of rows of like length have no padding. Asked in training only, since an exported
        # graph must not depend on the batch that it was traced with.
        padded = None if self.training and bool(mask.all()) else mask
        states = [before, last]
        for target in range(2, self.nodes + 2):
            incoming = [
                self.edges[f"{source}_{target}"](state, padded)
                for source, state in enumerate(states)
                if f"{source}_{target}" in self.edges
            ]
            states.append(_wiped(_total(incoming), padded) if incoming else torch.zeros_like(last))
        weights = self.node_logits.softmax(0)
        output = [weight * state for weight, state in zip(weights, states[2:], strict=True)]
        return _wiped(self.norm(_total(output)), padded)


def _total(parts: list[Tensor]) -> Tensor:
    return sum(parts[1:], start=parts[0])  # from 0 it would copy the first


def _wiped(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


class Readout(nn.Module):
    """Attentive sum of a layer's tokens, and a linear head on it: the probe of a student layer."""

    def __init__(self, dim: int, num_labels: int, dropout: float) -> None:
        """Build a head from ``dim`` channels to ``num_labels`` logits."""
        super().__init__()
        self.score = nn.Linear(dim, 1, bias=False)  # the softmax over tokens would cancel a bias
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dim, num_labels)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L, 1) -> logits (B, C)."""
        scores = self.score(state)
        weights = scores.masked_fill(mask == 0, lowest(scores)).softmax(1)
        return self.head(self.dropout((weights * state).sum(1)))
