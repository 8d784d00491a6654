"""Real experiments through NNI's manager: the shipped quickstart, failing trials, an interrupt.

Each has its own home folder, so that neither the user's experiments nor the cache are touched.
"""

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from adabert_nni.ports import free_port

pytestmark = pytest.mark.nni

ROOT = Path(__file__).parents[2]
ADABERT = [sys.executable, "-m", "adabert_nni"]
MINUTES = 15
EPOCH_KEYS = {
    *("default", "loss_ce", "loss_kd", "loss_e"),
    *("expected_depth", "entropy", "free_share", "tau"),
}
EXPERIMENT = """
searchSpace: {{beta: {{_type: choice, _value: [4]}}}}
trialCommand: {}
trialConcurrency: 1
maxTrialNumber: {}
tuner: {{name: GridSearch}}
trainingService: {{platform: local}}
"""


@pytest.fixture
def environment(tmp_path):
    home = {"HOME": str(tmp_path / "home"), "ADABERT_CACHE": str(tmp_path / "cache")}
    (tmp_path / "home").mkdir()
    return {**os.environ, **home}


def ask(port, what):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/nni/{what}", timeout=30) as answer:
        return json.load(answer)


def answers(host, port):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def processes(experiment):
    """Command lines of the experiment's manager, dispatcher and trials."""
    found = []
    for process in psutil.process_iter():
        try:
            line, variables = process.cmdline(), process.environ()
        except psutil.Error:  # it has ended meanwhile, or is another user's
            continue
        if experiment in line or variables.get("NNI_EXP_ID") == experiment:
            found.append(line)
    return found


def within(seconds, fact):
    end = time.monotonic() + seconds
    while not fact() and time.monotonic() < end:
        time.sleep(0.5)
    return fact()


def nothing_left(experiment, port):
    return within(30, lambda: not answers("127.0.0.1", port) and not processes(experiment))


def first_success(port):
    """The first trial that succeeded; fails as soon as one failed, or after the time is up."""
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        assert ask(port, "check-status")["errors"] == []
        jobs = ask(port, "trial-jobs")
        assert "FAILED" not in [job["status"] for job in jobs]
        for job in jobs:
            if job["status"] == "SUCCEEDED":
                return job
        time.sleep(2)
    pytest.fail(f"no trial succeeded within {MINUTES} minutes")


def finite(numbers):
    return isinstance(numbers, dict) and all(math.isfinite(value) for value in numbers.values())


def test_nnictl_runs_the_shipped_quickstart(environment, tmp_path):
    port = free_port()
    create = ["nnictl", "create", "--config", "experiments/quickstart.yml", "--port", str(port)]
    with (tmp_path / "create.log").open("w") as log:  # a pipe would stay open in the manager
        subprocess.run(
            [*ADABERT, *create], cwd=ROOT, env=environment, stdout=log, stderr=log, check=True
        )
    experiment = ask(port, "experiment")["id"]
    try:
        assert processes(experiment)
        assert not answers("127.0.0.2", port)
        job = first_success(port)
        assert not answers("127.0.0.2", port)
        told = [m for m in ask(port, "metric-data") if m["trialJobId"] == job["trialJobId"]]
        epochs = [json.loads(json.loads(m["data"])) for m in told if m["type"] == "PERIODICAL"]
        assert epochs
        assert all(set(epoch) == EPOCH_KEYS and finite(epoch) for epoch in epochs)
        final = json.loads(json.loads(job["finalMetricData"][-1]["data"]))
        assert finite(final)
        assert 0 <= final["default"] <= 1
        (folder,) = (tmp_path / "home").glob(f"**/{experiment}/**/trials/{job['trialJobId']}")
        for name in ("student", "architecture.json", "metrics.json", "cell.svg"):
            assert (folder / name).exists()
    finally:
        stop = ["nnictl", "stop", experiment]
        stopped = subprocess.run([*ADABERT, *stop], env=environment, check=False)
    assert stopped.returncode == 0
    assert nothing_left(experiment, port)


def heed_interrupts():
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job ignores them


@pytest.fixture
def start(environment, tmp_path):
    """A function that starts ``adabert experiment`` and returns (process, path of what it says)."""
    started = []

    def start(command, trials):
        (tmp_path / "mine.yml").write_text(EXPERIMENT.format(command, trials))
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(
                [*ADABERT, "experiment", "mine.yml", "--output", "out"],
                cwd=tmp_path,
                env=environment,
                stdout=said,
                stderr=said,
                preexec_fn=heed_interrupts,
            )
        started.append(process)
        return process, tmp_path / "said"

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def named(said):
    """(experiment, port) that a run's first line names; None if it has not come yet."""
    found = re.search(r"experiment (\w+): web UI at http://127\.0\.0\.1:(\d+)", said.read_text())
    return found and (found[1], int(found[2]))


# With 2 trials allowed and 1 point to try, the tuner ends the experiment, which NNI leaves open.
@pytest.mark.parametrize("trials", [1, 2])
def test_an_experiment_without_a_success_fails_and_leaves_nothing(start, tmp_path, trials):
    process, said = start("'false'", trials)
    assert process.wait(180) == 1
    text = said.read_text()
    assert "no trial succeeded" in text
    assert "Traceback" not in text
    log = re.search(r"FAILED; its log: (\S+)", text)
    assert Path(log[1]).is_file()
    assert not list(tmp_path.glob("*out*"))
    assert nothing_left(*named(said))


def test_an_interrupt_ends_manager_and_trials(start, tmp_path):
    process, said = start("sleep 600", 1)
    assert within(60, lambda: "RUNNING" in said.read_text())
    assert len(processes(named(said)[0])) > 1
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "Traceback" not in said.read_text()
    assert not list(tmp_path.glob("*out*"))
    assert nothing_left(*named(said))


def test_a_manager_that_someone_stops_is_told_in_one_sentence(start, environment, tmp_path):
    process, said = start("sleep 600", 1)
    assert within(60, lambda: "RUNNING" in said.read_text())
    experiment, port = named(said)
    subprocess.run([*ADABERT, "nnictl", "stop", experiment], env=environment, check=True)
    assert process.wait(60) != 0
    assert "Traceback" not in said.read_text()
    assert not list(tmp_path.glob("*out*"))
    assert nothing_left(experiment, port)


TRIAL = """
import json, os, pathlib, time, nni
nni.get_next_parameter()
folder = pathlib.Path(os.environ["NNI_OUTPUT_DIR"])
if not (folder / "begun").exists():
    (folder / "begun").touch()
    time.sleep(600)
(folder / "metrics.json").write_text(json.dumps({"of": folder.name}))
nni.report_final_result({"default": 0.5})
"""


def test_a_resumed_trial_finds_its_folder_again_and_the_best_can_be_had_any_time(
    environment, tmp_path
):
    port = str(free_port())
    (tmp_path / "trial.py").write_text(TRIAL)
    (tmp_path / "mine.yml").write_text(EXPERIMENT.format(f"{sys.executable} trial.py", 1))

    def adabert(*words):
        with (tmp_path / "said").open("w") as said:  # a pipe would stay open in the manager
            done = subprocess.run(
                [*ADABERT, *words], cwd=tmp_path, env=environment, stdout=said, stderr=said, check=False
            )  # fmt: skip
        return done.returncode, (tmp_path / "said").read_text()

    assert adabert("nnictl", "create", "--config", "mine.yml", "--port", port)[0] == 0
    experiment = ask(port, "experiment")["id"]
    try:
        assert within(90, lambda: list((tmp_path / "home").glob("**/begun")))
        code, told = adabert("best", "--experiment", experiment, "--output", "early")
        assert (code, "no trial has succeeded yet" in told) == (2, True)
        assert adabert("nnictl", "stop", experiment)[0] == 0
        assert adabert("nnictl", "resume", experiment, "--port", port)[0] == 0
        assert not answers("127.0.0.2", int(port))
        job = first_success(port)
        (trial,) = (path.parent.name for path in (tmp_path / "home").glob("**/begun"))
        assert job["trialJobId"] == trial
        assert adabert("best", "--experiment", experiment, "--output", "running")[0] == 0
    finally:
        adabert("nnictl", "stop", experiment)
    assert adabert("best", "--experiment", experiment, "--output", "stopped")[0] == 0
    for name in ("running", "stopped"):
        assert json.loads((tmp_path / name / "metrics.json").read_text()) == {"of": trial}
    assert nothing_left(experiment, int(port))
