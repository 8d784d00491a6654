"""Students beside each other: accuracy against speed, over the trials of an experiment and further runs.

It must not know how a page looks, and reads no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from adabert_nni.report.charts import Point, front, scatter
from adabert_nni.report.figures import Figure, tick_of
from adabert_nni.report.runs import Run
from adabert_nni.report.tables import millions, milliseconds, shown

COLUMNS = {
    "name": "student",
    "selection": "selection",
    "score": "reported",
    "speed": "x BERT-base",
    "params": "parameters",
    "ms": "per batch",
    "front": "on the front",
}


@dataclass(frozen=True)
class Comparison:
    """Students between speed and accuracy.

    Attributes:
        figure: the scatter.
        rows: one a student, as text, by the keys of ``COLUMNS``.
    """

    figure: Figure
    rows: list[dict[str, str]]


def compare(run: Run, others: Sequence[Run]) -> Comparison | None:
    """Score against speed over the trials of the run's experiment and ``others``.

    A trial is ranked by its score on the selection split, since what is reported must choose nothing.

    Args:
        run: the run that is told of.
        others: more runs of its task.

    Returns:
        None if there is no second student.
    """
    students = _trials(run) or [{**_student(run), "here": True}]
    students += [_student(other) for other in others]
    if len(students) < 2:
        return None
    points = [
        Point(one["name"], one["speedup_vs_bert_base"], one["selection"], one["here"])
        for one in students
    ]
    best = front(points)
    rows = [
        _row(one, run.metric, point in best) for one, point in zip(students, points, strict=True)
    ]
    chart = scatter(
        points,
        lambda speed: f"{speed:.4g}x",
        tick_of(run.metric),
        "times faster than BERT-base",
    )
    legend = [("c0", "students, and their front"), ("c1", "the student of this page")]
    note = f"Selection {run.metric} against times faster than BERT-base: best is the upper right."
    return Comparison(
        Figure(f"{run.metric.capitalize()} and speed", Markup(chart), legend, note), rows
    )


def _trials(run: Run) -> list[dict[str, Any]]:
    """The numbers of all trials, the one in this folder marked ``here``."""
    return [
        {
            **trial["numbers"],
            "name": _name(trial),
            "selection": trial["numbers"]["default"],
            "here": trial["numbers"]["student_ms"] == run.metrics["student_ms"],
        }
        for trial in run.trials
    ]


def _name(trial: dict[str, Any]) -> str:
    told = ", ".join(f"{key} {value}" for key, value in trial["parameters"].items())
    return f"{trial['trial']} ({told})" if told else str(trial["trial"])


def _student(run: Run) -> dict[str, Any]:
    selection = run.metrics[f"selection_{run.metric}"]
    name = run.folder.resolve().name
    return {**run.metrics, "selection": selection, "name": name, "here": False}


def _row(one: dict[str, Any], metric: str, is_best: bool) -> dict[str, str]:
    return {
        "name": one["name"],
        "selection": shown(metric, one["selection"]),
        "score": shown(metric, one[f"student_{metric}"]),
        "speed": f"{one['speedup_vs_bert_base']:.1f}",
        "params": millions(int(one["student_params"])),
        "ms": milliseconds(one["student_ms"]),
        "front": "yes" if is_best else "",
    }
