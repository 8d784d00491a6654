"""The page: means and deviations worked out by hand, dashes for what is missing, the paper's figures beside."""

import re
from dataclasses import replace

import pytest

from adabert_nni.data.tasks import TASKS as TASKS_KNOWN
from adabert_nni.data.tasks import get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.paper import figures
from adabert_nni.paper.cells import Asked
from adabert_nni.paper.records import load_records
from adabert_nni.paper.render import render
from adabert_nni.paper.run import run_cell
from adabert_nni.paper.shown import retention_cell, score_cell
from adabert_nni.paper.tables import ABLATED, TABLES, TASKS

CELL = Architecture(2, 2, dict.fromkeys(edge_names(2), "std_conv_3"))


def record(system="adabert", seed=0, table="table1", task="rte", accuracy=0.8, **more):
    scores = {name: accuracy + 0.1 * (name == "f1") for name in get_task(task).metrics}
    return {
        **{"table": table, "task": task, "system": system, "seed": seed, "run": "12345678"},
        **{"metric": "accuracy", "value": accuracy, "scores": scores, "forced": []},
        **{"teacher_scores": dict.fromkeys(scores, 0.8), "params": 5_000_000, "depth": 2},
        **{"speedup": 40.0, "commit": "abc1234", "command": "adabert paper table1"},
        **{
            "settings": {"teacher": "minilm-l6", "space": "paper"},
            "architecture": CELL.to_dict(),
            **more,
        },
    }


def row(page, title, name):
    """The cells of a row of one section, by the header."""
    section = re.search(rf"## {title}.*?\n\n(.*?)\n\n", page + "\n\n", re.DOTALL)[1]
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()
    ]
    found = [cells for cells in rows if cells[0] == name]
    return dict(zip(header, found[0], strict=True))


def test_two_seeds_have_their_mean_and_sample_deviation():
    # 80 and 82: mean 81, deviation sqrt((1 + 1) / 1) = 1.414
    pair = [record(seed=0, accuracy=0.80), record(seed=1, accuracy=0.82)]
    assert score_cell(pair) == "81.00 ± 1.41 (2)"
    assert score_cell(pair[:1]) == "80.00"
    # of a teacher with 80: 100 and 102.5, mean 101.25, deviation sqrt(2 * 1.25^2) = 1.768
    assert retention_cell(pair) == "101.25 ± 1.77 (2)"


def test_structures_of_one_task_stand_beside_those_of_two(tmp_path):
    deep = Architecture(4, 2, CELL.edges).to_dict()
    settings = {"settings": {"space": "small"}}
    records = [record(task="rte", seed=seed, **settings) for seed in (0, 1)]
    title = "Task-adaptive: how far found structures lie apart"
    assert f"## {title}\n\n-" in render(records, tmp_path / "paper")
    records += [record(task="qnli", seed=s, architecture=deep, **settings) for s in (0, 1)]
    page = render(records, tmp_path / "paper")
    same, other = (
        row(page, title, f"space small: {name}")
        for name in ("one task, two seeds (2)", "two tasks (4)")
    )
    assert (same["edges that differ, %"], same["difference of K"]) == ("0.00", "0.00")
    assert (other["edges that differ, %"], other["difference of K"]) == ("0.00", "2.00")


def test_a_task_with_f1_shows_both():
    assert score_cell([record(task="mrpc", accuracy=0.7)]) == "70.00 / 80.00"


def test_what_was_not_run_is_a_dash_and_the_papers_figure_stands_beside(tmp_path):
    page = render([record(accuracy=0.8)], tmp_path / "paper")
    ours = row(page, "Table 1", "adabert")
    assert (ours["rte"], ours["sst2"], ours["average accuracy"]) == ("80.00", "-", "-")
    assert (ours["parameters"], ours["x BERT-base"]) == ("5.00 M", "40.0x")
    printed = row(page, "Table 1", "paper: AdaBERT")
    assert (printed["rte"], printed["sst2"], printed["average accuracy"]) == (
        "64.4",
        "91.8",
        "80.1",
    )
    assert set(row(page, "Table 1", "distilbert").values()) == {"distilbert", "-"}
    assert set(row(page, "Table 4", "+da").values()) == {"+da", "-"}


def test_an_empty_folder_gives_a_page_of_dashes(tmp_path):
    page = render(load_records(tmp_path, {}, ()), tmp_path)
    ours = [line for line in page.splitlines() if line.startswith("| teacher ")]
    assert re.findall(r"\d", " ".join(ours)) == []


def test_the_average_needs_all_six_tasks(tmp_path):
    all_six = [record(task=task, accuracy=0.70 + i / 100) for i, task in enumerate(TASKS)]
    page = render(all_six, tmp_path / "paper")
    assert row(page, "Table 1", "adabert")["average accuracy"] == "72.50"  # (70 + ... + 75) / 6
    page = render(all_six[1:], tmp_path / "paper")
    assert row(page, "Table 1", "adabert")["average accuracy"] == "-"


def test_table_2_is_made_of_table_1s_runs(tmp_path):
    pair = [record(seed=0, depth=2), record(seed=1, depth=3, params=7_000_000)]
    ours = row(render(pair, tmp_path / "paper"), "Table 2", "rte")
    # deviations of (2, 3) and of (5, 7): sqrt(0.5) = 0.707 and sqrt(2) = 1.41
    assert ours["K"] == "2.5 ± 0.707 (2)"
    assert ours["parameters"] == "6.00 M ± 1.41 M (2)"
    assert (ours["paper: K"], ours["paper: parameters"]) == ("6", "8.6M")


def test_random_structures_are_summed_up_over_their_draws(tmp_path):
    draws = [record(f"random:{i}", seed=i, table="table3", accuracy=0.7 + i / 50) for i in range(3)]
    draws += [{**draw, "system": f"uniform:{n}"} for n, draw in enumerate(draws[:2])]
    page = render(draws, tmp_path / "paper")
    assert row(page, "Table 3", "random")["rte"] == "72.00 ± 2.00 (3)"  # 70, 72, 74
    assert row(page, "Table 3", "uniform")["rte"] == "71.00 ± 1.41 (2)"


def test_the_papers_random_row_stands_below_structures_drawn_as_it_draws_them(tmp_path):
    section = render([record()], tmp_path / "paper").split("## Table 3")[1].split("## ")[0]
    names = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    assert names[-5:] == ["random", "uniform", "paper", "the task's own", "paper"]


def test_an_average_is_over_the_tasks_that_every_system_was_run_on(tmp_path):
    told = {"base-kd": {"sst2": 0.8, "rte": 0.6, "mrpc": 0.9}, "+da": {"sst2": 0.9, "rte": 0.5}}
    made = [
        record(system, table="table4", task=task, accuracy=accuracy)
        for system, by_task in told.items()
        for task, accuracy in by_task.items()
    ]
    page = render(made, tmp_path / "paper")
    averages = [row(page, "Table 4", name)["average of sst2, rte"] for name in (*told, "+probe")]
    assert averages == ["70.00", "70.00", "-"]
    assert row(page, "Table 4", "paper")["average of sst2, rte"] == "71.65"  # 86.6 and 56.7
    alone = render([r for r in made if r["task"] == "rte"], tmp_path / "paper")
    assert "average of" not in alone  # one task is no average


def test_each_tasks_own_structure_is_the_diagonal(tmp_path):
    told = {("rte", "rte"): 0.6, ("rte", "mrpc"): 0.7, ("mrpc", "rte"): 0.5, ("mrpc", "mrpc"): 0.9}
    made = [
        record(f"adabert:{found_on}", table="table3", task=task, accuracy=accuracy)
        for (found_on, task), accuracy in told.items()
    ]
    page = render(made, tmp_path / "paper")
    own = row(page, "Table 3", "the task's own")
    assert (own["mrpc"], own["rte"]) == ("90.00 / 100.00", "60.00")
    assert own["average of mrpc, rte"] == "75.00"
    assert row(page, "Table 3", "adabert:mrpc")["average of mrpc, rte"] == "70.00"


def test_table_5_tells_the_size_too(tmp_path):
    page = render([record("beta-8", table="table5")], tmp_path / "paper")
    assert row(page, "Table 5", "beta-8")["rte"] == "80.00 (5.00 M)"


def test_every_run_is_listed_with_its_command_and_commit(tmp_path):
    page = render([record()], tmp_path / "paper")
    listed = row(page, "Every run", "table1")
    assert listed["command"] == "`adabert paper table1`"
    assert (listed["commit"], listed["run"]) == ("abc1234", "12345678")


def save(folder, name, **more):
    write_json(folder / "table1" / f"{name}.json", record(**more))


def test_records_are_chosen_by_settings_but_not_by_what_a_system_is_forced_to(tmp_path):
    save(tmp_path, "a", settings={"teacher": "x", "beta": 8.0}, system="beta-8", forced=["beta"])
    save(tmp_path, "b", settings={"teacher": "y", "beta": 4.0}, system="adabert")
    save(tmp_path, "c", settings={"teacher": "x"}, system="tinybert")
    wanted = {"teacher": "x", "beta": 4.0}
    assert [r["system"] for r in load_records(tmp_path, wanted, ())] == ["beta-8", "tinybert"]
    assert load_records(tmp_path, {}, ["sst2"]) == []


def test_two_runs_that_claim_one_cell_are_refused(tmp_path):
    save(tmp_path, "a", settings={"teacher": "x"})
    save(tmp_path, "b", settings={"teacher": "y"})
    with pytest.raises(AdaBertError, match=r"adabert, 0 has other settings.*--teacher"):
        load_records(tmp_path, {}, ())
    assert len(load_records(tmp_path, {"teacher": "x"}, ())) == 1


def test_records_as_they_are_run_can_be_rendered(tmp_path, counted):
    results = tmp_path / "results" / "paper"
    for cell in TABLES["table1"](Asked(tasks=["rte"], seeds=(0, 2))):
        run_cell(cell, tmp_path / "runs", results, {}, counted[0])
    page = render(load_records(results, {}, ()), results)
    # 80 and 82; the teacher's run, with seed 0, is one
    assert row(page, "Table 1", "bilstm-soft")["rte"] == "81.00 ± 1.41 (2)"
    assert row(page, "Table 1", "teacher")["rte"] == "80.00"
    assert (results / "figure3-rte.svg").is_file()
    assert "![rte](paper/figure3-rte.svg)" in page


def test_a_system_a_task_and_a_table_of_ones_own_come_after_the_papers(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS_KNOWN, "mine", replace(get_task("rte"), name="mine"))
    made = [
        record("plain-kd", accuracy=0.7),
        record("plain-kd", task="mine", accuracy=0.75),
        record("+mine", table="table4", accuracy=0.61),
        record("slow", table="table6", accuracy=0.62),
        record("adabert:mine", table="table3", task="mine", accuracy=0.63),
    ]
    page = render(made, tmp_path / "paper")
    own = row(page, "Table 1", "plain-kd")
    assert (own["rte"], own["mine"], own["average accuracy"]) == ("70.00", "75.00", "-")
    assert row(page, "Table 1", "paper: AdaBERT")["rte"] == "64.4"
    assert row(page, "Table 4", "+mine")["rte"] == "61.00"
    assert row(page, "table6", "slow")["rte"] == "62.00"
    assert row(page, "Table 3", "adabert:mine")["mine"] == "63.00"


def test_the_papers_figures_cover_its_systems_and_tasks():
    names = {cell.system for cell in TABLES["table1"](Asked(tasks=["rte"]))}
    assert figures.TABLE1.keys() <= names
    assert figures.TABLE2.keys() == set(TASKS)
    crossed = {f"adabert:{task}" for task in TASKS}
    assert figures.TABLE3.keys() == crossed | {"random", "uniform"}
    assert list(figures.TABLE4) == ["base-kd", "+probe", "+da", "+ce"]
    assert list(figures.TABLE5) == ["beta-0", "beta-4", "beta-8"]
    for table, tasks in ((figures.TABLE3, TASKS), (figures.TABLE4, ABLATED)):
        told = {system: cells for system, cells in table.items() if system != "random"}
        assert all(tuple(cells) == tasks for cells in told.values())


@pytest.mark.parametrize("system", ["teacher", "adabert", "bert-pkd-half", "tinybert"])
def test_the_papers_averages_are_those_of_its_rows(system):
    scores = figures.TABLE1[system]["scores"]
    mean = sum(float(scores[task]) for task in TASKS) / 6
    assert mean == pytest.approx(float(scores["average"]), abs=0.05001)
