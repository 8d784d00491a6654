"""AdaBertModule: one training step of the search, as the Lightning module that NNI runs.

Trains weights and P_alpha together on equation (1), on the same batches (paper, section 2.5.2), or, where rows are
held apart for P_alpha, each on its own (first-order DARTS, arXiv:1806.09055). It is made by ``AdaBertStrategy``,
whose settings it reads. Shapes: B batch, L tokens, J teacher layers, C classes, E edges, O ops.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adabert_nni.data.batches import Batch
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import efficiency_loss, total_loss
from adabert_nni.search.alphas import AlphaModule
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.gumbel import Draw, anneal
from adabert_nni.search.multipliers import Multipliers
from adabert_nni.search.numbers import alpha_numbers
from adabert_nni.search.schedule import Schedule
from adabert_nni.search.settings import Settings
from adabert_nni.search.space import DEPTH, edge_label
from adabert_nni.training import check_finite

EQUATION_1 = ("loss_ce", "loss_kd", "loss_e")


class AdaBertModule(AlphaModule):
    """One training step of the search; see the strategy for the arguments."""

    training_module: SearchModule

    def __init__(self, training_module: SearchModule, settings: Settings) -> None:
        """Wrap the evaluator's module."""
        super().__init__(training_module)
        self.settings = settings
        self.multipliers = Multipliers(len(settings.targets))
        self.sums: dict[str, float] = {}
        self.steps = 0
        self.held = 0  # batches of an epoch whose rows P_alpha alone learns from

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
        batches = self.trainer.train_dataloader.batch_sampler
        batches.set_epoch(epoch, skip=done if epoch == first else 0)
        self.sums, self.steps, self.held = {}, 0, batches.held

    @property
    def schedule(self) -> Schedule:
        """Which steps move P_alpha."""
        steps, total = self.trainer.num_training_batches, self.training_module.total_steps
        return Schedule(self.settings.alpha_warmup, steps, total, self.held)

    def moved_by(self, batch: Batch) -> tuple[bool, bool]:
        """Whether a batch moves the weights, and whether it moves P_alpha; held rows in the warm-up move none."""
        searches = self.schedule.searches(self.epoch)
        if "held" not in batch:
            return True, searches
        held = bool(batch["held"].all())
        return not held, held and searches

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Draw once, compute equation (1), step what the batch moves.

        Args:
            batch: input_ids, attention_mask (B, L), labels (B,) and teacher (B, J, C), and held (B,) where
                rows are held apart; empty if its step was done before a kill.
            batch_idx: the step's number in its epoch, from 0.

        Returns:
            The loss, a scalar without a graph; None for a batch that is empty or moves nothing.

        Raises:
            AdaBertError: if the loss is not finite.
        """
        if not batch:
            return None
        weights, searches = self.moved_by(batch)
        loss = self._step(batch, batch_idx, weights, searches) if weights or searches else None
        self.lr_schedulers().step()
        if self.settings.on_step is not None:
            self.settings.on_step(None if loss is None else loss.item())
        return loss

    def _step(self, batch: Batch, batch_idx: int, moves_weights: bool, searches: bool) -> Tensor:
        settings, alphas = self.settings, list(self.alphas().values())
        settings.sampler.tau = anneal(
            settings.tau_start, settings.tau_end, self.schedule.progress(self.epoch, batch_idx)
        )
        # A P_alpha at rest needs no graph, so that the drawn ops run alone.
        for alpha in alphas:
            alpha.requires_grad_(searches)
        terms = self.loss_terms(batch)
        excess = self.excess()
        loss = self.weighed(terms) + self.multipliers(excess)
        if not math.isfinite(loss.item()):
            raise AdaBertError(
                f"search, epoch {self.epoch}, step {batch_idx}: the loss is {loss.item()}; "
                "it must be finite; lower weight_lr or clip_norm"
            )
        weights, arch = self.optimizers()
        weights.zero_grad()
        arch.zero_grad()
        self.manual_backward(loss, inputs=None if moves_weights else alphas)
        if moves_weights:
            nn.utils.clip_grad_norm_(weights.param_groups[0]["params"], settings.clip_norm)
            weights.step()
        if searches:
            arch.step()
            self.multipliers.ascend(excess.detach(), self.schedule.moving())
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item()
        self.steps += 1
        return loss.detach()

    def weighed(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Equation (1), and on top of it every term that it does not know, as it is."""
        task, knowledge, efficiency = (terms[name] for name in EQUATION_1)
        loss = total_loss(task, knowledge, efficiency, self.settings.gamma, self.settings.beta)
        return sum((term for name, term in terms.items() if name not in EQUATION_1), loss)

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
        costs = self.settings.op_costs(self.model).to(edges)
        return {**terms, "loss_e": efficiency_loss(edges, costs, depth.straight_through())}

    def on_validation_epoch_start(self) -> None:
        """Take the path that would be derived now."""
        self.follow(self.export())
        self.training_module.on_validation_epoch_start()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure it."""
        self.training_module.validation_step(batch, batch_idx)

    def on_train_epoch_end(self) -> None:
        """Tell the caller this epoch's numbers; Lightning has validated before.

        Raises:
            AdaBertError: if a weight or a logit of P_alpha is not finite.
        """
        check_finite(self, f"search, epoch {self.epoch}")
        if self.settings.on_epoch is not None:
            self.settings.on_epoch(self.epoch, self.epoch_metrics())

    def epoch_metrics(self) -> dict[str, float]:
        """Numbers of the epoch: the score on the selection split, mean losses, and where P_alpha stands."""
        edges, depths = (part.detach() for part in self.distributions())
        return {
            "default": self.training_module.selection_score(),
            **{name: total / max(self.steps, 1) for name, total in self.sums.items()},
            **alpha_numbers(edges, depths, self.model.ops, self.settings.targets),
            "tau": self.settings.sampler.tau,
        }
