"""A finished run as data: reads the artefacts that lie in its folder, whatever of them is there.

It must not know how they are shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.evaluation import EVALUATION


@dataclass(frozen=True)
class Run:
    """What a run's folder tells; a dict is empty where its file is missing.

    Attributes:
        folder: where it lies.
        metrics: ``metrics.json``.
        architecture: of the student; None for a baseline.
        settings: flat settings.
        versions: package -> version.
        search: ``search/search.json``.
        p_alpha: label -> choice -> share by epoch.
        student: ``student/scores.json``.
        evaluation: ``evaluation.json``.
        trials: those of the experiment that this run was the best of.
    """

    folder: Path
    metrics: dict[str, Any]
    architecture: Architecture | None
    settings: dict[str, Any]
    versions: dict[str, str]
    search: dict[str, Any]
    p_alpha: dict[str, dict[str, list[float]]]
    student: dict[str, Any]
    evaluation: dict[str, Any]
    trials: list[dict[str, Any]]

    @property
    def metric(self) -> str:
        """The score that is chosen by."""
        return str(self.metrics.get("metric", "accuracy"))


def read_run(folder: Path) -> Run:
    """The run in ``folder``.

    Args:
        folder: such as ``runs/first``.

    Returns:
        What is there; metrics always are.

    Raises:
        AdaBertError: if it is not the folder of a finished run, or a file in it is broken.
    """
    if not (folder / "metrics.json").is_file():
        raise AdaBertError(
            f"{folder}: holds no metrics.json; give the folder of a finished run, the --output of compress"
        )
    cell = folder / "architecture.json"

    def read(name: str) -> dict[str, Any]:
        return read_json(folder / name) if (folder / name).is_file() else {}

    made = read("settings.json")
    return Run(
        folder,
        metrics=read("metrics.json"),
        architecture=Architecture.load(cell) if cell.is_file() else None,
        settings=made.get("settings", {}),
        versions=made.get("versions", {}),
        search=read("search/search.json"),
        p_alpha=read("search/p_alpha.json"),
        student=read("student/scores.json"),
        evaluation=read(EVALUATION),
        trials=read("trials.json").get("trials", []),
    )
