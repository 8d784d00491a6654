"""One baseline from its start to its folder: build, train, report on validation, save.

It must not know which baselines there are, or where the teacher and the rows come from.
"""

import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from adabert_nni.baselines.store import check_storable, save_baseline
from adabert_nni.baselines.table import Baseline
from adabert_nni.baselines.train import Trainee, evaluate, train_baseline
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.encoding import Encoded


def run_baseline(
    baseline: Baseline,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Encoded,
    selection: Encoded,
    validation: Encoded,
    *,
    words: Tensor,
    metrics: tuple[str, ...],
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int,
    folder: Path,
    checkpoint: Checkpoint,
    precision: str = "float32",
) -> None:
    """Write a trained baseline, its scores and the tokenizer into ``folder``.

    Args:
        baseline: how it is built and what it minimises.
        teacher: the fine-tuned teacher, left as it is.
        tokenizer: the teacher's, which is the baseline's too.
        train: rows to learn from.
        selection: rows to choose the epoch by.
        validation: rows that are only reported on.
        words: the teacher's word embeddings factorised to 300 channels, (V, 300).
        metrics: the task's; the first one chooses the epoch.
        epochs: passes over the rows, >= 1.
        lr: highest learning rate.
        batch_size: rows per step.
        seed: of fresh weights, the order of the rows and dropout.
        folder: an existing folder.
        checkpoint: where the training keeps its state, and goes on from after a kill.
        precision: one of ``PRECISIONS``, of the training.

    Raises:
        AdaBertError: if the teacher is of a kind that this baseline cannot start from, or the baseline is a model
            that cannot be stored.
    """
    started = time.monotonic()
    torch.manual_seed(seed)
    student = baseline.build(teacher, words)
    check_storable(student)
    history = train_baseline(
        baseline,
        student,
        teacher,
        train,
        selection,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        seed=seed,
        metric=metrics[0],
        checkpoint=checkpoint,
        precision=precision,
    )
    classifier = Trainee(student, teacher.config.hidden_size)
    record = {
        "validation": evaluate(classifier, validation, metrics),
        "history": history,
        "seconds": round(time.monotonic() - started + checkpoint.spent, 1),
    }
    save_baseline(student, tokenizer, folder, record)
