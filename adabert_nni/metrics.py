"""What a task is scored by: one table of metrics over predicted and true class ids, or values.

It must not know of models or tasks. Shapes: R rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from adabert_nni.errors import AdaBertError

Ids = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Values = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _f1(labels: Ids, predictions: Ids) -> float:
    # as GLUE: of class 1; no true and no predicted row of it scores 0
    return float(f1_score(labels, predictions, pos_label=1, average="binary", zero_division=0.0))


def _r2(labels: Values, predictions: Values) -> float:
    """Share of the labels' variance that is explained; 0 where they have none."""
    spread = np.square(labels - labels.mean()).sum()
    return float(1 - np.square(labels - predictions).sum() / spread) if spread > 0 else 0.0


def _pearson(labels: Values, predictions: Values) -> float:
    """Correlation; 0 where one side is constant."""
    one, two = labels - labels.mean(), predictions - predictions.mean()
    size = float(np.sqrt(np.square(one).sum() * np.square(two).sum()))
    return float((one * two).sum()) / size if size > 0 else 0.0


def _ranks(values: Values) -> Values:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (counts.cumsum() - (counts - 1) / 2)[place]
    return ranks


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda labels, predictions: float(accuracy_score(labels, predictions)),
    "f1": _f1,
    "r2": _r2,
    "pearson": _pearson,
    "spearman": lambda labels, predictions: _pearson(_ranks(labels), _ranks(predictions)),
    "rmse": lambda labels, predictions: float(np.sqrt(np.square(labels - predictions).mean())),
}
SHARES = ("accuracy", "f1")  # in [0, 1], shown in percent

PREDICTIONS = "predictions.json"  # in a teacher's and a student's folder, of the validation rows


def answers(logits: Tensor) -> dict[str, list[Any]]:
    """Outputs as plain data, to four digits.

    Args:
        logits: (R, C).

    Returns:
        By row the class id and its probability, ``classes`` and ``confidence``; with one output ``values``.
    """
    if logits.shape[1] == 1:
        return {"values": [round(value, 4) for value in logits.squeeze(1).tolist()]}
    sure, classes = logits.softmax(-1).max(-1)
    return {"classes": classes.tolist(), "confidence": [round(p, 4) for p in sure.tolist()]}


def score(
    task_metrics: tuple[str, ...],
    predictions: Sequence[float] | Ids | Values | Tensor,
    labels: Sequence[float] | Ids | Values | Tensor,
) -> dict[str, float]:
    """Score predicted class ids, or values, by the task's metrics.

    Args:
        task_metrics: keys of ``METRICS``; "f1" takes two classes.
        predictions: class ids or values, (R,), a list, array or tensor.
        labels: true class ids or values, (R,).

    Returns:
        A value per metric, in the order of ``task_metrics``; those in ``SHARES`` are in [0, 1], r2 and the
        correlations at most 1, rmse in the labels' unit.

    Raises:
        AdaBertError: for an unknown metric, no rows, lengths that differ, or f1 of more classes.
    """
    unknown = [name for name in task_metrics if name not in METRICS]
    if unknown:
        raise AdaBertError(f"metrics: got {unknown[0]!r}, known are {', '.join(METRICS)}")
    found, true = np.asarray(predictions), np.asarray(labels)
    if true.dtype.kind == "f":  # sums of squares need the digits
        found, true = found.astype(np.float64), true.astype(np.float64)
    if found.shape != true.shape or true.ndim != 1 or not true.size:
        raise AdaBertError(
            f"score: got {found.shape} predictions for {true.shape} labels, allowed is one class id "
            "or value per row and at least one row"
        )
    if "f1" in task_metrics and max(found.max(), true.max()) > 1:
        raise AdaBertError("metrics: got f1 for more than 2 classes; use accuracy")
    return {name: METRICS[name](true, found) for name in task_metrics}
