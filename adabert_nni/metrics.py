"""What a task is scored by: one table of metrics over predicted and true class ids.

It must not know of models, logits or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor

from adabert_nni.errors import AdaBertError

Ids = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _f1(labels: Ids, predictions: Ids) -> float:
    # as GLUE: of class 1; no true and no predicted row of it scores 0
    return float(f1_score(labels, predictions, pos_label=1, average="binary", zero_division=0.0))


METRICS: dict[str, Callable[[Ids, Ids], float]] = {
    "accuracy": lambda labels, predictions: float(accuracy_score(labels, predictions)),
    "f1": _f1,
}


def score(
    task_metrics: tuple[str, ...],
    predictions: Sequence[int] | Ids | Tensor,
    labels: Sequence[int] | Ids | Tensor,
) -> dict[str, float]:
    """Score predicted class ids by the task's metrics.

    Args:
        task_metrics: keys of ``METRICS``; "f1" takes two classes.
        predictions: class ids, (R,), a list, array or tensor.
        labels: true class ids, (R,).

    Returns:
        A value in [0, 1] per metric, in the order of ``task_metrics``.

    Raises:
        AdaBertError: for an unknown metric, no rows, lengths that differ, or f1 of more classes.
    """
    unknown = [name for name in task_metrics if name not in METRICS]
    if unknown:
        raise AdaBertError(f"metrics: got {unknown[0]!r}, known are {', '.join(METRICS)}")
    found, true = np.asarray(predictions), np.asarray(labels)
    if found.shape != true.shape or true.ndim != 1 or not true.size:
        raise AdaBertError(
            f"score: got {found.shape} predictions for {true.shape} labels, allowed is one class "
            "id per row and at least one row"
        )
    if "f1" in task_metrics and max(found.max(), true.max()) > 1:
        raise AdaBertError("metrics: got f1 for more than 2 classes; use accuracy")
    return {name: METRICS[name](true, found) for name in task_metrics}
