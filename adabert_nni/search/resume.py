"""Saves a search while it runs and puts it back after a kill: a callback of its trainer.

Knows what a search consists of; where a state lies and when it is time for one is the checkpoint's.
"""

import logging
from typing import Any, cast

import pytorch_lightning as pl

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import Batch
from adabert_nni.search.module import AdaBertModule
from adabert_nni.states import Stateful, restore, state_of

logger = logging.getLogger(__name__)


class Resume(pl.Callback):
    """Between two steps: whatever the next step depends on goes to a checkpoint, or comes from it.

    Attributes:
        history: the numbers of every finished epoch, which the owner goes on to append to.
        start: finished epochs, and finished steps of the next one.
    """

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        """Read what a killed process left.

        Args:
            checkpoint: of this search; None saves nothing.

        Raises:
            AdaBertError: if the checkpoint is of another search.
        """
        self._checkpoint = checkpoint
        self._saved = None if checkpoint is None else checkpoint.load()
        place = self._saved or {"epoch": 0, "step": 0, "history": []}
        self.history: list[dict[str, Any]] = place["history"]
        self.start: tuple[int, int] = (place["epoch"], place["step"])

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Before the first step: put back what was saved, over the seeds of the epoch's start."""
        saved, self._saved = self._saved, None
        if saved is None:
            return
        module = cast(AdaBertModule, pl_module)
        restore(_parts(trainer, module), saved)
        sampler = module.settings.sampler
        sampler.generator.set_state(saved["gumbel"])
        sampler.tau = saved["tau"]
        module.sums, module.steps = saved["sums"], saved["steps"]
        logger.info("search: going on after step %d of epoch %d", self.start[1], self.start[0] + 1)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """After a step: save, if it is time."""
        if self._checkpoint is None or not batch or not self._checkpoint.due():
            return
        module = cast(AdaBertModule, pl_module)
        sampler = module.settings.sampler
        self._checkpoint.save(
            {
                "epoch": module.epoch,
                "step": batch_idx + 1,
                "history": self.history,
                "sums": module.sums,
                "steps": module.steps,
                "tau": sampler.tau,
                "gumbel": sampler.generator.get_state(),
                **state_of(_parts(trainer, module)),
            }
        )


def _parts(trainer: pl.Trainer, module: AdaBertModule) -> dict[str, Stateful]:
    weights, alphas = trainer.optimizers
    schedule = module.lr_schedulers()
    return {"module": module, "weights": weights, "alphas": alphas, "schedule": schedule}
