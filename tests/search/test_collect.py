"""The best trial is read from what NNI keeps on the disk, whether its manager lives or not."""

import json
import sqlite3

import pytest

from adabert_nni import cli
from adabert_nni.errors import AdaBertError
from adabert_nni.search.collect import collect_best, told_by


@pytest.fixture
def home(tmp_path):
    """NNI's folder with an experiment of four trials: 0.5, 0.9 still running, 0.8, and NaN."""
    home = tmp_path / "nni-experiments"
    database = home / "ab12" / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    (home / ".experiment").write_text(json.dumps({"ab12": {"logDir": str(home)}}))
    store = sqlite3.connect(database)
    store.execute("CREATE TABLE TrialJobEvent (timestamp, trialJobId, event, data)")
    store.execute("CREATE TABLE MetricData (timestamp, trialJobId, type, data)")
    trials = {"low": 0.5, "late": 0.9, "high": 0.8, "nan": float("nan")}
    for number, (name, default) in enumerate(trials.items()):
        told = json.dumps({"parameters": {"beta": number}})
        store.execute("INSERT INTO TrialJobEvent VALUES (?, ?, 'RUNNING', ?)", (number, name, told))
        if name != "late":
            ended = (number + 10, name, "SUCCEEDED")
            store.execute("INSERT INTO TrialJobEvent VALUES (?, ?, ?, NULL)", ended)
        numbers = json.dumps(json.dumps({"default": default}))  # JSON inside JSON, as NNI does
        for kind in ("PERIODICAL", "FINAL"):
            metric = (number, name, kind, numbers)
            store.execute("INSERT INTO MetricData VALUES (?, ?, ?, ?)", metric)
        folder = home / "ab12" / "environments" / "local-env" / "trials" / name
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps({"of": name}))
        (folder / "supernet.safetensors").write_text("large")
    store.commit()
    store.close()
    return home


def test_the_best_of_the_ended_trials_is_copied_and_all_of_them_are_listed(home, tmp_path):
    assert collect_best("ab12", tmp_path / "out", home) == {"of": "high"}
    table = json.loads((tmp_path / "out" / "trials.json").read_text())
    assert (table["experiment"], table["best"]) == ("ab12", "high")
    assert [(t["trial"], t["parameters"]) for t in table["trials"]] == [
        ("low", {"beta": 0}),
        ("high", {"beta": 2}),
    ]
    assert not (tmp_path / "out" / "supernet.safetensors").exists()


def test_the_experiment_is_left_as_it_is(home, tmp_path):
    database = home / "ab12" / "db" / "nni.sqlite"
    before = database.read_bytes()
    collect_best("ab12", tmp_path / "out", home)
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["nni.sqlite"]


def test_a_running_trial_is_not_told(home):
    assert [trial for trial, *_ in told_by(home / "ab12")] == ["low", "high", "nan"]


@pytest.mark.parametrize("name", ["ab21", "", "..", "../nni-experiments/ab12"])
def test_an_unknown_experiment_names_the_known_ones(home, tmp_path, name):
    with pytest.raises(AdaBertError, match="known are ab12"):
        collect_best(name, tmp_path / "out", home)
    assert not (tmp_path / "out").exists()


def test_without_a_success_there_is_one_sentence_and_no_folder(home, tmp_path):
    for file in home.glob("**/metrics.json"):
        file.unlink()
    with pytest.raises(AdaBertError, match="no trial has succeeded yet"):
        collect_best("ab12", tmp_path / "out", home)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nni-experiments"]


def test_a_taken_folder_and_a_broken_record_are_refused(home, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(AdaBertError, match="out: there is something here"):
        collect_best("ab12", tmp_path / "out", home)
    (home / "ab12" / "db" / "nni.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(AdaBertError, match="cannot be read as NNI's record"):
        collect_best("ab12", tmp_path / "new", home)


def test_the_verb_looks_in_the_users_home(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    monkeypatch.setenv("HOME", str(home.parent))
    assert cli.main(["best", "--experiment", "ab13", "-o", str(tmp_path / "o")]) == cli.MISUSED
    assert "did you mean 'ab12'?" in capsys.readouterr().err
    assert cli.main(["best", "--experiment", "ab12", "-o", str(tmp_path / "o")]) == cli.OK
    assert str(tmp_path / "o" / "student") in capsys.readouterr().out
