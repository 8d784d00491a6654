"""Which steps of a search move P_alpha, and how far they have come: counts of steps, no tensor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The steps of one search.

    Attributes:
        warmup: epochs at the start in which only the weights move.
        steps: of an epoch, >= 1.
        total: of the whole search.
        held: of an epoch, those whose rows P_alpha alone learns from; 0: every step moves both.
    """

    warmup: int
    steps: int
    total: int
    held: int = 0

    def searches(self, epoch: int) -> bool:
        """Whether an epoch, from 0, moves P_alpha at all."""
        return epoch >= self.warmup

    def progress(self, epoch: int, step: int) -> float:
        """The share of the steps after the warm-up that lie before this one; 0 in the warm-up."""
        first = self.warmup * self.steps
        return max(epoch * self.steps + step - first, 0) / max(self.total - first - 1, 1)

    def moving(self) -> int:
        """How many steps move P_alpha."""
        after = self.total - self.warmup * self.steps
        return after * self.held // self.steps if self.held else after
