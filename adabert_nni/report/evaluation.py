"""What a run got right and wrong, and what its teacher's layers knew: ``evaluation.json``.

Reads what teacher, probes and student have left, so that a report needs no model. It must not know how it is
shown. Shapes: R rows, J teacher layers, C classes, K student layers.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from adabert_nni.data.encoding import Encoded
from adabert_nni.data.tasks import Rows, Splits
from adabert_nni.files import read_json, write_json
from adabert_nni.losses import (
    UNLABELLED,
    matched_layers,
    squared_transfer_weights,
    transfer_weights,
)
from adabert_nni.metrics import PREDICTIONS

logger = logging.getLogger(__name__)

EVALUATION = "evaluation.json"
MOST_EXAMPLES, MOST_LETTERS = 20, 600

Weigh = Callable[[Tensor, Tensor, int], Tensor]
Answers = Mapping[str, Sequence[Any]]  # what ``metrics.answers`` gives


def write_evaluation(
    output: Path, splits: Splits, train: Encoded, *, teacher: Path, probes: Path
) -> None:
    """Write ``evaluation.json`` into a run's folder.

    Args:
        output: the run's folder, with ``student/`` finished.
        splits: the task and its rows.
        train: the training rows joined with the probe table.
        teacher: the teacher's folder; one of an earlier version may lack its answers.
        probes: the folder of the probes.
    """
    folders = {"teacher": teacher, "student": output / "student"}
    found = {
        side: read_json(folder / PREDICTIONS)
        for side, folder in folders.items()
        if (folder / PREDICTIONS).is_file()
    }
    task, rows = splits.task, splits.validation
    record: dict[str, Any] = {"split": task.validation, "labels": list(task.labels)}
    is_class = len(task.labels) > 1
    record |= compare(rows, len(task.labels), found) if is_class else {"rows": len(rows)}
    for side, counts in record.get("confusion", {}).items():
        _warn_of_nothing_learnt(side, counts, task.labels)
    depth = read_json(output / "student" / "config.json")["architecture"]["depth"]
    if train.teacher is not None:
        told = read_json(probes / "probes.json")
        record["knowledge"] = {
            "metric": task.metrics[0],
            "probes": told[f"selection_{task.metrics[0]}"],
            "teacher": told[f"teacher_selection_{task.metrics[0]}"],
            "matched": matched_layers(depth, train.teacher.shape[1]),
            "weights": mean_weights(
                transfer_weights if is_class else squared_transfer_weights,
                train.teacher,
                train.labels,
                depth,
            ),
        }
    write_json(output / EVALUATION, record)


def compare(rows: Rows, classes: int, found: Mapping[str, Answers]) -> dict[str, Any]:
    """Confusion of each side, and where the two disagree.

    Args:
        rows: R rows.
        classes: C.
        found: by side, ``teacher`` and ``student``, its R answers; a side may be missing.

    Returns:
        ``rows``; ``confusion``: by side C rows of true classes by C answered ones, in counts; with both sides
        ``agreement``, a share, and ``disagreements``: at most ``MOST_EXAMPLES``, those first in which the less
        sure of both is surest.
    """
    record: dict[str, Any] = {"rows": len(rows)}
    record["confusion"] = {
        side: confusion(rows.labels, answers["classes"], classes) for side, answers in found.items()
    }
    if {"teacher", "student"} <= found.keys():
        sides = [found[side]["classes"] for side in ("teacher", "student")]
        apart = [row for row, (a, b) in enumerate(zip(*sides, strict=True)) if a != b]
        record["agreement"] = 1 - len(apart) / len(rows)
        apart.sort(key=lambda row: -min(answers["confidence"][row] for answers in found.values()))
        record["disagreements"] = [_example(rows, row, found) for row in apart[:MOST_EXAMPLES]]
    return record


def confusion(labels: Sequence[float], answered: Sequence[int], classes: int) -> list[list[int]]:
    """Counts (C, C): rows of a true class, columns of the class that was answered."""
    counts = [[0] * classes for _ in range(classes)]
    for label, answer in zip(labels, answered, strict=True):
        counts[int(label)][answer] += 1
    return counts


def _warn_of_nothing_learnt(side: str, counts: list[list[int]], names: Sequence[str]) -> None:
    sizes = [sum(row) for row in counts]
    right, most = sum(counts[i][i] for i in range(len(counts))), max(sizes)
    if right <= most:
        logger.warning(
            "%s: %d of %d validation rows are right, and %d would be by answering %r always: look at the labels; "
            "it may need more rows, more epochs, or another learning rate",
            *(side, right, sum(sizes), most, names[sizes.index(most)]),
        )


def mean_weights(weigh: Weigh, teacher: Tensor, labels: Tensor, depth: int) -> list[float]:
    """The weights w of equation (4), mean over the rows with a label: without one all layers weigh the same.

    Args:
        weigh: ``transfer_weights``, or that of regression.
        teacher: the probes' table, (R, J, C).
        labels: (R,), ``UNLABELLED`` where a row has none; one has one at least.
        depth: K.

    Returns:
        One per student layer, K in all; they sum to 1.
    """
    known = labels != UNLABELLED
    weights = weigh(teacher[known], labels[known], depth).mean(0)
    return [round(weight, 4) for weight in weights.tolist()]


def _example(rows: Rows, row: int, found: Mapping[str, Answers]) -> dict[str, Any]:
    texts = rows.texts[row]
    cut = [text[:MOST_LETTERS] + "…" * (len(text) > MOST_LETTERS) for text in texts]
    told: dict[str, Any] = {"row": rows.ids[row], "texts": cut, "label": rows.labels[row]}
    for side, answers in found.items():
        told[side] = answers["classes"][row]
        told[f"{side}_confidence"] = answers["confidence"][row]
    return told
