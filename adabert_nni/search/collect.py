"""Which trials of an NNI experiment really succeeded, and the best one's folder for keeping.

NNI calls an experiment DONE although all its trials failed and a NaN metric a success, so both are checked here.
What NNI has on the disk is only read: an experiment may be running, stopped, or its manager dead.
"""

import json
import logging
import math
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from adabert_nni.errors import AdaBertError
from adabert_nni.files import new_folder, read_json, write_json

logger = logging.getLogger(__name__)

SKIPPED = shutil.ignore_patterns("supernet.safetensors", ".*", "trial.*", "run.sh", "*.lock")
EXPERIMENTS = ".experiment"  # in NNI's folder: every experiment by id
DATABASE = Path("db", "nni.sqlite")
ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")
Told = tuple[str, str, dict[str, Any], Any]  # id, status, parameters, final numbers


@dataclass(frozen=True)
class TrialRecord:
    """A finished trial: its id, its parameters, its final numbers and its folder."""

    id: str
    parameters: dict[str, Any]
    numbers: dict[str, float]
    folder: Path


def collect_best(experiment: str, output: Path, home: Path | None = None) -> dict[str, Any]:
    """Write the best trial so far of an experiment, running or stopped, to ``output``.

    Args:
        experiment: its id, as the web UI and ``nnictl experiment list --all`` show it.
        output: folder to fill; must be absent or empty.
        home: NNI's folder; None is ``~/nni-experiments``.

    Returns:
        The best trial's ``metrics.json``.

    Raises:
        AdaBertError: if there is no such experiment, no trial of it has succeeded, or ``output`` is taken.
    """
    folder = find_experiment(experiment, home or Path.home() / "nni-experiments")
    with new_folder(output) as half:
        if not keep_best(experiment, succeeded(folder, told_by(folder)), half):
            raise AdaBertError(
                f"experiment {experiment}: no trial has succeeded yet; wait for one, or look at the "
                f"logs of the trials below {folder}"
            )
    metrics: dict[str, Any] = read_json(output / "metrics.json")
    return metrics


def find_experiment(experiment: str, home: Path) -> Path:
    """The folder of an experiment that this user has started; AdaBertError lists those there are."""
    listing = home / EXPERIMENTS
    known: dict[str, Any] = read_json(listing) if listing.is_file() else {}
    place = known.get(experiment, {}).get("logDir") or home
    folder = Path(place) / experiment
    if experiment and Path(experiment).name == experiment and (folder / DATABASE).is_file():
        return folder
    close = get_close_matches(experiment, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise AdaBertError(
        f"experiment {experiment!r}: NNI knows none of that id here; {hint}"
        f"known are {', '.join(known) or 'none'} (nnictl experiment list --all)"
    )


def told_by(folder: Path) -> list[Told]:
    """What NNI's own records say of every trial that has ended, in the order in which they began."""
    path = folder / DATABASE
    states: dict[str, str] = {}
    parameters: dict[str, dict[str, Any]] = {}
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            events = database.execute(
                "SELECT trialJobId, event, data FROM TrialJobEvent ORDER BY timestamp, rowid"
            )
            for trial, event, data in events:
                states[trial] = event
                if data:
                    parameters[trial] = json.loads(data)["parameters"]
            finals = dict(
                database.execute(
                    "SELECT trialJobId, data FROM MetricData WHERE type = 'FINAL' ORDER BY timestamp"
                ).fetchall()
            )
    except (sqlite3.Error, ValueError, KeyError) as error:
        raise AdaBertError(
            f"{path}: cannot be read as NNI's record of an experiment ({error}); was it made by NNI 3?"
        ) from error
    return [
        (trial, state, parameters.get(trial, {}), plain(finals.get(trial)))
        for trial, state in states.items()
        if state in ENDED
    ]


def succeeded(folder: Path, told: Iterable[Told]) -> list[TrialRecord]:
    """Trials that have both finite numbers and a folder with results; the log names the others.

    Args:
        folder: of the experiment.
        told: id, status, parameters and final numbers of each, as NNI has them.

    Returns:
        In the order given.
    """
    found: list[TrialRecord] = []
    for trial, status, parameters, numbers in told:
        written = sorted(folder.glob(f"**/{trial}/metrics.json"))
        if status == "SUCCEEDED" and written and _ranked(numbers):
            found.append(TrialRecord(trial, parameters, numbers, written[0].parent))
        else:
            logs = sorted(folder.glob(f"**/{trial}/trial.stderr"))
            log = str(logs[0]) if logs else "none was written"
            logger.error("trial %s: %s; its log: %s", trial, status, log)
    return found


def keep_best(experiment: str, trials: list[TrialRecord], folder: Path) -> bool:
    """Copy the trial with the highest ``default`` into ``folder``, and list all; False without any."""
    best = max(trials, key=lambda record: record.numbers["default"], default=None)
    if best is None:
        return False
    shutil.copytree(best.folder, folder, dirs_exist_ok=True, ignore=SKIPPED)
    table = [{"trial": t.id, "parameters": t.parameters, "numbers": t.numbers} for t in trials]
    write_json(folder / "trials.json", {"experiment": experiment, "best": best.id, "trials": table})
    return True


def plain(data: Any) -> Any:
    """NNI sends metrics as JSON inside JSON."""
    while isinstance(data, str):
        data = json.loads(data)
    return data


def _ranked(numbers: Any) -> bool:
    default = numbers.get("default") if isinstance(numbers, dict) else None
    return isinstance(default, int | float) and math.isfinite(default)
