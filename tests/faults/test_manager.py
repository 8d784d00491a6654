"""Real NNI managers: killed and resumed, on loopback for every verb, and with many trials at once."""

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml

from adabert_nni.ports import free_port

pytestmark = [pytest.mark.nni, pytest.mark.slow]

ADABERT = [sys.executable, "-m", "adabert_nni"]
TINY = [sys.executable, str(Path(__file__).with_name("tiny_cli.py"))]
PATIENCE = 300  # seconds


@pytest.fixture
def environment(tmp_path):
    """A home of one's own, so that neither the user's experiments nor the cache are touched."""
    (tmp_path / "home").mkdir()
    home = {"HOME": str(tmp_path / "home"), "ADABERT_CACHE": str(tmp_path / "cache")}
    return {**os.environ, "OMP_NUM_THREADS": "1", **home}


@pytest.fixture
def write(settings, tmp_path):
    """A function that writes an experiment of small trials, or of a command, and returns its path."""

    def experiment(name="mine.yml", trials=1, concurrency=1, command=None, **more):
        given = {**settings, "threads": 1, **more}
        words = [*TINY, "trial", *(f"--{k.replace('_', '-')}={v}" for k, v in given.items())]
        config = {
            "searchSpace": {"seed": {"_type": "choice", "_value": list(range(trials))}},
            "trialCommand": command or shlex.join(words),
            "trialConcurrency": concurrency,
            "maxTrialNumber": trials,
            "tuner": {"name": "GridSearch"},
            "trainingService": {"platform": "local"},
        }
        (tmp_path / name).write_text(yaml.safe_dump(config))
        return tmp_path / name

    return experiment


def ask(port, what):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/nni/{what}", timeout=30) as answer:
        return json.load(answer)


def answers(host, port):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def within(seconds, fact):
    end = time.monotonic() + seconds
    while not (found := fact()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def processes(experiment):
    """The living manager, dispatcher and trials of an experiment."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ().get("NNI_EXP_ID") == experiment
            if process.status() != psutil.STATUS_ZOMBIE and (
                own or experiment in process.cmdline()
            ):
                found.append(process)
        except psutil.Error:  # it has ended meanwhile, or is another user's
            continue
    return found


def alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def nothing_left(experiment, port):
    return within(60, lambda: not answers("127.0.0.1", port) and not processes(experiment))


def nnictl(environment, folder, *words):
    """Run ``adabert nnictl``; a pipe would stay open in the manager."""
    with (folder / "said").open("a") as said:
        subprocess.run(
            [*ADABERT, "nnictl", *map(str, words)],
            cwd=folder,
            env=environment,
            stdout=said,
            stderr=said,
            check=True,
            timeout=PATIENCE,
        )


def reports(port, kind):
    return [metric for metric in ask(port, "metric-data") if metric["type"] == kind]


def test_a_killed_manager_is_resumed_and_the_same_trial_goes_on(environment, write, tmp_path):
    port = free_port()
    file = write(search_epochs=40)
    nnictl(environment, tmp_path, "create", "--config", file, "--port", port)
    experiment = ask(port, "experiment")["id"]
    try:
        states = f"**/{experiment}/**/search.checkpoint/0000*"
        assert within(PATIENCE, lambda: len(list((tmp_path / "home").glob(states))) > 1)
        (before,) = ask(port, "trial-jobs")
        managers = [p for p in processes(experiment) if "node" in p.name()]
        assert managers
        family = [child for manager in managers for child in manager.children(recursive=True)]
        for manager in managers:
            os.kill(manager.pid, signal.SIGKILL)
        assert within(60, lambda: not answers("127.0.0.1", port))
        # Trial and dispatcher end by themselves; until then the dispatcher looks for its manager at
        # this port, and a new one there would end with it.
        assert within(60, lambda: not any(alive(process) for process in [*family, *managers]))
        nnictl(environment, tmp_path, "resume", experiment, "--port", port)
        assert not answers("127.0.0.2", port)
        assert within(
            PATIENCE, lambda: ask(port, "trial-jobs")[0]["status"] in ("SUCCEEDED", "FAILED")
        )
        (after,) = ask(port, "trial-jobs")
        assert (after["trialJobId"], after["status"]) == (before["trialJobId"], "SUCCEEDED")
        assert len(reports(port, "FINAL")) == 1
        (log,) = (tmp_path / "home").glob(f"**/{experiment}/**/trial.stderr")
        assert "going on after step" in log.read_text()
    finally:
        nnictl(environment, tmp_path, "stop", experiment)
    assert nothing_left(experiment, port)


def test_create_resume_and_view_listen_on_loopback_only(environment, write, tmp_path):
    port = free_port()
    file = write(command="true")
    nnictl(environment, tmp_path, "create", "--config", file, "--port", port)
    experiment = ask(port, "experiment")["id"]
    try:
        for verb in ("create", "resume", "view"):
            if verb != "create":
                port = free_port()  # somebody else may have taken the last one meanwhile
                nnictl(environment, tmp_path, verb, experiment, "--port", port)
            assert within(30, lambda port=port: answers("127.0.0.1", port)), verb
            assert not answers("127.0.0.2", port), verb
            nnictl(environment, tmp_path, "stop", experiment)
            assert nothing_left(experiment, port), verb
    finally:
        nnictl(environment, tmp_path, "stop", experiment)


def begun(environment, folder, file, output):
    """A running ``adabert experiment``, and what it says."""
    said = folder / f"{output}.log"
    with said.open("w") as log:
        words = ["experiment", str(file), "--output", output]
        process = subprocess.Popen(
            [*ADABERT, *words], cwd=folder, env=environment, stdout=log, stderr=log
        )
    return process, said


def named(said):
    """(experiment, port) that a run's first line names."""
    found = re.search(r"experiment (\w+): web UI at http://127\.0\.0\.1:(\d+)", said.read_text())
    return found[1], int(found[2])


def test_twenty_trials_two_at_a_time_are_each_reported_once(environment, write, tmp_path):
    process, said = begun(environment, tmp_path, write(trials=20, concurrency=2), "out")
    try:
        assert process.wait(3 * PATIENCE) == 0, said.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    trials = json.loads((tmp_path / "out" / "trials.json").read_text())["trials"]
    assert len({trial["trial"] for trial in trials}) == 20
    assert sorted(trial["parameters"]["seed"] for trial in trials) == list(range(20))
    experiment, port = named(said)
    (record,) = (tmp_path / "home").glob(f"**/{experiment}/db/nni.sqlite")
    store = sqlite3.connect(record)
    told = store.execute("SELECT trialJobId FROM MetricData WHERE type = 'FINAL'").fetchall()
    store.close()
    assert sorted(trial for (trial,) in told) == sorted(trial["trial"] for trial in trials)
    assert said.read_text().count("SUCCEEDED") == 20
    # Trials that start together build teacher and probes once.
    for kind in ("teachers", "probes"):
        assert len(list((tmp_path / "cache" / kind).glob("*/manifest.json"))) == 1
    assert nothing_left(experiment, port)


def test_three_experiments_side_by_side_do_not_mix(environment, write, tmp_path):
    runs = []
    for number in range(3):
        file = write(f"{number}.yml", trials=2, beta=number)
        run = begun(environment, tmp_path, file, f"out{number}")
        runs.append(run)
        assert within(
            120, lambda run=run: "web UI at" in run[1].read_text()
        )  # or two take one port
    try:
        for process, said in runs:
            assert process.wait(3 * PATIENCE) == 0, said.read_text()
    finally:
        for process, _ in runs:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)
    assert len({named(said) for _, said in runs}) == 3
    for number, (_, said) in enumerate(runs):
        table = json.loads((tmp_path / f"out{number}" / "trials.json").read_text())
        assert (table["experiment"], len(table["trials"])) == (named(said)[0], 2)
        found = json.loads((tmp_path / f"out{number}" / "settings.json").read_text())
        assert found["settings"]["beta"] == number
        assert nothing_left(*named(said))
