"""Multipliers of hard targets: what a missed target costs the search rises until the search keeps it.

An exact penalty: for each target the loss gets the multiplier times what the expected student exceeds it by. A
target that is met pushes nowhere, so that its whole budget may be used. T targets.
"""

import math

import torch
from torch import Tensor, nn

# A target that is missed by its own size, and comes no nearer, during the whole search ends with this multiplier.
PACE = 10.0
NEARER = 3.0  # what is left of an excess that falls just fast enough is e^-3 of it after the whole search


class Multipliers(nn.Module):
    """One per target, >= 0, saved with the search.

    Attributes:
        values: (T,), zeros at the start.
        least: (T,), the least by which each target was missed so far.
    """

    values: Tensor
    least: Tensor

    def __init__(self, count: int) -> None:
        """Start with ``count`` targets of which none costs anything."""
        super().__init__()
        self.register_buffer("values", torch.zeros(count))
        self.register_buffer("least", torch.full((count,), math.inf))

    def forward(self, excess: Tensor) -> Tensor:
        """The term of the loss, a scalar >= 0, for the targets' ``excess``, (T,)."""
        return (self.values * excess.clamp(min=0)).sum()

    @torch.no_grad()
    def ascend(self, excess: Tensor, steps: int) -> None:
        """Raise the multiplier of a target that is missed, unless its excess falls fast enough.

        While it does the multiplier is large enough: P_alpha goes at its own pace, and a multiplier
        that grew all the while would drown the loss by the time the target is met.

        Args:
            excess: by what share each target is missed (> 0) or met, (T,).
            steps: how often this is done in the whole search, > 0.
        """
        stuck = (excess > 0) & (excess > (1 - NEARER / steps) * self.least)
        self.values.add_(PACE / steps * excess * stuck)
        self.least.copy_(torch.minimum(self.least, excess.clamp(min=0)))
