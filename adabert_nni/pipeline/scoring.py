"""Score a finished student, or an export of one, on rows with labels: what ``adabert evaluate`` does.

Wires the stages, computes nothing; every result is plain JSON. No teacher is needed.
"""

import logging
import time
from pathlib import Path
from typing import Any

from adabert_nni.config import DataConfig
from adabert_nni.data.columns import choose_columns
from adabert_nni.data.files_in import read_file, to_table
from adabert_nni.data.labels import to_classes, to_values
from adabert_nni.data.tasks import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.metrics import score
from adabert_nni.pipeline.rows import unseen_rows
from adabert_nni.progress import progress
from adabert_nni.student.predict import Classifier, load_classifier, predictions
from adabert_nni.student.task import check_task

logger = logging.getLogger(__name__)


def evaluate(student: Path, data: DataConfig, batch: int = 64) -> dict[str, Any]:
    """Score a student, or an export of one, on the validation rows of a task.

    Args:
        student: its folder.
        data: which rows; they must have the classes that the student knows.
        batch: rows per step.

    Returns:
        ``task``, ``rows``, the task's metrics, ``seconds``.

    Raises:
        AdaBertError: if there is no student, no rows, or their classes differ; as ``unseen_rows``.
    """
    classifier = load_classifier(student)
    splits = unseen_rows(data, student)
    check_task(classifier.config, splits.task, student)
    return {
        "task": splits.task.name,
        **_scores(classifier, splits.validation, splits.task.metrics, batch),
    }


def evaluate_file(
    student: Path,
    file: Path,
    batch: int = 64,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
) -> dict[str, Any]:
    """Score a student on all rows of a file that have a label.

    Args:
        student: its folder.
        file: csv, tsv or jsonl, plain or .gz.
        batch: rows per step.
        text: column of the first text; None guesses it, and that of a second one.
        text_pair: column of the second text.
        label: column of the label; None guesses it.

    Returns:
        As ``evaluate``; ``task`` is the file.

    Raises:
        AdaBertError: if there is no student, or the file lacks a column, a label or has one that is unknown.
    """
    classifier, source = load_classifier(student), read_file(file)
    columns = choose_columns(source, text, text_pair, label)
    table, problem = to_table(source, columns.texts, columns.label), classifier.problem
    if problem.classes:
        rows, without = to_classes(table, tuple(classifier.labels)).by_label()
    else:
        rows, without = to_values(table).by_label()
    if len(without):
        logger.warning("%s: %d rows have no label; dropped", file, len(without))
    if not len(rows):
        raise AdaBertError(f"{file}: no row has a label in column {columns.label!r}; add labels")
    return {"task": str(file), **_scores(classifier, rows, problem.metrics, batch)}


def _scores(
    classifier: Classifier, rows: Rows, metrics: tuple[str, ...], batch: int
) -> dict[str, Any]:
    start = time.monotonic()
    ids = {name: index for index, name in enumerate(classifier.labels)}
    texts = progress(rows.texts, len(rows), "evaluate")
    answers = predictions(classifier, texts, batch)
    found = [ids[one.label] if one.value is None else one.value for one in answers]
    scores = score(metrics, found, rows.labels)
    return {"rows": len(rows), **scores, "seconds": round(time.monotonic() - start, 2)}
