"""Train a student on labels and probe rows: equation (1) without the efficiency term.

The same function fine-tunes a derived student and trains a fixed architecture from scratch. No teacher runs
here; its knowledge comes with the batches. Shapes: B batch, K layers, C classes.
"""

import copy
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import StudentConfig
from adabert_nni.data.batches import Batch, loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.losses import total_loss
from adabert_nni.metrics import score
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.precision import computing
from adabert_nni.problems import CLASSIFICATION, Problem
from adabert_nni.training import fit, predict

logger = logging.getLogger(__name__)


def evaluate(
    model: AdaBertForSequenceClassification,
    rows: Encoded,
    metrics: tuple[str, ...],
    problem: Problem = CLASSIFICATION,
) -> dict[str, float]:
    """Scores of ``model`` on ``rows``."""
    return score(metrics, problem.predictions(predict(model, rows, label="evaluate")), rows.labels)


def train_student(
    model: AdaBertForSequenceClassification,
    train: Encoded,
    selection: Encoded,
    settings: StudentConfig,
    *,
    gamma: float,
    temperature: float,
    seed: int,
    checkpoint: Checkpoint | None = None,
    problem: Problem = CLASSIFICATION,
    precision: str = "float32",
) -> list[dict[str, float]]:
    """Train in place with AdamW and a cosine schedule; keep the epoch that is best on ``selection``.

    What is measured and kept is the running mean of the weights over the steps (``student_average``). It trains
    where ``model`` lies.

    Args:
        model: a student with a probe on every layer.
        train: rows joined with the probe table, or for ``transfer: last`` with the teacher's own answers, J = 1.
        selection: rows of the training split that were set apart.
        settings: epochs, batch size, learning rates, the running mean's decay, word dropout and ``transfer``.
        gamma: weight of knowledge against task, [0, 1].
        temperature: T of equation (3).
        seed: seeds the order of the rows and dropout.
        checkpoint: where the training keeps its state, and goes on from after a kill.
        problem: the kind of problem; an epoch is chosen by its first metric.
        precision: one of ``PRECISIONS``, of the training alone; scores are those in float32.

    Returns:
        ``epoch`` and ``selection_accuracy`` (or ``selection_r2``) before the first epoch (0) and after each, then
        with the mean ``loss`` and ``seconds``; the model holds the best epoch's weights, of equals the last one's.
    """

    def step(batch: Batch) -> Tensor:
        with computing(precision, batch["labels"].device):
            layers = list(model.body.layer_logits(batch["input_ids"], batch["attention_mask"]))
        logits = [layer.float() for layer in layers]
        labels, table = batch["labels"], batch["teacher"]
        task = problem.task_loss(logits[-1], labels)
        told = logits[-1:] if settings.transfer == "last" else logits
        knowledge = problem.knowledge_loss(told, table, labels, temperature)
        return total_loss(task, knowledge, task.new_zeros(()), gamma, beta=0.0)

    metric = problem.metrics[0]
    key = f"selection_{metric}"

    def chosen_by(measured: AdaBertForSequenceClassification) -> dict[str, float]:
        return {key: evaluate(measured, selection, (metric,), problem)[metric]}

    memory: dict[str, Any] = {
        "best": copy.deepcopy(model.state_dict()),
        "history": [{"epoch": 0, **chosen_by(model)}],
        "steps": 0,
    }
    model.body.embeddings.word_dropout = settings.student_word_dropout
    averaged = copy.deepcopy(model)
    mean = averaged.state_dict()  # its own tensors: moving them moves ``averaged``

    def after_step(*_: object) -> None:
        memory["steps"] += 1
        average(mean, model.state_dict(), settings.student_average, memory["steps"])

    def after_epoch(epoch: int, numbers: dict[str, float]) -> None:
        history = memory["history"]
        history.append({"epoch": epoch + 1, **numbers, **chosen_by(averaged)})
        logger.info("student: epoch %d/%d: %s", epoch + 1, settings.student_epochs, history[-1])
        if history[-1][key] >= max(h[key] for h in history):
            memory["best"] = copy.deepcopy(averaged.state_dict())

    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.student_lr,
        weight_decay=settings.student_weight_decay,
        fused=True,  # the same formula; the embedding table makes the plain loop slow on a CPU
    )
    optimizer.register_step_post_hook(after_step)
    batches = loader(train, settings.student_batch, shuffle=True, seed=seed)
    steps = settings.student_epochs * len(batches)
    fit(
        model,
        train,
        step,
        optimizer,
        CosineAnnealingLR(optimizer, max(steps, 1), eta_min=settings.student_lr_end),
        epochs=settings.student_epochs,
        batch_size=settings.student_batch,
        seed=seed,
        clip_norm=5.0,
        after_epoch=after_epoch,
        label="student",
        checkpoint=checkpoint,
        memory=memory,
        beside={"mean": averaged},
    )
    model.load_state_dict(memory["best"])
    history: list[dict[str, float]] = memory["history"]
    return history


def average(
    mean: dict[str, Tensor], weights: Mapping[str, Tensor], decay: float, step: int
) -> None:
    """Move a running mean of weights towards those after ``step`` (from 1), in place.

    The decay is min(``decay``, step / (step + 9)), so that a short training forgets its start too;
    what is not a float (a count of batches) is copied.
    """
    kept = min(decay, step / (step + 9))
    floats = [name for name, value in weights.items() if value.is_floating_point()]
    torch._foreach_lerp_([mean[n] for n in floats], [weights[n] for n in floats], 1 - kept)
    for name in weights.keys() - floats:
        mean[name].copy_(weights[name])
