"""Trains a baseline beside its frozen teacher; the epoch is chosen on the selection split.

It must not know which baselines there are, tasks or files. Shapes: B batch, L tokens, H width, A heads, C classes,
R rows.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from adabert_nni.baselines.losses import View
from adabert_nni.baselines.table import Baseline, Loss
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import Batch, loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.metrics import score
from adabert_nni.precision import computing, device
from adabert_nni.training import fit, model_inputs, predict

logger = logging.getLogger(__name__)

WARMUP = 0.1  # share of the steps in which the learning rate grows
CLIP_NORM = 1.0
WEIGHT_DECAY = 0.01


class Trainee(nn.Module):
    """A classifier with the learned projections (TinyBERT's W_e and W_h) to a teacher of another width."""

    def __init__(self, model: nn.Module, width: int) -> None:
        """Wrap ``model``; its states are compared with a teacher's, ``width`` wide."""
        super().__init__()
        self.model = model
        own = getattr(model.config, "hidden_size", width)
        fits = own == width
        self.words = nn.Identity() if fits else nn.Linear(own, width, bias=False)
        self.states = nn.Identity() if fits else nn.Linear(own, width, bias=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Any:
        """The model's output, given those inputs that it takes; each is (B, L)."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        return self.model(**model_inputs(self.model, inputs))

    def project(self, view: View) -> View:
        """The same view with states of the teacher's width."""
        first, *rest = view.states or (None,)
        if first is None:
            return view
        return replace(view, states=(self.words(first), *map(self.states, rest)))


def train_baseline(
    baseline: Baseline,
    student: nn.Module,
    teacher: PreTrainedModel,
    train: Encoded,
    selection: Encoded,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    seed: int,
    metric: str = "accuracy",
    checkpoint: Checkpoint | None = None,
    precision: str = "float32",
) -> list[dict[str, float]]:
    """Train ``student`` in place by AdamW, warm-up and linear decay; keep the epoch that is best on ``selection``.

    Args:
        baseline: what is minimised.
        student: what ``baseline.build`` made.
        teacher: frozen; runs on the same rows, in eval mode, and is left as it is; once before the training where
            a loss looks at its logits alone, else beside the student.
        train: the rows, with labels or without.
        selection: rows of the training split that were set apart.
        epochs: passes over the rows, >= 1, shared by the losses.
        lr: highest learning rate, > 0.
        batch_size: rows per step.
        seed: of the projections, the order of the rows and dropout.
        metric: key of ``metrics.METRICS`` by which an epoch is chosen; higher is better.
        checkpoint: where the training keeps its state, and goes on from after a kill.
        precision: one of ``PRECISIONS``, of the training and the teacher beside it; losses and scores are those
            in float32.

    Returns:
        ``epoch`` (from 1), ``loss``, ``seconds`` and ``selection_<metric>`` of each epoch; the student, on the
        CPU, holds the weights of the best one, of equals the last.
    """
    torch.manual_seed(seed)
    on = device()
    trainee = Trainee(student, teacher.config.hidden_size).to(on)
    teacher.eval().requires_grad_(False).to(on)
    memory: dict[str, Any] = {"epoch": 0, "best": {}, "history": []}
    scores, once = baseline.sees == "scores", baseline.sees == "logits"
    if once:
        answers = predict(teacher, train, label="teacher's answers")
        train = train.with_teacher(train.ids, answers.unsqueeze(1))

    def step(batch: Batch) -> Tensor:
        with computing(precision, on):
            found = trainee.project(look(student, batch, scores=scores))
            with torch.no_grad():
                known = told(batch) if once else look(teacher, batch, scores=scores)
        loss = current_loss(baseline.losses, memory["epoch"], epochs)
        return loss(found.float(), known.float(), batch["labels"])

    def after_epoch(epoch: int, numbers: dict[str, float]) -> None:
        measured = evaluate(trainee, selection, (metric,))[metric]
        memory["history"].append({"epoch": epoch + 1, **numbers, f"selection_{metric}": measured})
        memory["epoch"] = epoch + 1
        logger.info("baseline: epoch %d/%d: %s", epoch + 1, epochs, memory["history"][-1])
        if measured >= max(entry[f"selection_{metric}"] for entry in memory["history"]):
            memory["best"] = copy.deepcopy(trainee.state_dict())

    optimizer = torch.optim.AdamW(
        trainee.parameters(), lr=lr, weight_decay=WEIGHT_DECAY, fused=True
    )
    steps = epochs * len(loader(train, batch_size, shuffle=True, seed=seed))
    fit(
        trainee,
        train,
        step,
        optimizer,
        get_linear_schedule_with_warmup(optimizer, round(WARMUP * steps), steps),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        clip_norm=CLIP_NORM,
        after_epoch=after_epoch,
        label="baseline",
        checkpoint=checkpoint,
        memory=memory,
    )
    trainee.load_state_dict(memory["best"])
    student.cpu()
    history: list[dict[str, float]] = memory["history"]
    return history


def evaluate(model: nn.Module, rows: Encoded, metrics: tuple[str, ...]) -> dict[str, float]:
    """Scores of a trainee, or of a classifier that takes every input, on ``rows``."""
    return score(metrics, predict(model, rows, label="evaluate").argmax(-1), rows.labels)


def current_loss(losses: Sequence[Loss], epoch: int, epochs: int) -> Loss:
    """The loss of ``epoch`` (from 0): equal shares of the epochs, what is left over goes to the later ones."""
    return losses[((epoch + 1) * len(losses) - 1) // epochs]


def told(batch: Batch) -> View:
    """The teacher's logits that were joined to the rows, (B, 1, C)."""
    return View(batch["teacher"][:, 0], batch["attention_mask"])


def look(model: nn.Module, batch: Batch, *, scores: bool = False) -> View:
    """What ``model`` shows of a batch; a model without hidden layers shows its logits alone."""
    inputs, mask = model_inputs(model, batch), batch["attention_mask"]
    if not isinstance(model, PreTrainedModel):
        return View(model(**inputs).logits, mask)
    output = model(**inputs, output_hidden_states=True)
    states = tuple(output.hidden_states)
    seen = attention_scores(model, states) if scores else ()
    return View(output.logits, mask, states, seen)


def attention_scores(model: nn.Module, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Attention of a BERT's layers before the softmax, Q K^T / sqrt(H / A), from what the layers read.

    Args:
        model: a BERT classifier; its fused attention never shows these.
        states: embeddings and each layer's output, (B, L, H) each.

    Returns:
        (B, A, L, L) of each layer; padding is in it.
    """
    bert: Any = model
    heads, layers = bert.config.num_attention_heads, bert.base_model.encoder.layer
    found = list[Tensor]()
    for layer, state in zip(layers, states, strict=False):  # the last state is read by the head
        inner = layer.attention.self
        query, key = (
            part(state).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in (inner.query, inner.key)
        )
        found.append(query @ key.transpose(2, 3) / query.shape[-1] ** 0.5)
    return tuple(found)
