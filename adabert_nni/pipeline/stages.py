"""One stage of the path at a time, each from the settings or from the folder of the one before it.

What ``adabert teacher``, ``probe``, ``search``, ``derive`` and ``evaluate`` do; every result is plain JSON.
Wires the stages, computes nothing.
"""

from pathlib import Path
from typing import Any

from adabert_nni.config import Config
from adabert_nni.files import atomic_write, new_folder, read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.pipeline import run, searching
from adabert_nni.pipeline.inputs import build_teacher, prepare, use_threads
from adabert_nni.pipeline.places import places
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.problems import UNSCALED, unscale_head
from adabert_nni.report.plot import cell_svg
from adabert_nni.spaces import SpaceConfig
from adabert_nni.student.export import save_student
from adabert_nni.student.train import evaluate as score_student
from adabert_nni.teacher.finetune import METRICS as TEACHER_METRICS
from adabert_nni.teacher.probes import REPORT as PROBE_REPORT


def teacher(config: Config) -> dict[str, Any]:
    """Fine-tune the teacher, or reuse the one in the cache.

    Args:
        config: all settings; those of the data, the teacher and the cache count.

    Returns:
        ``folder``, and what its ``metrics.json`` says.

    Raises:
        AdaBertError: if rows or teacher cannot be had.
    """
    use_threads(config)
    splits = read_rows(config.data)
    folder = build_teacher(config, splits, places(config, splits))
    return {"folder": str(folder), **read_json(folder / TEACHER_METRICS)}


def probe(config: Config) -> dict[str, Any]:
    """Build the table of what each layer of the teacher believes, or reuse the one in the cache.

    Args:
        config: all settings; as for ``teacher``, and ``probe_epochs``.

    Returns:
        ``folder``, and what its ``probes.json`` says: accuracy per layer among it.

    Raises:
        AdaBertError: if rows or teacher cannot be had.
    """
    splits = read_rows(config.data)
    prepare(config, SpaceConfig.load(config.search.space).dim, splits)
    folder = places(config, splits).probes
    return {"folder": str(folder), **read_json(folder / PROBE_REPORT)}


def search(config: Config, output: Path) -> dict[str, Any]:
    """Search only; ``compress`` with the same settings and output goes on from it.

    Args:
        config: all settings.
        output: folder of the run; gets ``search/``, ``architecture.json`` and ``cell.svg``.

    Returns:
        ``folder`` of the search, the file ``architecture``, its ``depth`` and ``edges``, the last epoch's
        ``selection_accuracy`` (``selection_r2`` in regression), and ``targets``.

    Raises:
        AdaBertError: as ``run.compress``.
    """
    found = searching.search(config, output)
    architecture = Architecture.load(found.folder / "architecture.json")
    architecture.save(output / "architecture.json")
    atomic_write(output / "cell.svg", cell_svg(architecture))
    record = read_json(found.folder / "search.json")
    return {
        "folder": str(found.folder),
        "architecture": str(output / "architecture.json"),
        "depth": architecture.depth,
        "edges": dict(architecture.live_edges()),
        f"selection_{found.inputs.splits.task.metrics[0]}": record["epochs"][-1]["default"],
        "targets": record.get("targets", {}),
    }


def derive(searched: Path, output: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Cut the student out of a search and write it as it is, before any training of its own.

    Args:
        searched: folder of a search, or of the run that holds it.
        output: new folder for the student.
        overrides: settings that differ from the search's, such as ``student_start`` or ``cache``.

    Returns:
        ``folder``, ``depth``, and the scores on ``selection`` and ``validation``.

    Raises:
        AdaBertError: if there is no finished search, or ``output`` holds something.
    """
    with new_folder(output) as half:
        config, found = searching.reopen(searched, overrides)
        inputs = found.inputs
        student = run.start_student(config, found).eval().without_probes()
        task = inputs.splits.task
        # Selection labels are in the units of the task's scale, in which only the first metric means the same.
        chosen_by = task.metrics if task.scale == UNSCALED else task.metrics[:1]
        scores = {"selection": score_student(student, inputs.selection, chosen_by, task.problem)}
        unscale_head(student, task.scale)
        rows = inputs.validation
        scores["validation"] = score_student(student, rows, task.metrics, task.problem)
        save_student(
            student,
            inputs.tokenizer,
            half,
            scores=scores["validation"],
            history=[
                {
                    "epoch": 0,
                    **{f"selection_{k}": v for k, v in list(scores["selection"].items())[:1]},
                }
            ],
            seconds=0.0,
        )
    return {"folder": str(output), "depth": student.config.architecture["depth"], **scores}
