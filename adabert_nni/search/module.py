"""AdaBertModule: one training step of the search, as the Lightning module that NNI runs.

Trains weights and P_alpha together on equation (1), on the same batches (paper, section 2.5.2). It is made by
``AdaBertStrategy``, whose settings it reads. Shapes: E edges, O ops.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from torch import Tensor, nn

from adabert_nni.data.batches import Batch
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import efficiency_loss, total_loss
from adabert_nni.model.architecture import Architecture
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.gumbel import Draw, anneal
from adabert_nni.search.multipliers import Multipliers
from adabert_nni.search.numbers import alpha_numbers
from adabert_nni.search.settings import Settings
from adabert_nni.search.space import DEPTH, AdaBertSpace, edge_label
from adabert_nni.search.targets import most_probable
from adabert_nni.training import check_finite


class AdaBertModule(BaseOneShotLightningModule):
    """One training step of the search; see the strategy for the arguments."""

    training_module: SearchModule
    model: AdaBertSpace

    def __init__(self, training_module: SearchModule, settings: Settings) -> None:
        """Wrap the evaluator's module."""
        super().__init__(training_module)
        self.settings = settings
        self.multipliers = Multipliers(len(settings.targets))
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

    def moving_steps(self) -> tuple[int, int]:
        """The first step of the search that moves P_alpha, from 0, and how many do."""
        first = self.settings.alpha_warmup * self.trainer.num_training_batches
        return first, self.training_module.total_steps - first

    def progress(self, batch_idx: int) -> float:
        """The share of the steps that move P_alpha which lie before a step of this epoch; 0 in the warm-up."""
        first, count = self.moving_steps()
        done = self.epoch * self.trainer.num_training_batches + batch_idx - first
        return max(done, 0) / max(count - 1, 1)

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
        settings.sampler.tau = anneal(
            settings.tau_start, settings.tau_end, self.progress(batch_idx)
        )
        terms = self.loss_terms(batch)
        loss = total_loss(
            terms["loss_ce"], terms["loss_kd"], terms["loss_e"], settings.gamma, settings.beta
        )
        excess = self.excess()
        loss = loss + self.multipliers(excess)
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
            self.multipliers.ascend(excess.detach(), self.moving_steps()[1])
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
        costs = self.settings.op_costs(self.model).to(edges)
        return {**terms, "loss_e": efficiency_loss(edges, costs, depth.straight_through())}

    def distributions(self) -> tuple[Tensor, Tensor]:
        """P_alpha: of the edges (E, O), and of the depths (K_max,), with a graph."""
        probs = {label: alpha.softmax(0) for label, alpha in self.alphas().items()}
        return torch.stack([probs[edge_label(edge)] for edge in self.model.edges]), probs[DEPTH]

    def excess(self) -> Tensor:
        """How far the expected student lies above each target, as shares of it, (targets,)."""
        targets = self.settings.targets
        if not targets:
            return self.multipliers.values.new_zeros(0)
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
