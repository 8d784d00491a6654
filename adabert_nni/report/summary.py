"""Close a run: time the student beside its teacher and BERT-base, and write metrics, card and drawing.

Reads the finished folders of a run; trains nothing and chooses nothing.
"""

import logging
import platform
import resource
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from adabert_nni.benchmark.counting import count_params, flops, setting
from adabert_nni.benchmark.speedup import speedups
from adabert_nni.data.tasks import Task
from adabert_nni.files import atomic_write, read_json, write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.card import model_card
from adabert_nni.report.plot import cell_svg

logger = logging.getLogger(__name__)

PACKAGES = ("adabert_nni", "nni", "torch", "transformers")
WEIGHTS = "model.safetensors"
LENGTH = 128  # tokens of a row in the timing, or all that the student takes
SHOWN = (
    *("student_params", "student_gflop", "depth"),
    *("student_ms", "speedup_vs_teacher", "speedup_vs_bert_base"),
)


def write_report(
    output: Path,
    *,
    teacher: Path,
    task: Task,
    settings: dict[str, Any],
    repetitions: int,
    seconds: float,
    exports: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure; write ``metrics.json``, ``architecture.json``, ``cell.svg``, ``teacher.json``, the model card.

    Args:
        output: folder of the run, with ``student/`` and ``search/`` finished.
        teacher: the teacher's folder.
        task: the task.
        settings: flat settings of the run, for the record.
        repetitions: passes of the slowest model in the timing, >= 1.
        seconds: how long the run has taken up to here in this process.
        exports: by format, the record of an export of the student.

    Returns:
        What ``metrics.json`` says.
    """
    student = load_local(output / "student")
    architecture = Architecture.from_dict(student.config.architecture)
    metrics = {
        **compare(output, student, teacher, task=task, repetitions=repetitions, seconds=seconds),
        "depth": architecture.depth,
        **_targets(output / "search" / "search.json"),
        **({"exports": dict(exports)} if exports else {}),
    }
    versions = _record(output, teacher, metrics, settings)
    write_json(output / "architecture.json", architecture.to_dict())
    atomic_write(output / "cell.svg", cell_svg(architecture))
    card = model_card(
        task=task, metrics=metrics, architecture=architecture, settings=settings, versions=versions
    )
    atomic_write(output / "student" / "README.md", card)
    return metrics


def write_comparison(
    output: Path,
    student: nn.Module,
    *,
    teacher: Path,
    task: Task,
    settings: dict[str, Any],
    repetitions: int,
    seconds: float,
    longest: int,
) -> dict[str, Any]:
    """Measure a student of any kind as ``write_report`` does; write the files that need no architecture.

    Args:
        output: folder of the run, with ``student/`` finished.
        student: the model that lies there.
        teacher: the teacher's folder.
        task: the task.
        settings: what the student was made from, for the record.
        repetitions: as in ``write_report``.
        seconds: as in ``write_report``.
        longest: tokens that rows were cut to; no more are timed.

    Returns:
        What ``metrics.json`` says.
    """
    limits = {"repetitions": repetitions, "longest": longest}
    metrics = compare(output, student, teacher, task=task, seconds=seconds, **limits)
    _record(output, teacher, metrics, settings)
    return metrics


def load_local(folder: Path) -> PreTrainedModel:
    """A classifier in eval mode; modelling code beside a student stays unused, since its class is registered."""
    local = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    return AutoModelForSequenceClassification.from_pretrained(folder, **local).eval()


def compare(
    output: Path,
    student: nn.Module,
    teacher: Path,
    *,
    task: Task,
    repetitions: int,
    seconds: float,
    longest: int = LENGTH,
) -> dict[str, Any]:
    """Scores, sizes and times of the student in ``output`` beside its teacher's, as in ``write_report``."""
    teacher_model = load_local(teacher)
    of_teacher, of_student = (
        read_json(teacher / "metrics.json"),
        read_json(output / "student" / "scores.json"),
    )
    reads = [setting(one, "max_position_embeddings", LENGTH) for one in (student, teacher_model)]
    length = min(LENGTH, longest, *reads)
    logger.info(
        "report: timing student, teacher and BERT-base, %d passes of each at least", repetitions + 1
    )
    timing = speedups(student, teacher_model, length=length, repetitions=repetitions)
    metric = task.metrics[0]
    return {
        "task": task.name,
        "metric": metric,
        **{f"teacher_{name}": value for name, value in of_teacher["validation"].items()},
        **{f"student_{name}": value for name, value in of_student["validation"].items()},
        "teacher_params": count_params(teacher_model),
        "student_params": count_params(student),
        "teacher_bytes": (teacher / WEIGHTS).stat().st_size,
        "student_bytes": (output / "student" / WEIGHTS).stat().st_size,
        "student_gflop": flops(student, int(timing["batch"]), length),
        **timing,
        f"selection_{metric}": max(e[f"selection_{metric}"] for e in of_student["history"]),
        "teacher_seconds": of_teacher["seconds"],
        "student_seconds": of_student["seconds"],
        "run_seconds": round(seconds, 1),
        "peak_bytes": peak_bytes(),
    }


def _record(
    output: Path, teacher: Path, metrics: dict[str, Any], settings: dict[str, Any]
) -> dict[str, str]:
    """Write ``metrics.json``, ``settings.json`` and ``teacher.json``; the versions of what has run."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    write_json(output / "metrics.json", metrics)
    write_json(output / "settings.json", {"settings": settings, "versions": versions})
    write_json(
        output / "teacher.json", {"folder": str(teacher), "params": metrics["teacher_params"]}
    )
    return versions


def _targets(search: Path) -> dict[str, Any]:
    """The targets that a search was given, and whether they are met; nothing if there were none."""
    targets = read_json(search).get("targets") if search.is_file() else None
    return {"targets": targets} if targets else {}


def peak_bytes() -> int:
    """Most memory that this process has held so far, in bytes, as the kernel counts it."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """What NNI's web UI shows of a finished run: few numbers, ``default`` first.

    Args:
        metrics: what ``write_report`` returned.

    Returns:
        ``default`` is the student's score on the selection split, so that trials are never ranked by what is
        reported.
    """
    metric = metrics["metric"]
    shown = (f"student_{metric}", f"teacher_{metric}", *SHOWN)
    chosen_by = float(metrics[f"selection_{metric}"])
    return {"default": chosen_by, **{key: float(metrics[key]) for key in shown}}
