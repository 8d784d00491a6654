"""Run an NNI experiment from its YAML to its best trial: start on loopback, wait, collect, stop.

NNI calls an experiment DONE although all its trials failed and a NaN metric a success, so both are checked
here.
"""

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from nni.experiment import Experiment, RunMode, launcher
from nni.experiment.config import ExperimentConfig, utils

from adabert_nni.errors import AdaBertError
from adabert_nni.files import new_folder, read_json
from adabert_nni.ports import free_port, is_free
from adabert_nni.search.collect import TrialRecord, keep_best, plain, succeeded
from adabert_nni.search.loopback import PATIENCE, loopback_environment

logger = logging.getLogger(__name__)
logging.getLogger("nni").setLevel(logging.ERROR)  # NNI resets its level when it is imported
launcher._check_rest_server.__defaults__ = (PATIENCE, None)

POLL_SECONDS = 2.0
SILENT_SECONDS, TAIL_BYTES = 20.0, 4096
ENDED = ("DONE", "STOPPED", "ERROR")
# A tuner that has run out of points before maxTrialNumber leaves the experiment open for ever. The
# manager submits what is queued every 5 seconds, so that a longer silence means that nothing is.
EXHAUSTED, SILENT_POLLS = "TUNER_NO_MORE_TRIAL", 6
ACTIVE = ("WAITING", "RUNNING", "UNKNOWN")


def load_experiment(path: Path) -> ExperimentConfig:
    """Read and validate an experiment YAML with NNI's own config class.

    Args:
        path: experiment YAML.

    Returns:
        NNI's config, as it stands in the file.

    Raises:
        AdaBertError: if the file is missing, is not YAML, or NNI refuses it.
    """
    if not path.is_file():
        raise AdaBertError(
            f"{path}: no such file; give an NNI experiment YAML, such as experiments/quickstart.yml"
        )
    try:
        config = ExperimentConfig.load(path)
        config.validate()
    except (ValueError, TypeError, AttributeError, OSError, yaml.YAMLError) as error:
        utils.unset_base_path()  # NNI leaves it set when it refuses a file
        reason = " ".join(str(error).split())
        raise AdaBertError(
            f"{path}: NNI refuses it ({reason}); compare it with experiments/quickstart.yml"
        ) from error
    return config


def run_experiment(path: Path, output: Path, port: int | None = None) -> dict[str, Any] | None:
    """Run the experiment and write its best trial to ``output``.

    Args:
        path: experiment YAML.
        output: folder to fill; must be absent or empty.
        port: port of the web UI; None takes the first free one from 8080.

    Returns:
        The best trial's ``metrics.json``; None if no trial succeeded.

    Raises:
        AdaBertError: if the YAML is wrong, ``output`` is taken or the port is in use.
    """
    config = load_experiment(path)
    with new_folder(output) as folder:
        experiment = Experiment(config)
        os.environ.update(loopback_environment())  # inherited by the manager and its trials
        chosen = free_port() if port is None else port
        if not is_free(chosen):
            raise AdaBertError(
                f"--port: {chosen} is in use; choose another, or leave it out for a free one"
            )
        root = Path(config.canonical_copy().experiment_working_directory)
        try:
            experiment.start(chosen, run_mode=RunMode.Background)
            logger.info("experiment %s: web UI at http://127.0.0.1:%d", experiment.id, chosen)
            _wait(experiment, root / experiment.id)
            trials = _finished(experiment, root)
        except OSError as error:  # what requests raises when nobody answers
            raise AdaBertError(
                f"experiment {experiment.id}: its manager did not start, or was stopped by someone "
                f"else; its logs are in {root / experiment.id / 'log'}"
            ) from error
        finally:
            _stop(experiment)
        kept = keep_best(experiment.id, trials, folder)
    if not kept:
        shutil.rmtree(output)
        return None
    metrics: dict[str, Any] = read_json(output / "metrics.json")
    return metrics


def _stop(experiment: Experiment) -> None:
    """Stop the manager and its trials, also one that is dead, or whose start was interrupted."""
    level = logging.getLogger("nni.experiment").level
    logging.getLogger("nni.experiment").setLevel(logging.CRITICAL)  # it shows a traceback if dead
    try:
        experiment.stop()
    finally:
        logging.getLogger("nni.experiment").setLevel(level)
    for child in psutil.Process().children():
        if child.status() != psutil.STATUS_ZOMBIE and experiment.id in child.cmdline():
            child.terminate()
            child.wait()


def _wait(experiment: Experiment, folder: Path) -> None:
    """Wait for the end; log each trial's state when it changes, its numbers, and in silence what it does."""
    states: dict[str, str] = {}
    said = time.monotonic()
    reported: dict[str, int] = {}
    silent = 0
    while True:
        status = experiment.get_status()
        for job in experiment.list_trial_jobs():
            if states.get(job.trialJobId) != job.status:
                states[job.trialJobId] = job.status
                logger.info("trial %s: %s", job.trialJobId, job.status)
                said = time.monotonic()
        for trial, metrics in experiment.get_job_metrics().items():
            periodical = [m for m in metrics if m.type == "PERIODICAL"]
            for metric in periodical[reported.get(trial, 0) :]:
                logger.info(
                    "trial %s, epoch %d: %s",
                    trial,
                    metric.sequence + 1,
                    _shown(plain(metric.data)),
                )
                said = time.monotonic()
            reported[trial] = len(periodical)
        if time.monotonic() - said >= SILENT_SECONDS:
            said = time.monotonic()
            for trial in (trial for trial, state in states.items() if state == "RUNNING"):
                logger.info("trial %s: %s", trial, last_line(folder, trial))
        active = any(state in ACTIVE for state in states.values())
        silent = 0 if active or status != EXHAUSTED else silent + 1
        if status in ENDED or silent == SILENT_POLLS:
            return
        time.sleep(POLL_SECONDS)


def last_line(folder: Path, trial: str) -> str:
    """What the log of a trial ends with: how far its present step is, and how long it still takes."""
    for log in folder.glob(f"**/{trial}/trial.stderr"):
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - TAIL_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").split("\n")
        if told := [line.strip() for line in lines if line.strip()]:
            return told[-1]
    return "no line in its log yet"


def _finished(experiment: Experiment, root: Path) -> list[TrialRecord]:
    """Trials that really succeeded."""
    told = [
        (
            job.trialJobId,
            job.status,
            dict(job.hyperParameters[0].parameters) if job.hyperParameters else {},
            plain(job.finalMetricData[-1].data) if job.finalMetricData else None,
        )
        for job in experiment.list_trial_jobs()
    ]
    return succeeded(root / experiment.id, told)


def _shown(numbers: Any) -> str:
    if not isinstance(numbers, dict):
        return str(numbers)
    return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
