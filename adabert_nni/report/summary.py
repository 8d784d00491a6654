"""Close a run: time the student beside its teacher and BERT-base, and write metrics, card and drawing.

Reads the finished folders of a run; trains nothing and chooses nothing.
"""

import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification

from adabert_nni.benchmark.speedup import speedups
from adabert_nni.benchmark.timing import count_params, flops
from adabert_nni.data.tasks import Task
from adabert_nni.files import atomic_write, read_json, write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.card import model_card
from adabert_nni.report.plot import cell_svg

PACKAGES = ("adabert_nni", "nni", "torch", "transformers")
WEIGHTS = "model.safetensors"
SHOWN = (
    *("student_accuracy", "teacher_accuracy", "student_params", "student_gflop", "depth"),
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
) -> dict[str, Any]:
    """Measure; write ``metrics.json``, ``architecture.json``, ``cell.svg``, ``teacher.json``, the model card.

    Args:
        output: folder of the run, with ``student/`` and ``search/`` finished.
        teacher: the teacher's folder.
        task: the task.
        settings: flat settings of the run, for the record.
        repetitions: passes of the slowest model in the timing, >= 1.
        seconds: how long the run has taken up to here in this process.

    Returns:
        What ``metrics.json`` says.
    """
    load = AutoModelForSequenceClassification.from_pretrained
    # The copy of the modelling code in the student's folder stays unused: its class is registered.
    local = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    student_model = load(output / "student", **local).eval()
    teacher_model = load(teacher, **local).eval()
    architecture = Architecture.from_dict(student_model.config.architecture)
    of_teacher, of_student = (
        read_json(teacher / "metrics.json"),
        read_json(output / "student" / "scores.json"),
    )
    length = min(128, student_model.config.max_position_embeddings)
    timing = speedups(student_model, teacher_model, length=length, repetitions=repetitions)
    metrics = {
        "task": task.name,
        **{f"teacher_{name}": value for name, value in of_teacher["validation"].items()},
        **{f"student_{name}": value for name, value in of_student["validation"].items()},
        "teacher_params": count_params(teacher_model),
        "student_params": count_params(student_model),
        "teacher_bytes": (teacher / WEIGHTS).stat().st_size,
        "student_bytes": (output / "student" / WEIGHTS).stat().st_size,
        "student_gflop": flops(student_model, int(timing["batch"]), length),
        "depth": architecture.depth,
        **_targets(output / "search" / "search.json"),
        **timing,
        "selection_accuracy": max(epoch["selection_accuracy"] for epoch in of_student["history"]),
        "teacher_seconds": of_teacher["seconds"],
        "student_seconds": of_student["seconds"],
        "run_seconds": round(seconds, 1),
        "peak_bytes": peak_bytes(),
    }
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    write_json(output / "metrics.json", metrics)
    write_json(output / "settings.json", {"settings": settings, "versions": versions})
    write_json(
        output / "teacher.json", {"folder": str(teacher), "params": metrics["teacher_params"]}
    )
    write_json(output / "architecture.json", architecture.to_dict())
    atomic_write(output / "cell.svg", cell_svg(architecture))
    card = model_card(
        task=task, metrics=metrics, architecture=architecture, settings=settings, versions=versions
    )
    atomic_write(output / "student" / "README.md", card)
    return metrics


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
        metrics: what ``write_report`` returned, for a run with a selection accuracy.

    Returns:
        ``default`` is the student's accuracy on the selection split, so that trials are never
        ranked by what is reported.
    """
    shown = {key: float(metrics[key]) for key in SHOWN}
    return {"default": float(metrics["selection_accuracy"]), **shown}
