"""AdaBertStrategy: a one-shot NNI strategy that searches with knowledge and efficiency terms.

It is what the user constructs; it turns the space's choices into straight-through ones and wraps the evaluator
in ``AdaBertModule``, which takes the steps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from nni.nas.nn.pytorch import InputChoice, LayerChoice
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy, no_default_hook
from torch import Tensor, nn

from adabert_nni.errors import AdaBertError
from adabert_nni.model.ops import cost_vector
from adabert_nni.precision import PRECISIONS
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.gumbel import RELAXATIONS, GumbelSampler
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.search.supernet import ESTIMATORS, StraightThroughInput, StraightThroughLayer
from adabert_nni.search.targets import Target


class AdaBertStrategy(OneShotStrategy):
    """Differentiable search of AdaBERT (arXiv:2001.04246): Gumbel straight-through, distillation, efficiency.

    Supports ``LayerChoice`` and an ``InputChoice`` of one candidate, in an ``AdaBertSpace``. Workflow:

    1. every choice gets a distribution P_alpha, shared by all choices with its label;
    2. each step draws once per label, trains weights (SGD) and P_alpha (Adam) on equation (1);
    3. ``export`` takes the most probable candidates, or the most probable ones that keep all targets.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.8,
        beta: float = 4.0,
        estimator: str = "exact",
        relaxation: str = "gumbel",
        tau_start: float = 1.0,
        tau_end: float = 0.2,
        alpha_lr: float = 3e-4,
        alpha_weight_decay: float = 1e-3,
        alpha_warmup: int = 0,
        clip_norm: float = 5.0,
        precision: str = "float32",
        costs: Mapping[str, float] | None = None,
        targets: Sequence[Target] = (),
        seed: int = 0,
        start: tuple[int, int] = (0, 0),
        on_epoch: Callable[[int, dict[str, float]], None] | None = None,
        on_step: Callable[[float | None], None] | None = None,
    ) -> None:
        """Store the settings; defaults are the paper's.

        Args:
            gamma: weight of knowledge against task, [0, 1].
            beta: weight of efficiency, >= 0.
            estimator: "exact" needs every op's output, "sampled" only the drawn op's.
            relaxation: what stands for a draw backward: "gumbel", its soft sample, or "mean", P_alpha itself.
            tau_start: Gumbel temperature at the first step that moves P_alpha, > 0.
            tau_end: and at the last, > 0.
            alpha_lr: learning rate of P_alpha.
            alpha_weight_decay: weight decay of P_alpha.
            alpha_warmup: epochs at the start in which only the weights move, >= 0.
            clip_norm: largest norm of the weights' gradient, > 0.
            precision: "float32" or "bf16": what the ops compute in.
            costs: of each op in equation (5), in any unit, such as measured times; None takes SIZE + FLOPs.
            targets: what the student must keep to, each with a multiplier of its own in the loss.
            seed: seeds sampling and dropout, with the epoch.
            start: epochs, and steps of the next one, that were done before a kill.
            on_epoch: called with (epoch, metrics) after each epoch.
            on_step: called after each step with its loss, None if it moved nothing.

        Raises:
            AdaBertError: if the estimator, the relaxation or the precision is unknown, or a number is outside its
                range.
        """
        super().__init__()
        for key, value, known in (
            ("estimator", estimator, ESTIMATORS),
            ("relaxation", relaxation, RELAXATIONS),
            ("precision", precision, PRECISIONS),
        ):
            if value not in known:
                raise AdaBertError(
                    f"search: {key} is {value!r}; it must be one of {', '.join(known)}"
                )
        for key, number, fits, allowed in (
            ("gamma", gamma, 0 <= gamma <= 1, "from 0 to 1"),
            ("beta", beta, beta >= 0, "0 or more"),
            ("tau_start", tau_start, tau_start > 0, "above 0"),
            ("tau_end", tau_end, tau_end > 0, "above 0"),
            ("alpha_warmup", alpha_warmup, alpha_warmup >= 0, "0 or more"),
            ("clip_norm", clip_norm, clip_norm > 0, "above 0"),
        ):
            if not fits:
                raise AdaBertError(f"search: {key} is {number}; it must be {allowed}")
        self.gamma, self.beta, self.estimator = gamma, beta, estimator
        self.precision = precision
        self.tau_start, self.tau_end = tau_start, tau_end
        self.alpha_lr, self.alpha_weight_decay, self.alpha_warmup = (
            alpha_lr,
            alpha_weight_decay,
            alpha_warmup,
        )
        self.clip_norm, self.seed, self.start = clip_norm, seed, start
        self.on_epoch, self.on_step = on_epoch, on_step
        self.costs, self.targets = costs, targets
        self.sampler = GumbelSampler(tau_start, relaxation)
        self.alphas: dict[str, nn.Parameter] = {}

    def op_costs(self, space: AdaBertSpace) -> Tensor:
        """Costs of the space's ops in equation (5), (O,); all units are scaled to the same sum.

        So beta means as much for measured times as for SIZE + FLOPs.
        """
        paper = cost_vector(space.ops, space.dim)
        if self.costs is None:
            return paper
        costs = torch.tensor([self.costs[op] for op in space.ops])
        return costs * (paper.sum() / costs.sum().clamp_min(1e-12))

    def configure_oneshot_module(self, training_module: SearchModule) -> AdaBertModule:
        """Wrap the evaluator's module in the search; AdaBertError if it is no ``SearchModule``."""
        if not isinstance(training_module, SearchModule):
            raise AdaBertError(
                f"search: the evaluator's module is a {type(training_module).__name__}; AdaBertStrategy needs a "
                "SearchModule, whose loss it extends (docs/extending.md shows one)"
            )
        return AdaBertModule(training_module, self)

    def default_mutation_hooks(self) -> list[Callable[..., Any]]:
        """Replace both kinds of choice; refuse any other mutable."""
        return [self._mutate, no_default_hook]

    def _mutate(
        self, module: nn.Module, name: str, memo: dict[str, Any], kwargs: dict[str, Any]
    ) -> Any:
        if type(module) is LayerChoice:
            edge = cast(Any, module)  # NNI is not typed
            alpha = self._alpha(edge.label, len(edge))
            made = StraightThroughLayer(
                edge.candidates, edge.label, alpha, self.sampler, self.estimator, self.precision
            )
            return made, True
        if type(module) is InputChoice:
            depth = cast(Any, module)
            alpha = self._alpha(depth.label, depth.n_candidates)
            made_depth = StraightThroughInput(
                depth.n_candidates, depth.label, alpha, self.sampler, self.estimator
            )
            return made_depth, True
        return isinstance(module, StraightThroughLayer | StraightThroughInput)

    def _alpha(self, label: str, count: int) -> nn.Parameter:
        """The logits of a label: uniform at the start, one parameter however many choices carry it."""
        return self.alphas.setdefault(label, nn.Parameter(torch.zeros(count)))
