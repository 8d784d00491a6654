"""Score a finished student, or an export of one, on rows with labels: what ``adabert evaluate`` does.

Wires the stages, computes nothing; every result is plain JSON. No teacher is needed.
"""

import time
from pathlib import Path
from typing import Any

from adabert_nni.config import DataConfig
from adabert_nni.data.files_in import Table, read_table
from adabert_nni.data.labels import to_values
from adabert_nni.data.tasks import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.metrics import score
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.progress import progress
from adabert_nni.student.predict import Classifier, load_classifier, predictions


def evaluate(student: Path, data: DataConfig, batch: int = 64) -> dict[str, Any]:
    """Score a student, or an export of one, on the validation rows of a task.

    Args:
        student: its folder.
        data: which rows; they must have the classes that the student knows.
        batch: rows per step.

    Returns:
        ``task``, ``rows``, the task's metrics, ``seconds``.

    Raises:
        AdaBertError: if there is no student, no rows, or their classes differ.
    """
    classifier = load_classifier(student)
    splits = read_rows(data)
    if list(splits.task.labels) != classifier.labels:
        raise AdaBertError(
            f"{student}: knows the classes {', '.join(classifier.labels)}, but {splits.task.name} has "
            f"{', '.join(splits.task.labels)}; give the rows that it was made for, or --rows FILE"
        )
    return {
        "task": splits.task.name,
        **_scores(classifier, splits.validation, splits.task.metrics, batch),
    }


def evaluate_file(
    student: Path, file: Path, texts: tuple[str, ...], label: str, batch: int = 64
) -> dict[str, Any]:
    """Score a student on all rows of a file; arguments and result as ``evaluate``, ``task`` is the file."""
    classifier = load_classifier(student)
    table, problem = read_table(file, texts, label), classifier.problem
    if problem is not CLASSIFICATION:
        return {
            "task": str(file),
            **_scores(classifier, _valued(table, file), problem.metrics, batch),
        }
    ids: dict[str | None, int] = {name: index for index, name in enumerate(classifier.labels)}
    for name, line in zip(table.labels, table.lines, strict=True):
        if name not in ids:
            raise AdaBertError(
                f"{file} line {line}: got label {name!r}, the student knows "
                f"{', '.join(classifier.labels[:20])}; correct the label or drop the row"
            )
    rows = Rows(table.texts, [ids[name] for name in table.labels], list(range(len(table.lines))))
    return {"task": str(file), **_scores(classifier, rows, ("accuracy",), batch)}


def _valued(table: Table, file: Path) -> Rows:
    """The rows of a file with values as labels, which none may lack."""
    rows, unknown = to_values(table).by_label()
    if len(unknown):
        raise AdaBertError(
            f"{file} line {table.lines[unknown.ids[0]]}: has no label; add it or drop the row"
        )
    return rows


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
