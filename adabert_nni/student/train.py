"""Train a student on labels and probe rows: equation (1) without the efficiency term.

The same function fine-tunes a derived student and trains a fixed architecture from scratch. No teacher runs
here; its knowledge comes with the batches. Shapes: B batch, K layers, C classes.
"""

import copy
import logging

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from adabert_nni.config import StudentConfig
from adabert_nni.data.encoding import Batch, Encoded, loader
from adabert_nni.losses import knowledge_loss, task_loss, total_loss
from adabert_nni.metrics import score
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.training import fit, predict

logger = logging.getLogger(__name__)


def evaluate(
    model: AdaBertForSequenceClassification, rows: Encoded, metrics: tuple[str, ...]
) -> dict[str, float]:
    """Scores of ``model`` on ``rows``; the first metric is accuracy."""
    return score(metrics, predict(model, rows, label="evaluate").argmax(-1), rows.labels)


def train_student(
    model: AdaBertForSequenceClassification,
    train: Encoded,
    selection: Encoded,
    settings: StudentConfig,
    *,
    gamma: float,
    temperature: float,
    seed: int,
) -> list[dict[str, float]]:
    """Train in place with AdamW and a cosine schedule; keep the epoch that is best on ``selection``.

    Args:
        model: a student with a probe on every layer.
        train: rows joined with the probe table.
        selection: rows of the training split that were set apart.
        settings: epochs, batch size and learning rates.
        gamma: weight of knowledge against task, [0, 1].
        temperature: T of equation (3).
        seed: seeds the order of the rows and dropout.

    Returns:
        ``epoch`` and ``selection_accuracy`` in [0, 1] before the first epoch (0) and after each, then with the
        mean ``loss`` and ``seconds``; the model holds the best epoch's weights, of equals the last one's.
    """

    def step(batch: Batch) -> Tensor:
        logits = list(model.body.layer_logits(batch["input_ids"], batch["attention_mask"]))
        task = task_loss(logits[-1], batch["labels"])
        knowledge = knowledge_loss(logits, batch["teacher"], batch["labels"], temperature)
        return total_loss(task, knowledge, task.new_zeros(()), gamma, beta=0.0)

    best: dict[str, Tensor] = copy.deepcopy(model.state_dict())
    history: list[dict[str, float]] = [{"epoch": 0, **_selection(model, selection)}]

    def after_epoch(epoch: int, numbers: dict[str, float]) -> None:
        nonlocal best
        history.append({"epoch": epoch + 1, **numbers, **_selection(model, selection)})
        logger.info("student: epoch %d/%d: %s", epoch + 1, settings.student_epochs, history[-1])
        if history[-1]["selection_accuracy"] >= max(h["selection_accuracy"] for h in history):
            best = copy.deepcopy(model.state_dict())

    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.student_lr,
        weight_decay=settings.student_weight_decay,
        fused=True,  # the same formula; the embedding table makes the plain loop slow on a CPU
    )
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
    )
    model.load_state_dict(best)
    return history


def _selection(model: AdaBertForSequenceClassification, rows: Encoded) -> dict[str, float]:
    return {"selection_accuracy": evaluate(model, rows, ("accuracy",))["accuracy"]}
