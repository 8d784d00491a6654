"""The Lightning evaluator of a search: a batch and its probe rows in, loss terms and metrics out.

Knows the losses and the optimiser of the weights; knows nothing of P_alpha, which is the strategy's.
"""

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from nni.nas.evaluator.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adabert_nni.config import SearchConfig
from adabert_nni.data.batches import Batch, loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.metrics import score
from adabert_nni.precision import plain_float32
from adabert_nni.problems import CLASSIFICATION, Problem


class SearchData(pl.LightningDataModule):
    """The train batches of a search, with probe rows, and the batches of its selection split."""

    def __init__(
        self,
        train: Encoded,
        selection: Encoded,
        batch_size: int,
        seed: int,
        held: Sequence[int] = (),
    ) -> None:
        """Take encoded rows; ``train`` must be joined with the probe table. Ids in ``held`` are P_alpha's."""
        super().__init__()
        apart = torch.isin(train.ids, torch.tensor(held)) if held else None
        self._train = loader(train, batch_size, shuffle=True, seed=seed, held=apart)
        self._selection = loader(selection, batch_size, shuffle=False, seed=seed)

    def train_dataloader(self) -> DataLoader:
        """Batches that move weights and P_alpha."""
        return self._train

    def val_dataloader(self) -> DataLoader:
        """Batches that only measure."""
        return self._selection


def sgd(weights: list[nn.Parameter], lr: float, momentum: float) -> torch.optim.Optimizer:
    """The paper's: SGD with momentum, no weight decay."""
    # Not fused: that one fails where some weights get their first gradient later than others.
    return torch.optim.SGD(weights, lr=lr, momentum=momentum)


def adamw(weights: list[nn.Parameter], lr: float, momentum: float) -> torch.optim.Optimizer:
    """For searches of few epochs: an op is drawn in one step of ten and must learn from few gradients."""
    return torch.optim.AdamW(weights, lr=lr, betas=(momentum, 0.999), weight_decay=0.0, fused=True)


WEIGHT_OPTIMIZERS = {"sgd": sgd, "adamw": adamw}


class SearchModule(LightningModule):
    """Loss terms of one batch, the score on the selection split, and the optimizer of the weights."""

    def __init__(
        self,
        *,
        temperature: float,
        weight_optimizer: str,
        weight_lr: float,
        weight_lr_end: float,
        weight_momentum: float,
        total_steps: int,
        problem: Problem = CLASSIFICATION,
    ) -> None:
        """Store the settings.

        Args:
            temperature: T of equation (3), > 0.
            weight_optimizer: a key of ``WEIGHT_OPTIMIZERS``.
            weight_lr: learning rate of the weights at the first step, > 0.
            weight_lr_end: and at the last one.
            weight_momentum: momentum of SGD, first beta of AdamW, [0, 1).
            total_steps: steps of the whole search, the length of the cosine.
            problem: the kind of problem, which gives losses and metric.
        """
        super().__init__()
        self.temperature = temperature
        self.weight_optimizer = weight_optimizer
        self.weight_lr = weight_lr
        self.weight_lr_end = weight_lr_end
        self.weight_momentum = weight_momentum
        self.total_steps = total_steps
        self.problem = problem
        self.found: list[Tensor] = []
        self.true: list[Tensor] = []

    @classmethod
    def of(cls, settings: SearchConfig, total_steps: int, problem: Problem) -> "SearchModule":
        """An evaluator by the settings of a search; ``total_steps`` is the length of the cosine."""
        return cls(
            temperature=settings.temperature,
            weight_optimizer=settings.weight_optimizer,
            weight_lr=settings.weight_lr,
            weight_lr_end=settings.weight_lr_end,
            weight_momentum=settings.weight_momentum,
            total_steps=total_steps,
            problem=problem,
        )

    def loss_terms(self, layer_logits: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        """L_CE and L_KD of a student whose probes give ``layer_logits``, K tensors (B, C); scalars."""
        return {
            "loss_ce": self.problem.task_loss(layer_logits[-1], batch["labels"]),
            "loss_kd": self.problem.knowledge_loss(
                layer_logits, batch["teacher"], batch["labels"], self.temperature
            ),
        }

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's answers."""
        self.found, self.true = [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the answers of the path that would be derived now."""
        with plain_float32():
            logits = self.model(batch["input_ids"], batch["attention_mask"])
        self.found.append(self.problem.predictions(logits).cpu())
        self.true.append(batch["labels"].cpu())

    def selection_score(self) -> float:
        """The problem's first metric in the last validation epoch: accuracy or R2."""
        metric = self.problem.metrics[0]
        return score((metric,), torch.cat(self.found), torch.cat(self.true))[metric]

    def configure_optimizers(
        self,
    ) -> tuple[list[torch.optim.Optimizer], list[torch.optim.lr_scheduler.LRScheduler]]:
        """The weights' optimizer (the strategy takes P_alpha out of it), with a cosine per step."""
        build = WEIGHT_OPTIMIZERS[self.weight_optimizer]
        optimizer = build(list(self.parameters()), self.weight_lr, self.weight_momentum)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, self.total_steps, eta_min=self.weight_lr_end
        )
        return [optimizer], [cosine]
