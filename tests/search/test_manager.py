"""From NNI's answers to the best trial: what counts as a success, when it is over, what is left."""

import json
import os
import socket
from types import SimpleNamespace

import pytest

from adabert_nni.errors import AdaBertError
from adabert_nni.search import manager

EXPERIMENT = """
searchSpace: {{beta: {{_type: choice, _value: [4, 8]}}}}
trialCommand: 'true'
trialConcurrency: 1
maxTrialNumber: 2
experimentWorkingDirectory: {}
tuner: {{name: GridSearch}}
trainingService: {{platform: local}}
"""


def job(name, status, numbers=None, beta=4):
    """A trial as NNI's API tells it; numbers come as JSON inside JSON."""
    final = [SimpleNamespace(data=json.dumps(json.dumps(numbers)))] if numbers is not None else None
    parameters = [SimpleNamespace(parameters={"beta": beta})]
    return SimpleNamespace(
        trialJobId=name, status=status, finalMetricData=final, hyperParameters=parameters
    )


class Scripted:
    """An experiment that tells one (status, jobs) after the other, and the last one for ever."""

    id = "scripted"

    def __init__(self, polls):
        self.polls, self.current, self.stopped = list(polls), None, 0

    def start(self, port, run_mode):
        pass

    def get_status(self):
        self.current = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
        if isinstance(self.current, Exception):
            raise self.current
        return self.current[0]

    def list_trial_jobs(self):
        return self.current[1]

    def get_job_metrics(self):
        return {}

    def stop(self):
        self.stopped += 1


@pytest.fixture
def play(monkeypatch, tmp_path):
    """A function that runs a scripted experiment and returns (what was found, the script)."""
    monkeypatch.setattr(manager, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(manager, "free_port", lambda: 8080)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # the manager's is this process's
    (tmp_path / "mine.yml").write_text(EXPERIMENT.format(tmp_path / "nni"))

    def play(*polls):
        script = Scripted(polls)
        monkeypatch.setattr(manager, "Experiment", lambda config: script)
        return manager.run_experiment(tmp_path / "mine.yml", tmp_path / "out"), script

    return play


def write_trial(tmp_path, name, *files):
    folder = tmp_path / "nni" / "scripted" / "environments" / "local-env" / "trials" / name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"of": name}))
    for file in files:
        (folder / file).write_text("x")


def test_the_trial_with_the_highest_default_is_kept_and_all_are_listed(play, tmp_path):
    for name in ("low", "high"):
        write_trial(tmp_path, name, "cell.svg", "supernet.safetensors", "trial.stderr", "run.sh")
    jobs = [
        job("low", "SUCCEEDED", {"default": 0.5}),
        job("high", "SUCCEEDED", {"default": 0.9}, 8),
    ]
    found, script = play(("RUNNING", []), ("DONE", jobs))
    assert found == {"of": "high"}
    assert script.stopped == 1
    kept = {file.name for file in (tmp_path / "out").iterdir()}
    assert kept == {"metrics.json", "cell.svg", "trials.json"}
    table = json.loads((tmp_path / "out" / "trials.json").read_text())
    assert (table["experiment"], table["best"]) == ("scripted", "high")
    assert [trial["parameters"] for trial in table["trials"]] == [{"beta": 4}, {"beta": 8}]


@pytest.mark.parametrize(
    ("status", "numbers"),
    [
        ("FAILED", None),
        ("SUCCEEDED", None),
        ("SUCCEEDED", {"default": float("nan")}),
        ("SUCCEEDED", {"default": float("inf")}),
        ("SUCCEEDED", {"other": 0.5}),
        ("SUCCEEDED", {"default": "high"}),
        ("SUCCEEDED", 0.5),
        ("USER_CANCELED", {"default": 0.5}),
    ],
)
def test_what_nni_calls_a_success_may_be_none(play, tmp_path, caplog, status, numbers):
    write_trial(tmp_path, "only", "trial.stderr")
    found, _ = play(("DONE", [job("only", status, numbers)]))
    assert found is None
    assert "only/trial.stderr" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.yml", "nni"]


def test_a_trial_without_results_is_no_success(play, tmp_path):
    assert play(("DONE", [job("only", "SUCCEEDED", {"default": 0.5})]))[0] is None


def test_a_tuner_that_has_run_out_of_points_ends_the_wait(play, tmp_path):
    write_trial(tmp_path, "only")
    found, _ = play((manager.EXHAUSTED, [job("only", "SUCCEEDED", {"default": 0.5})]))
    assert found == {"of": "only"}


@pytest.mark.parametrize("status", ["NO_MORE_TRIAL", manager.EXHAUSTED])
@pytest.mark.parametrize("state", manager.ACTIVE)
def test_a_trial_that_is_still_to_come_is_waited_for(play, tmp_path, status, state):
    write_trial(tmp_path, "only")
    pending = [(status, []), *[(status, [job("only", state)])] * 2 * manager.SILENT_POLLS]
    last = job("only", "SUCCEEDED", {"default": 0.5})
    assert play(*pending, (status, [last]), ("DONE", [last]))[0] == {"of": "only"}


@pytest.mark.parametrize("jobs", [[], [job("only", "RUNNING")]])
def test_an_experiment_in_error_ends_although_its_trials_are_said_to_run(play, jobs):
    assert play(("ERROR", jobs))[0] is None  # the manager no longer looks at them


def test_a_manager_that_no_longer_answers_is_one_sentence(play, tmp_path):
    with pytest.raises(AdaBertError, match=r"scripted.*stopped by someone else.*log") as raised:
        play(("RUNNING", []), ConnectionError("refused"))
    assert "\n" not in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yml"]


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path, monkeypatch):
    (tmp_path / "mine.yml").write_text(EXPERIMENT.format(tmp_path / "nni"))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AdaBertError, match=f"{port} is in use"):
            manager.run_experiment(tmp_path / "mine.yml", tmp_path / "out", port=port)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yml"]


def test_a_file_after_one_that_nni_refused_is_read_from_its_own_folder(tmp_path):
    (tmp_path / "bad.yml").write_text("trialCommand: x\nnoSuchField: 1\n")
    with pytest.raises(AdaBertError, match=r"bad\.yml"):
        manager.load_experiment(tmp_path / "bad.yml")
    (tmp_path / "good.yml").write_text(EXPERIMENT.format("nni"))
    config = manager.load_experiment(tmp_path / "good.yml").canonical_copy()
    assert config.experiment_working_directory == str(tmp_path / "nni")


def test_in_silence_the_last_line_of_a_running_trials_log_is_told(
    play, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(manager, "SILENT_SECONDS", 0.0)
    caplog.set_level("INFO")
    write_trial(tmp_path, "only")
    log = next((tmp_path / "nni").glob("**/only")) / "trial.stderr"
    log.write_text("x" * 5000 + "\nteacher epoch 1/2 30/60, about 40 s left\n\n")
    last = job("only", "SUCCEEDED", {"default": 0.5})
    play(("RUNNING", [job("only", "RUNNING")]), ("DONE", [last]))
    assert "trial only: teacher epoch 1/2 30/60, about 40 s left" in caplog.text


def test_a_trial_without_a_log_is_told_so(tmp_path):
    assert manager.last_line(tmp_path, "gone") == "no line in its log yet"
