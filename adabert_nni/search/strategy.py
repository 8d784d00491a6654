"""AdaBertStrategy: a one-shot NNI strategy that searches with knowledge and efficiency terms.

``AdaBertStrategy`` is what the user constructs; it turns the space's choices into straight-through ones and
wraps the evaluator in ``AdaBertModule``, which trains weights and P_alpha together on equation (1), on the
same batches (paper, section 2.5.2).
"""

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from nni.nas.nn.pytorch import InputChoice, LayerChoice
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from nni.nas.oneshot.pytorch.strategy import OneShotStrategy, no_default_hook
from torch import Tensor, nn

from adabert_nni.data.encoding import Batch
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import efficiency_loss, total_loss
from adabert_nni.model.ops import cost_vector
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.space import DEPTH, AdaBertSpace, edge_label
from adabert_nni.search.supernet import (
    ESTIMATORS,
    Draw,
    GumbelSampler,
    StraightThroughInput,
    StraightThroughLayer,
)

FREE_OPS = ("skip_connect", "zero")


def anneal(start: float, end: float, progress: float) -> float:
    """Exponential path from ``start`` (> 0) to ``end`` (> 0) as ``progress`` goes from 0 to 1."""
    return start * (end / start) ** min(max(progress, 0.0), 1.0)


def entropy(distribution: Tensor) -> float:
    """Mean entropy in nats of the rows of (n, m)."""
    return float(-(distribution * distribution.clamp_min(1e-12).log()).sum(-1).mean())


class AdaBertModule(BaseOneShotLightningModule):
    """One training step of the search; see the strategy for the arguments."""

    training_module: SearchModule
    model: AdaBertSpace

    def __init__(self, training_module: SearchModule, settings: "AdaBertStrategy") -> None:
        """Wrap the evaluator's module."""
        super().__init__(training_module)
        self.settings = settings
        self.sums: dict[str, float] = {}
        self.steps = 0

    def alphas(self) -> dict[str, nn.Parameter]:
        """Logits of every distribution by label, edges first."""
        return self.settings.alphas

    @property
    def epoch(self) -> int:
        """The epoch of the search, from 0; a trainer that goes on after a kill counts from there."""
        return self.settings.start[0] + self.trainer.current_epoch

    def on_train_epoch_start(self) -> None:
        """Seed every source of randomness from (seed, epoch), so that an epoch can be run again."""
        epoch, (first, done) = self.epoch, self.settings.start
        seed = self.settings.seed * 100_003 + epoch
        torch.manual_seed(seed)
        self.settings.sampler.generator.manual_seed(seed)
        self.trainer.train_dataloader.batch_sampler.set_epoch(
            epoch, skip=done if epoch == first else 0
        )
        # A P_alpha at rest needs no graph, so that the drawn ops run alone.
        for alpha in self.alphas().values():
            alpha.requires_grad_(self.moves())
        self.sums, self.steps = {}, 0

    def moves(self) -> bool:
        """Whether this epoch trains P_alpha; in the warm-up only the weights move."""
        return self.epoch >= self.settings.alpha_warmup

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Draw once, compute equation (1), step the weights and, after the warm-up, P_alpha.

        Args:
            batch: input_ids, attention_mask (B, L), labels (B,) and teacher (B, J, C); empty if its
                step was done before a kill.
            batch_idx: the step's number in its epoch, from 0.

        Returns:
            The loss, a scalar without a graph; None for an empty batch.

        Raises:
            AdaBertError: if the loss is not finite.
        """
        if not batch:
            return None
        settings = self.settings
        done = self.epoch * self.trainer.num_training_batches + batch_idx
        last = max(self.training_module.total_steps - 1, 1)
        settings.sampler.tau = anneal(settings.tau_start, settings.tau_end, done / last)
        terms = self.loss_terms(batch)
        loss = total_loss(
            terms["loss_ce"], terms["loss_kd"], terms["loss_e"], settings.gamma, settings.beta
        )
        if not math.isfinite(loss.item()):
            raise AdaBertError(
                f"search, epoch {self.epoch}, step {batch_idx}: the loss is {loss.item()}; "
                "it must be finite; lower weight_lr or clip_norm"
            )
        weights, arch = self.optimizers()
        weights.zero_grad()
        arch.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_(weights.param_groups[0]["params"], settings.clip_norm)
        weights.step()
        if self.moves():
            arch.step()
        self.lr_schedulers().step()
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item()
        self.steps += 1
        if settings.on_step is not None:
            settings.on_step(loss.item())
        return loss.detach()

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """L_CE, L_KD and L_E of one draw that all layers share; layers after the drawn one have no graph."""
        draws: dict[str, Draw] = self.resample()
        depth = draws[DEPTH]
        layers = self.model.body.layer_logits(batch["input_ids"], batch["attention_mask"])
        logits = [next(layers) for _ in range(depth.index + 1)]
        beyond: list[Tensor] = []
        if self.settings.estimator == "exact" and depth.soft.requires_grad:
            with torch.no_grad():
                beyond = list(layers)
        chosen = self.model.depth(logits + beyond)
        terms = self.training_module.loss_terms([*logits[:-1], chosen], batch)
        edges = torch.stack(
            [draws[edge_label(edge)].straight_through() for edge in self.model.edges]
        )
        costs = cost_vector(self.model.ops, self.model.dim).to(edges)
        return {**terms, "loss_e": efficiency_loss(edges, costs, depth.straight_through())}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure the path of the most probable choices."""
        self.settings.sampler.greedy = True
        self.resample()
        self.settings.sampler.greedy = False
        self.training_module.validation_step(batch, batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Forward to the evaluator."""
        self.training_module.on_validation_epoch_start()

    def on_train_epoch_end(self) -> None:
        """Tell the caller this epoch's numbers; Lightning has validated before."""
        if self.settings.on_epoch is not None:
            self.settings.on_epoch(self.epoch, self.epoch_metrics())

    def epoch_metrics(self) -> dict[str, float]:
        """Numbers of the epoch: selection accuracy, mean losses, and where P_alpha stands."""
        probs = {label: alpha.detach().softmax(0) for label, alpha in self.alphas().items()}
        edges = torch.stack([probs[edge_label(edge)] for edge in self.model.edges])
        free = [index for index, op in enumerate(self.model.ops) if op in FREE_OPS]
        depths = torch.arange(1, self.model.max_depth + 1).to(edges)
        return {
            "default": self.training_module.selection_accuracy(),
            **{name: total / max(self.steps, 1) for name, total in self.sums.items()},
            "expected_depth": float((probs[DEPTH] * depths).sum()),
            "entropy": entropy(edges),
            "tau": self.settings.sampler.tau,
            "free_share": float(edges[:, free].sum(-1).mean()) if free else 0.0,
        }

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


class AdaBertStrategy(OneShotStrategy):
    """Differentiable search of AdaBERT (arXiv:2001.04246): Gumbel straight-through, distillation, efficiency.

    Supports ``LayerChoice`` and an ``InputChoice`` of one candidate, in an ``AdaBertSpace``. Workflow:

    1. every choice gets a distribution P_alpha, shared by all choices with its label;
    2. each step draws once per label, trains weights (SGD) and P_alpha (Adam) on equation (1);
    3. ``export`` takes the most probable candidates.
    """

    def __init__(
        self,
        *,
        gamma: float = 0.8,
        beta: float = 4.0,
        estimator: str = "exact",
        tau_start: float = 1.0,
        tau_end: float = 0.2,
        alpha_lr: float = 3e-4,
        alpha_weight_decay: float = 1e-3,
        alpha_warmup: int = 0,
        clip_norm: float = 5.0,
        seed: int = 0,
        start: tuple[int, int] = (0, 0),
        on_epoch: Callable[[int, dict[str, float]], None] | None = None,
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        """Store the settings; defaults are the paper's.

        Args:
            gamma: weight of knowledge against task, [0, 1].
            beta: weight of efficiency, >= 0.
            estimator: "exact" needs every op's output, "sampled" only the drawn op's.
            tau_start: Gumbel temperature at the first step, > 0.
            tau_end: and at the last, > 0.
            alpha_lr: learning rate of P_alpha.
            alpha_weight_decay: weight decay of P_alpha.
            alpha_warmup: epochs at the start in which only the weights move, >= 0.
            clip_norm: largest norm of the weights' gradient, > 0.
            seed: seeds sampling and dropout, with the epoch.
            start: epochs, and steps of the next one, that were done before a kill.
            on_epoch: called with (epoch, metrics) after each epoch.
            on_step: called with the loss after each step.

        Raises:
            AdaBertError: if the estimator is unknown.
        """
        super().__init__()
        if estimator not in ESTIMATORS:
            raise AdaBertError(
                f"search: estimator is {estimator!r}; it must be one of {', '.join(ESTIMATORS)}"
            )
        self.gamma, self.beta, self.estimator = gamma, beta, estimator
        self.tau_start, self.tau_end = tau_start, tau_end
        self.alpha_lr, self.alpha_weight_decay, self.alpha_warmup = (
            alpha_lr,
            alpha_weight_decay,
            alpha_warmup,
        )
        self.clip_norm, self.seed, self.start = clip_norm, seed, start
        self.on_epoch, self.on_step = on_epoch, on_step
        self.sampler = GumbelSampler(tau_start)
        self.alphas: dict[str, nn.Parameter] = {}

    def configure_oneshot_module(self, training_module: SearchModule) -> AdaBertModule:
        """Wrap the evaluator's module in the search."""
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
                edge.candidates, edge.label, alpha, self.sampler, self.estimator
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
