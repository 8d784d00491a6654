"""What the Lightning module of a search reads of the strategy that made it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor, nn

from adabert_nni.search.gumbel import GumbelSampler
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.search.targets import Target


class Settings(Protocol):
    """What a module reads of the strategy that made it; see there what each means."""

    gamma: float
    beta: float
    estimator: str
    tau_start: float
    tau_end: float
    alpha_lr: float
    alpha_weight_decay: float
    alpha_warmup: int
    clip_norm: float
    targets: Sequence[Target]
    seed: int
    start: tuple[int, int]
    on_epoch: Callable[[int, dict[str, float]], None] | None
    on_step: Callable[[float | None], None] | None
    sampler: GumbelSampler
    alphas: dict[str, nn.Parameter]

    def op_costs(self, space: AdaBertSpace) -> Tensor:
        """Costs of the space's ops in equation (5), (O,)."""
