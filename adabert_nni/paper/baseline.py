"""One run of a baseline, from rows to numbers. Wires the stages, computes nothing."""

import time
from pathlib import Path
from typing import Any

from adabert_nni.baselines.build import WORDS
from adabert_nni.baselines.run import run_baseline
from adabert_nni.baselines.store import load_baseline
from adabert_nni.baselines.table import get_baseline
from adabert_nni.checkpoint import Checkpoint, built_resumably
from adabert_nni.config import Config
from adabert_nni.errors import AdaBertError
from adabert_nni.pipeline.inputs import prepare
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.report.summary import write_comparison
from adabert_nni.teacher.loading import load_classifier


def train_baseline(config: Config, name: str, output: Path) -> dict[str, Any]:
    """Train a baseline from the teacher and on the rows that ``compress`` takes.

    Args:
        config: all settings; those of the search and the student do not count.
        name: key of the table of baselines.
        output: folder of the run.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if the baseline is unknown, does not fit the teacher, or ``output`` is of other settings; if
            the labels are numbers.
    """
    started = time.monotonic()
    own, asked, splits = get_baseline(name), config.baseline, read_rows(config.data)
    if not splits.task.problem.classes:
        raise AdaBertError(
            f"{name}: the labels of {splits.task.name} are numbers, and baselines are for classes alone; for "
            "numbers use adabert compress or train"
        )
    inputs = prepare(config, WORDS, splits)
    recipe: dict[str, Any] = {
        "epochs": asked.baseline_epochs or own.epochs,
        "lr": asked.baseline_lr or own.lr,
        "batch_size": asked.baseline_batch or own.batch,
        "seed": config.run.seed,
        "precision": config.precision,
    }

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        run_baseline(
            own,
            load_classifier(inputs.teacher, inputs.splits.task, fresh_head=False),
            inputs.tokenizer,
            inputs.train,
            inputs.selection,
            inputs.validation,
            words=inputs.shape.words,
            metrics=inputs.splits.task.metrics,
            folder=folder,
            checkpoint=checkpoint,
            **recipe,
        )

    settings = {"baseline": name, "task": inputs.splits.task.name, **recipe}
    made = built_resumably(output / "student", build, {**settings, "inputs": inputs.name})
    return write_comparison(
        output,
        load_baseline(made),
        teacher=inputs.teacher,
        task=inputs.splits.task,
        settings=settings,
        repetitions=config.run.repetitions,
        seconds=time.monotonic() - started,
        longest=config.data.max_length,
    )
