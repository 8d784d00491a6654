"""A finished cell is not run again, a table takes another's runs, and a record says how it came about."""

import shlex
from collections import Counter

import pytest

from adabert_nni import cli
from adabert_nni.baselines.table import BASELINES
from adabert_nni.files import read_json
from adabert_nni.paper import run as paper_run
from adabert_nni.paper.cells import Asked
from adabert_nni.paper.run import command, finished, record_path, run_cell
from adabert_nni.paper.tables import TABLES


@pytest.fixture
def run(tmp_path, counted):
    """Runs the cells of a table by the counting runners, and gives the records."""
    runners, _ = counted

    def run(table, **asked):
        found = TABLES[table](Asked(**asked))
        places = tmp_path / "runs", tmp_path / "results"
        return [run_cell(cell, *places, asked.get("overrides", {}), runners) for cell in found]

    return run


def test_a_finished_cell_is_not_run_again(run, counted, tmp_path):
    _, ran = counted
    first = run("table1", tasks=["mrpc"])
    assert len(ran) == len(first) == len(BASELINES) + 2
    assert run("table1", tasks=["mrpc"]) == first
    assert len(ran) == len(first)
    record_path(tmp_path / "results", ran[1]).unlink()
    run("table1", tasks=["mrpc"])
    assert [cell.system for cell in ran[len(first) :]] == ["adabert"]


def test_tables_2_and_5_take_the_runs_of_table_1(run, counted, tmp_path):
    _, ran = counted
    run("table1", tasks=["rte"], seeds=(0, 1))
    before = len(ran)
    run("table2", tasks=["rte"], seeds=(0, 1))
    assert len(ran) == before
    records = run("table5", tasks=["rte"], seeds=(0, 1))
    assert [cell.system for cell in ran[before:]] == ["beta-0", "beta-8"] * 2
    shared = [r for r in records if r["system"] == "beta-4"]
    assert [(r["table"], r["task"], r["seed"]) for r in shared] == [
        ("table5", "rte", 0),
        ("table5", "rte", 1),
    ]
    on_disk = [read_json(path) for path in (tmp_path / "results" / "table5").glob("*beta-4*")]
    assert sorted(on_disk, key=lambda r: r["seed"]) == shared


def test_table_3_searches_first_what_it_trains(run, counted):
    _, ran = counted
    run("table3", tasks=["sst2", "rte"])
    searched = [cell.task for cell in ran if cell.kind == "compress"]
    assert searched == ["sst2", "rte"]  # once each, however often they are trained
    assert Counter(cell.kind for cell in ran) == {
        "compress": 2,
        "fixed": 4,
        "random": 10,
        "uniform": 10,
    }


def test_what_is_trained_is_the_sources_architecture(run, counted, tmp_path):
    _, ran = counted
    run("table3", tasks=["rte"])
    for cell in ran:
        if cell.source is not None:
            given = read_json(tmp_path / "runs" / cell.run / "given.json")
            source = finished(tmp_path / "results", cell.source)
            assert given == source["architecture"]


def test_a_record_holds_its_numbers_and_where_they_come_from(run):
    records = run("table1", tasks=["mrpc"], seeds=(3,), overrides={"beta": "8", "threads": "1"})
    record = records[1]
    assert record["system"] == "adabert"
    promised = "table task system seed metric value params command commit"
    assert set(promised.split()) <= record.keys()
    assert (record["metric"], record["value"]) == ("accuracy", pytest.approx(0.83))
    assert record["scores"] == {"accuracy": pytest.approx(0.83), "f1": pytest.approx(0.93)}
    assert record["settings"]["beta"] == 8.0


def test_the_commit_of_a_record_is_that_of_the_code_which_ran(counted, tmp_path, monkeypatch):
    at = iter(["abc1234", "fed9876"])
    monkeypatch.setattr(paper_run, "commit", lambda: next(at))
    runners = dict(counted[0])
    teach = runners["teacher"]

    def slowly(cell, output):
        metrics = teach(cell, output)
        assert at.__length_hint__() == 1  # asked for before the run, not after it
        return metrics

    runners["teacher"] = slowly
    cell = TABLES["table1"](Asked(tasks=["rte"]))[0]
    record = run_cell(cell, tmp_path / "runs", tmp_path / "results", {}, runners)
    assert record["commit"] == "abc1234"


def test_a_failed_run_leaves_no_record(tmp_path, counted):
    runners = dict(counted[0])
    runners["teacher"] = lambda cell, output: (_ for _ in ()).throw(RuntimeError("broken"))
    cell = TABLES["table1"](Asked(tasks=["rte"]))[0]
    with pytest.raises(RuntimeError, match="broken"):
        run_cell(cell, tmp_path / "runs", tmp_path / "results", {}, runners)
    assert finished(tmp_path / "results", cell) is None
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("table", ["table1", "table3", "table5"])
def test_the_command_of_a_record_makes_that_very_cell(table):
    overrides = {"teacher": "minilm-l6", "beta": "2", "threads": "1"}
    asked = Asked(tasks=["sst2", "rte"], seeds=(5,), overrides=overrides)
    for cell in TABLES[table](asked):
        words = shlex.split(command(cell, overrides))
        assert "--threads" not in words
        args = cli.parser().parse_args(words[1:])
        given = {key: vars(args)[key] for key in ("teacher", "beta")}
        again = TABLES[args.what](Asked(args.tasks, args.seeds, given))
        assert cell.run in [c.run for c in again if c.system in args.systems]


def test_the_verb_lists_runs_and_draws(tmp_path, monkeypatch, capsys, counted):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("adabert_nni.paper.run.RUNNERS", counted[0])
    words = ["paper", "figure3", "--tasks", "rte", "--teacher", "minilm-l6"]
    assert cli.main([*words, "--dry-run"]) == 0
    assert "missing" in capsys.readouterr().out
    assert not (tmp_path / "results").exists()
    assert cli.main(words) == 0
    assert (tmp_path / "results/paper/figure3-rte.svg").read_text().startswith("<svg")
    capsys.readouterr()
    assert cli.main([*words, "--dry-run"]) == 0
    assert "done" in capsys.readouterr().out
    assert cli.main(["paper", "render", "--teacher", "minilm-l6"]) == 0
    assert "80.00" in (tmp_path / "results/paper.md").read_text()


def test_a_systems_name_without_its_number_stands_for_all(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = (
        "paper table3 --tasks rte,mrpc --systems uniform,adabert:rte --dry-run --teacher minilm-l6"
    )
    assert cli.main(words.split()) == 0
    told = [line.split(None, 3)[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    drawn = [f"uniform:{draw} seed {draw}" for draw in range(5)]
    for task in ("rte", "mrpc"):
        own = [line.removeprefix(f"{task} ") for line in told if line.startswith(task)]
        assert own == ["adabert:rte seed 0", *drawn]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["table1", "--task", "rte"], "--tasks"),
        (["table1", "--seed", "1"], "--seeds"),
        (["table1", "--tasks", "rtee"], "rtee"),
        (["table1", "--systems", "bert"], "bert"),
        (["table1", "--systems", "adabert,distillbert"], "'distillbert'"),
        (["table3", "--tasks", "rte", "--systems", "uniformly"], "uniform:0"),
        (["table1", "--gamma", "3"], "gamma"),
        (["render", "--gamma", "3"], "gamma"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, words, told
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["paper", *words]) == cli.MISUSED
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error
    assert list(tmp_path.iterdir()) == []
