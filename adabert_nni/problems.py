"""ONE table of the kinds of problem: what classification and regression differ in.

Stages take an entry and call it; none asks which one it is. It must not know rows, models' insides or
files. Shapes: R rows, B batch, J teacher layers, C outputs (classes, or 1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from adabert_nni.losses import (
    UNLABELLED,
    knowledge_loss,
    squared_knowledge_loss,
    squared_task_loss,
    task_loss,
)

STRATA = 10  # into which a split divides values, to hold some of each

Scale = tuple[float, float]
UNSCALED: Scale = (0.0, 1.0)


@dataclass(frozen=True)
class Problem:
    """What a kind of problem decides.

    Attributes:
        hf_name: ``problem_type`` in a Hugging Face config.
        dtype: of labels.
        classes: whether labels are ids of classes; else they are values.
        metrics: keys of ``metrics.METRICS``; the first one is the one to choose by, and higher is better.
        teacher_loss: outputs (B, C) and labels (B,) to what a teacher is fine-tuned by.
        task_loss: the same to L_CE of search and student.
        knowledge_loss: outputs of the student's K layers, the teacher's table (B, J, C), labels (B,) and the
            temperature to L_KD.
        beliefs: outputs (..., C) to what the teacher's table holds of them.
        predictions: outputs (R, C) to class ids or values (R,).
        probe_costs: outputs (..., R, J, C) of probes and labels (R,) to a cost of each, (..., R, J).
        tempered: whether a temperature makes beliefs less sure; a value has none.
        strata: labels of R rows to a class of each, which a split keeps in proportion.
        scale: labels to the mean and deviation that models learn them by.
    """

    hf_name: str
    dtype: torch.dtype
    classes: bool
    metrics: tuple[str, ...]
    teacher_loss: Callable[[Tensor, Tensor], Tensor]
    task_loss: Callable[[Tensor, Tensor], Tensor]
    knowledge_loss: Callable[[Sequence[Tensor], Tensor, Tensor, float], Tensor]
    beliefs: Callable[[Tensor], Tensor]
    predictions: Callable[[Tensor], Tensor]
    probe_costs: Callable[[Tensor, Tensor], Tensor]
    tempered: bool
    strata: Callable[[Sequence[float]], list[int]]
    scale: Callable[[Sequence[float]], Scale]


def in_units(values: Tensor, scale: Scale) -> Tensor:
    """Values less their mean, over their deviation; ``UNLABELLED`` and what has no scale stay as they are."""
    if scale == UNSCALED:
        return values
    mean, deviation = scale
    return ((values - mean) / deviation).where(values != UNLABELLED, values)


@torch.no_grad()
def unscale_head(model: nn.Module, scale: Scale) -> None:
    """Let a model that has learnt values ``in_units`` answer in the labels' own unit, in place.

    Args:
        model: ends in a linear layer of one output; any will do for ``UNSCALED``.
        scale: mean and deviation of the labels.
    """
    if scale == UNSCALED:
        return
    mean, deviation = scale
    *_, head = (m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == 1)
    head.weight.mul_(deviation)
    head.bias.mul_(deviation).add_(mean)


def _cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    index = labels[:, None].expand(logits.shape[:-1])[..., None]
    return -logits.log_softmax(-1).gather(-1, index).squeeze(-1)


def _squares(values: Tensor, labels: Tensor) -> Tensor:
    return (values.squeeze(-1) - labels[:, None]).square()


def _quantiles(labels: Sequence[float]) -> list[int]:
    """The quantile of each value, below ``STRATA``; of equal values the same one."""
    inner = np.quantile(labels, np.linspace(0, 1, min(STRATA, max(len(labels) // 2, 1)) + 1)[1:-1])
    return [int(stratum) for stratum in np.searchsorted(inner, labels, side="right")]


def _mean_and_deviation(labels: Sequence[float]) -> Scale:
    return float(np.mean(labels)), float(np.std(labels)) or 1.0


CLASSIFICATION = Problem(
    hf_name="single_label_classification",
    dtype=torch.int64,
    classes=True,
    metrics=("accuracy",),
    teacher_loss=task_loss,
    task_loss=task_loss,
    knowledge_loss=knowledge_loss,
    beliefs=lambda logits: logits.softmax(-1),
    predictions=lambda logits: logits.argmax(-1),
    probe_costs=_cross_entropies,
    tempered=True,
    strata=lambda labels: [int(label) for label in labels],
    scale=lambda labels: UNSCALED,
)
# Chosen by R2, which knows no unit: 1 is perfect, 0 as good as the labels' mean.
REGRESSION = Problem(
    hf_name="regression",
    dtype=torch.float32,
    classes=False,
    metrics=("r2", "pearson", "spearman", "rmse"),
    teacher_loss=squared_task_loss,
    task_loss=squared_task_loss,
    knowledge_loss=squared_knowledge_loss,
    beliefs=lambda values: values,
    predictions=lambda values: values.squeeze(-1),
    probe_costs=_squares,
    tempered=False,
    strata=_quantiles,
    scale=_mean_and_deviation,
)
PROBLEMS = {"classification": CLASSIFICATION, "regression": REGRESSION}
