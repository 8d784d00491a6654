"""What a training step is built of: a size, and for it a space, an evaluator and a batch of random rows.

It must not know which strategy takes the step. Shapes: B batch, L tokens.
"""

import warnings
from dataclasses import dataclass

import torch
from nni.nas.evaluator.pytorch import Trainer
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule

from adabert_nni.data.batches import Batch
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.spaces import SpaceConfig

STEPS_PER_EPOCH = 1000  # the loops' idea of an epoch, which never ends here


@dataclass(frozen=True)
class StepSize:
    """What a step costs depends on these.

    Attributes:
        batch: rows B.
        length: tokens L of every row; all are real.
        max_depth: K_max.
        nodes: N of the cell.
        dim: channels D.
        vocab_size: WordPieces V.
        precision: one of ``PRECISIONS``: what ops compute in.
    """

    batch: int = 32
    length: int = 128
    max_depth: int = 8
    nodes: int = 3
    dim: int = 128
    vocab_size: int = 30522
    precision: str = "float32"


def space_of(size: StepSize) -> AdaBertSpace:
    """The paper's ops in a space of that size, with the same random weights each time."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NNI names newer torch classes
        return AdaBertSpace(
            SpaceConfig.load("paper").ops,
            size.nodes,
            size.max_depth,
            size.dim,
            num_labels=2,
            vocab_size=size.vocab_size,
            max_length=max(size.length, 128),
        )


def evaluator_of(kind: type[SearchModule]) -> SearchModule:
    """An evaluator with the paper's SGD."""
    return kind(
        temperature=1.0,
        weight_optimizer="sgd",
        weight_lr=2e-2,
        weight_lr_end=5e-4,
        weight_momentum=0.9,
        total_steps=STEPS_PER_EPOCH,
    )


def made_ready(
    module: BaseOneShotLightningModule, device: torch.device
) -> BaseOneShotLightningModule:
    """Give the module what a trainer gives it before its first step."""
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",  # of the trainer's own loops, which never run
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module.to(device).train()
    trainer.strategy.connect(module)
    module.trainer = trainer
    module.setup("fit")
    trainer.strategy.setup_optimizers(trainer)
    trainer.fit_loop.max_batches = STEPS_PER_EPOCH
    return module


def batch_of(size: StepSize, device: torch.device) -> Batch:
    """Random rows (B, L), the same each time, with labels and what a teacher of 12 layers believes of them."""
    source = torch.Generator().manual_seed(0)
    shape, rows = (size.batch, size.length), size.batch
    batch = {
        "input_ids": torch.randint(1, size.vocab_size, shape, generator=source),
        "attention_mask": torch.ones(shape, dtype=torch.long),
        "labels": torch.randint(0, 2, (rows,), generator=source),
        "teacher": torch.rand(rows, 12, 2, generator=source).softmax(-1),
    }
    return {name: tensor.to(device) for name, tensor in batch.items()}
