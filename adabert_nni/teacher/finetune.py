"""Turns an encoder into the task's teacher and saves it as an ordinary Hugging Face folder.

The best epoch is chosen on the selection split; the validation split is only reported. It must not
know of probes, searches or students. Shapes: B batch, C classes.
Regression learns values less their mean, over their deviation; the saved head answers in the labels' unit.
"""

import copy
import functools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import Batch, loader
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Splits
from adabert_nni.data.tasks import Task
from adabert_nni.files import write_json
from adabert_nni.metrics import PREDICTIONS, answers, score
from adabert_nni.precision import computing, device
from adabert_nni.problems import unscale_head
from adabert_nni.teacher.embeddings import check_length
from adabert_nni.teacher.loading import load_classifier, load_tokenizer
from adabert_nni.teacher.source import locate_teacher, weight_hashes
from adabert_nni.training import fit, model_inputs, predict

logger = logging.getLogger(__name__)

WARMUP = 0.06  # share of the steps in which the learning rate grows
CLIP_NORM = 1.0
METRICS = "metrics.json"


def finetune_teacher(
    source: str,
    splits: Splits,
    *,
    epochs: int,
    lr: float,
    batch: int,
    weight_decay: float,
    max_length: int,
    seed: int,
    folder: Path,
    start: Path | None = None,
    checkpoint: Checkpoint | None = None,
    precision: str = "float32",
) -> dict[str, Any]:
    """Fine-tune a teacher, or take one as it is; write model, tokenizer, ``metrics.json``, ``predictions.json``.

    Args:
        source: what ``locate_teacher`` understands.
        splits: trained on ``train``, the epoch chosen on ``selection``, ``validation`` reported.
        epochs: >= 0; 0 takes a fine-tuned classifier as it is and only measures it.
        lr: highest learning rate, > 0; grows over the first 6 % of the steps, then falls to 0.
        batch: rows per step, > 0.
        weight_decay: of matrices, >= 0; biases and LayerNorm have none.
        max_length: most tokens per row.
        seed: of the head, the order of rows and dropout.
        folder: an existing folder to write into.
        start: ``source`` fine-tuned on another task, whose weights to go on from; None takes its own.
        checkpoint: where the training keeps its state, and goes on from after a kill.
        precision: one of ``PRECISIONS``, of the training alone; scores are those in float32.

    Returns:
        What ``metrics.json`` says: scores on selection and validation, the chosen epoch (from 1; 0
        if none was run), seconds, parameters, settings, and where the weights came from.

    Raises:
        AdaBertError: if the teacher cannot be found, does not fit the task, or diverges.
    """
    begun = time.monotonic()
    task, base = splits.task, start or locate_teacher(source)
    tokenizer = load_tokenizer(base)
    torch.manual_seed(seed)  # the head's first weights
    model = load_classifier(base, task, fresh_head=epochs > 0)
    check_length(model, max_length)
    model.to(device())  # type: ignore[arg-type]
    selection = encode(splits.selection, tokenizer, max_length)
    keep_best = _KeepBest(model, selection.in_units(task.scale), task)
    if epochs > 0:
        train = encode(splits.train, tokenizer, max_length).in_units(task.scale)
        steps = epochs * len(loader(train, batch, shuffle=True, seed=seed))
        optimizer = _optimizer(model, lr, weight_decay)
        schedule = get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
        fit(
            model,
            train,
            functools.partial(_step, model, task.problem.teacher_loss, precision),
            optimizer,
            schedule,
            epochs=epochs,
            batch_size=batch,
            seed=seed,
            clip_norm=CLIP_NORM,
            after_epoch=keep_best,
            label="teacher",
            checkpoint=checkpoint,
            memory=keep_best.memory,
        )
        keep_best.restore()
        unscale_head(model, task.scale)
    validation = encode(splits.validation, tokenizer, max_length)
    found = predict(model, validation, label="teacher on validation")
    metrics = {
        "task": task.name,
        "teacher": source,
        "base_weights_sha256": weight_hashes(base),
        "settings": {
            "epochs": epochs,
            "lr": lr,
            "batch": batch,
            "weight_decay": weight_decay,
            "max_length": max_length,
            "seed": seed,
            "precision": precision,
        },
        "selection": evaluate(model, selection, task, "teacher on selection"),
        "validation": score(task.metrics, task.problem.predictions(found), validation.labels),
        "epoch": keep_best.memory["epoch"],
        "history": keep_best.memory["history"],
        "rows": {"train": len(splits.train.labels), "selection": len(selection)},
        "params": sum(weight.numel() for weight in model.parameters()),
        "layers": model.config.num_hidden_layers,
        "seconds": round(time.monotonic() - begun + (checkpoint.spent if checkpoint else 0), 1),
    }
    model.cpu().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_json(folder / METRICS, metrics)
    write_json(folder / PREDICTIONS, answers(found), indent=None)
    logger.info("teacher: selection %s, validation %s", metrics["selection"], metrics["validation"])
    return metrics


def evaluate(model: nn.Module, encoded: Encoded, task: Task, label: str) -> dict[str, float]:
    """The task's metrics of a model on these rows, which all have a label."""
    predictions = task.problem.predictions(predict(model, encoded, label=label))
    return score(task.metrics, predictions, encoded.labels)


def _optimizer(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]  # biases, LayerNorm
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, fused=True)  # fused: same formula, 8x faster on a CPU


def _step(
    model: PreTrainedModel,
    loss: Callable[[Tensor, Tensor], Tensor],
    precision: str,
    batch: Batch,
) -> Tensor:
    """The loss of a batch, in float32 whatever the model computes in."""
    with computing(precision, batch["labels"].device):
        logits = model(**model_inputs(model, batch)).logits
    return loss(logits.float(), batch["labels"])


class _KeepBest:
    """After an epoch: measure it on the selection split, keep the weights if none was better."""

    def __init__(self, model: nn.Module, selection: Encoded, task: Task) -> None:
        self._model, self._selection, self._task = model, selection, task
        # The best weights, their epoch from 1 (0 if none was run), and the scores of all epochs.
        self.memory: dict[str, Any] = {"weights": {}, "epoch": 0, "history": []}

    def __call__(self, epoch: int, measured: dict[str, float]) -> None:
        scores = evaluate(self._model, self._selection, self._task, "teacher on selection")
        key, history = f"selection_{self._task.metrics[0]}", self.memory["history"]
        entry = {"epoch": epoch + 1, "train_loss": measured["loss"]}
        entry |= {f"selection_{name}": value for name, value in scores.items()}
        if all(entry[key] > earlier[key] for earlier in history):
            weights = copy.deepcopy(self._model.state_dict())
            self.memory |= {"weights": weights, "epoch": epoch + 1}
        history.append(entry | {"seconds": round(measured["seconds"], 1)})
        logger.info("teacher epoch %d: %s", epoch + 1, history[-1])

    def restore(self) -> None:
        """Put the weights of the best epoch back."""
        self._model.load_state_dict(self.memory["weights"])
