"""Multipliers of hard targets: what a missed target costs the search rises until the search keeps it.

Gradient ascent on the Lagrangian of "least loss such that no target is missed". T targets.
"""

import torch
from torch import Tensor, nn

# A target that is missed by its own size during the whole search ends with this multiplier. Where that turns
# out too much, the multiplier falls again as soon as the target is met.
PACE = 10.0


class Multipliers(nn.Module):
    """One per target, >= 0, saved with the search.

    Attributes:
        values: (T,), zeros at the start.
    """

    values: Tensor

    def __init__(self, count: int) -> None:
        """Start with ``count`` targets of which none costs anything."""
        super().__init__()
        self.register_buffer("values", torch.zeros(count))

    def forward(self, excess: Tensor) -> Tensor:
        """The term of the loss, a scalar, for the targets' ``excess``, (T,)."""
        return (self.values * excess).sum()

    @torch.no_grad()
    def ascend(self, excess: Tensor, steps: int) -> None:
        """Raise the multiplier of a target that is missed, lower one that is met, never below 0.

        Args:
            excess: by what share each target is missed (> 0) or met, (T,).
            steps: how often this is done in the whole search, > 0.
        """
        self.values.add_(PACE / steps * excess).clamp_(min=0)
