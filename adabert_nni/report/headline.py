"""The top of a run's page: the result in one sentence and its numbers.

Reads the keys of ``metrics.json``. It must not know models, files or how a page looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adabert_nni.report.tables import megabytes, millions, milliseconds, ratio, shown

SIDES = ("student", "teacher")


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page: what it is, the number, and what it is beside another."""

    name: str
    value: str
    note: str = ""


def claim(metrics: Mapping[str, Any]) -> str:
    """The result in one sentence, of what ``metrics`` has."""
    parts = []
    if "speedup_vs_bert_base" in metrics:
        parts.append(
            f"is {ratio(metrics['speedup_vs_bert_base'], 'faster', 'slower')} than BERT-base"
        )
    if "speedup_vs_teacher" in metrics:
        parts.append(f"{ratio(metrics['speedup_vs_teacher'], 'faster', 'slower')} than its teacher")
    metric = metrics.get("metric", "accuracy")
    if metrics[f"teacher_{metric}"] > 0:
        share = metrics[f"student_{metric}"] / metrics[f"teacher_{metric}"]
        parts.append(f"keeps {100 * share:.1f} % of the teacher's {metric}")
    told = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"A student of {millions(metrics['student_params'])} parameters that {told}."


def tiles(metrics: Mapping[str, Any]) -> list[Tile]:
    """The numbers at the top of the page."""
    metric = metrics.get("metric", "accuracy")
    student, teacher = (shown(metric, metrics[f"{side}_{metric}"]) for side in SIDES)
    found = [
        Tile(metric, student, f"teacher {teacher}"),
        Tile(
            "parameters",
            millions(metrics["student_params"]),
            f"teacher {millions(metrics['teacher_params'])}",
        ),
    ]
    if "student_bytes" in metrics:
        size = megabytes(metrics["student_bytes"])
        found.append(Tile("on disk", size, f"teacher {megabytes(metrics['teacher_bytes'])}"))
    if "student_ms" in metrics:
        of = f"{metrics['batch']} x {metrics['length']} tokens, " if "batch" in metrics else ""
        found.append(
            Tile(
                "per batch",
                milliseconds(metrics["student_ms"]),
                f"{of}teacher {milliseconds(metrics['teacher_ms'])}",
            )
        )
    if "speedup_vs_bert_base" in metrics:
        faster = f"{metrics['speedup_vs_bert_base']:.1f}x"
        found.append(Tile("speed", faster, f"BERT-base's, {_where(metrics)}"))
    if "depth" in metrics:
        cells = "cell" if metrics["depth"] == 1 else "cells"
        found.append(Tile("depth", f"{metrics['depth']} {cells}", "stacked, one architecture"))
    return found


def _where(metrics: Mapping[str, Any]) -> str:
    count = metrics.get("threads")
    threads = f"{count} thread{'s' if count > 1 else ''}" if count else ""
    return ", ".join(
        filter(None, [str(metrics.get("device", "")), threads, metrics.get("dtype", "")])
    )
