"""What a finished run tells: evaluation, metrics, drawing, exports and the report's page. Computes nothing.

It must not know how the student was found or trained.
"""

import logging
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adabert_nni.config import Config
from adabert_nni.data.tasks import Splits
from adabert_nni.files import read_json
from adabert_nni.pipeline.inputs import Inputs
from adabert_nni.report.evaluation import write_evaluation
from adabert_nni.report.html import write_html
from adabert_nni.report.summary import write_report
from adabert_nni.student.deploy import deploy
from adabert_nni.student.stored import RECORD, is_of

logger = logging.getLogger(__name__)


def report(
    config: Config, inputs: Inputs, output: Path, settings: dict[str, Any], started: float
) -> dict[str, Any]:
    """Score, time and export the student of a run, and write its files.

    Args:
        config: all settings; ``repetitions``, ``export`` and ``cache`` count.
        inputs: what the student was trained on.
        output: folder of the run, which holds ``student``.
        settings: what decides the run.
        started: ``time.monotonic()`` at its start.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if an export strays too far from the student.
    """
    write_evaluation(
        output,
        inputs.splits,
        inputs.train,
        teacher=inputs.teacher,
        probes=config.run.cache / "probes" / inputs.name,
    )
    metrics = write_report(
        output,
        teacher=inputs.teacher,
        task=inputs.splits.task,
        settings={**settings, "precision": config.precision},
        repetitions=config.run.repetitions,
        seconds=time.monotonic() - started,
        exports=_exported(config.run.formats, inputs.splits, output),
    )
    write_html(output)
    return metrics


def _exported(formats: Iterable[str], splits: Splits, output: Path) -> dict[str, Any]:
    """Export the student into ``student-<format>`` beside it, or keep what is of it there; the record of each."""
    records = {}
    for name in formats:
        folder, student = output / f"student-{name}", output / "student"
        if not is_of(folder, student):
            if (folder / RECORD).is_file():
                logger.warning("%s: is of another student, exporting it again", folder)
                shutil.rmtree(folder)
            deploy(student, name, folder, splits)
        records[name] = read_json(folder / RECORD)
    return records
