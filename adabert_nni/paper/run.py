"""Runs the cells that are missing, one after the other, and keeps a record of each.

A record is a JSON file below the folder of results, named by the run's hash: found there, the cell is finished. A
cell's working folder is fixed too, so a killed run is gone on with. It must not know what a table looks like.
"""

import logging
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adabert_nni.benchmark.machine import commit
from adabert_nni.config import NOT_HASHED
from adabert_nni.data.tasks import get_task
from adabert_nni.files import read_json, write_json
from adabert_nni.paper.cells import Cell

logger = logging.getLogger(__name__)

Runner = Callable[[Cell, Path], dict[str, Any]]  # cell, working folder -> metrics.json's keys
ARCHITECTURE = "architecture.json"


def record_path(results: Path, cell: Cell) -> Path:
    """Where the cell's record lies, or will."""
    system = re.sub(r"[^\w-]", "-", cell.system).strip("-")
    return results / cell.table / f"{cell.task}-{system}-{cell.seed}-{cell.run}.json"


def finished(results: Path, cell: Cell) -> dict[str, Any] | None:
    """The record of the cell, or of another cell that is the same run; None if it has not been run."""
    path = record_path(results, cell)
    others = sorted(results.glob(f"*/*-{cell.run}.json"))
    found = path if path.is_file() else next(iter(others), None)
    if found is None:
        return None
    return {**read_json(found), **_named(cell), "forced": list(cell.forced)}


def run_cell(
    cell: Cell,
    runs: Path,
    results: Path,
    overrides: Mapping[str, Any],
    runners: Mapping[str, Runner] | None = None,
) -> dict[str, Any]:
    """The record of a cell, which is run if it is missing, and before it the one whose architecture it takes.

    Args:
        cell: what to run.
        runs: holds a working folder for each run, by its hash.
        results: folder of the records.
        overrides: flat settings that were asked for, for the record's command.
        runners: how each kind is run; None takes ``RUNNERS``.

    Returns:
        What the record says.

    Raises:
        AdaBertError: if the run cannot be done; records and what it has finished stay.
    """
    record = finished(results, cell)
    if record is None:
        output = runs / cell.run
        if cell.source is not None:
            given = run_cell(cell.source, runs, results, overrides, runners)
            write_json(output / "given.json", given["architecture"])
        logger.info("%s, %s, %s, seed %d: %s", *_named(cell).values(), output)
        code = commit()  # of the code that is about to run, not of what lies there when it has
        metrics = (runners or RUNNERS)[cell.kind](cell, output)
        record = {**_named(cell), **_told(cell, metrics, output)}
        record |= {"command": command(cell, overrides), "commit": code}
    if not record_path(results, cell).is_file():
        write_json(record_path(results, cell), record)
    return record


def command(cell: Cell, overrides: Mapping[str, Any]) -> str:
    """The command that makes this cell; paths and threads are the reader's own."""
    seed = cell.seed if cell.source is None else cell.source.seed
    words = ["adabert", "paper", cell.table, "--tasks", _tasks(cell), "--systems", cell.system]
    words += ["--seeds", str(seed)]
    for key, value in overrides.items():
        if key not in NOT_HASHED:
            words += [f"--{key.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _tasks(cell: Cell) -> str:
    """The task, and that of the structure if it is another one."""
    source = cell.task if cell.source is None else cell.source.task
    return ",".join(dict.fromkeys((cell.task, source)))


def _named(cell: Cell) -> dict[str, Any]:
    return {"table": cell.table, "task": cell.task, "system": cell.system, "seed": cell.seed}


def _told(cell: Cell, metrics: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """What a record keeps of a run's metrics."""
    names: Sequence[str] = get_task(cell.task).metrics
    drawn = output / ARCHITECTURE
    return {
        "run": cell.run,
        "metric": names[0],
        "value": metrics[f"student_{names[0]}"],
        "scores": {name: metrics[f"student_{name}"] for name in names},
        "teacher_scores": {name: metrics[f"teacher_{name}"] for name in names},
        "params": metrics["student_params"],
        "depth": metrics.get("depth"),
        "speedup": metrics["speedup_vs_bert_base"],
        f"selection_{names[0]}": metrics.get(f"selection_{names[0]}"),
        "seconds": metrics.get("run_seconds"),
        **{key: metrics.get(key) for key in ("batch", "length", "threads", "device")},
        "architecture": read_json(drawn) if drawn.is_file() else None,
        "teacher": cell.config.teacher.teacher,
        "precision": cell.config.precision,
        "settings": cell.relevant(cell.config.flat()),
        "forced": list(cell.forced),
    }


def _teacher(cell: Cell, output: Path) -> dict[str, Any]:
    """The teacher as a student of its own: the same scores on both sides, its size and speed."""
    from adabert_nni.benchmark.speedup import speedups
    from adabert_nni.pipeline import stages
    from adabert_nni.report.summary import LENGTH, load_local

    told = stages.teacher(cell.config)
    model = load_local(Path(told["folder"]))
    run = cell.config.run
    length = min(LENGTH, model.config.max_position_embeddings)
    timing = speedups(model, model, length=length, repetitions=run.repetitions, threads=run.threads)
    sides = ("teacher", "student")
    scores = {f"{side}_{k}": v for side in sides for k, v in told["validation"].items()}
    more = {"student_params": told["params"], "run_seconds": told["seconds"]}
    more |= {f"selection_{name}": value for name, value in told["selection"].items()}
    return {**timing, **scores, **more}


def _compress(cell: Cell, output: Path) -> dict[str, Any]:
    from adabert_nni.pipeline.run import compress

    return compress(cell.config, output)


def _fixed(cell: Cell, output: Path) -> dict[str, Any]:
    from adabert_nni.pipeline.run import train_fixed

    given = output / "given.json"
    return train_fixed(cell.config, given, output, random_like=cell.kind == "random")


def _uniform(cell: Cell, output: Path) -> dict[str, Any]:
    from adabert_nni.pipeline.run import train_fixed
    from adabert_nni.spaces import SpaceConfig
    from adabert_nni.student.draw import draw_any

    space = SpaceConfig.load(cell.config.search.space)
    drawn = draw_any(space.ops, space.nodes, space.max_depth, cell.seed)
    write_json(output / "given.json", drawn.to_dict())
    return train_fixed(cell.config, output / "given.json", output)


def _baseline(cell: Cell, output: Path) -> dict[str, Any]:
    from adabert_nni.paper.baseline import train_baseline

    return train_baseline(cell.config, cell.system, output)


RUNNERS: dict[str, Runner] = {
    "teacher": _teacher,
    "compress": _compress,
    "baseline": _baseline,
    "fixed": _fixed,
    "random": _fixed,
    "uniform": _uniform,
}
