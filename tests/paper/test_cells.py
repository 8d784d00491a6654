"""Which runs a table is made of: one hash for equal settings, no run twice, what each system changes."""

import shlex
from collections import Counter
from pathlib import Path

import pytest
import yaml

from adabert_nni import cli
from adabert_nni.baselines.table import BASELINES
from adabert_nni.config import Config, config_from_args
from adabert_nni.errors import AdaBertError
from adabert_nni.paper.cells import IDLE, Asked, recipes
from adabert_nni.paper.run import RUNNERS, finished
from adabert_nni.paper.tables import TABLES, TASKS

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
MANY = ("table1", "table2", "table3", "table5", "figure3")


def cells(table, **asked):
    return TABLES[table](Asked(**asked))


def only(table, system, **asked):
    (cell,) = [cell for cell in cells(table, **asked) if cell.system == system]
    return cell


def test_the_hash_is_that_of_the_settings_and_not_of_their_order_or_place():
    one = only("table1", "adabert", tasks=["rte"], overrides={"beta": "4", "student_lr": "2e-3"})
    same = {"student_lr": 0.002, "beta": 4.0, "threads": 1, "cache": "/elsewhere"}
    assert only("table1", "adabert", tasks=["rte"], overrides=same).run == one.run
    other = {"student_lr": 0.003, "beta": 4.0}
    assert only("table1", "adabert", tasks=["rte"], overrides=other).run != one.run


@pytest.mark.parametrize("table", MANY)
def test_no_run_is_twice_in_a_table(table):
    runs = Counter(cell.run for cell in cells(table, seeds=(0, 1)))
    assert set(runs.values()) == {1}


def test_table_1_has_the_papers_systems_and_the_teacher_once():
    names = Counter(cell.system for cell in cells("table1", tasks=["mrpc"], seeds=(0, 1, 2)))
    assert names == {"teacher": 1, "adabert": 3, **dict.fromkeys(BASELINES, 3)}
    assert {cell.task for cell in cells("table1")} == set(TASKS)


def test_table_2_figure_3_and_the_middle_of_table_5_are_table_1s_runs():
    first = {
        cell.run: cell.task for cell in cells("table1", seeds=(0, 1)) if cell.system == "adabert"
    }
    for table in ("table2", "figure3"):
        assert {cell.run for cell in cells(table, seeds=(0, 1))} == first.keys()
    middle = [cell for cell in cells("table5", seeds=(0, 1)) if cell.system == "beta-4"]
    shared = {cell.task for cell in middle if cell.run in first}
    assert shared == {cell.task for cell in middle} - recipes()["table1"].keys()
    assert [c.config.search.beta for c in cells("table5", tasks=["rte"])] == [0, 4, 8]


def test_table_3_trains_each_tasks_structure_on_each_task_and_five_random_ones_of_each_kind():
    found = cells("table3", tasks=["sst2", "rte"])
    fixed = [(c.task, c.source.task) for c in found if c.kind == "fixed"]
    assert fixed == [("sst2", "sst2"), ("sst2", "rte"), ("rte", "sst2"), ("rte", "rte")]
    draws = [(c.task, c.seed, c.source.task) for c in found if c.kind == "random"]
    assert draws == [(task, draw, task) for task in ("sst2", "rte") for draw in range(5)]
    anything = [(c.task, c.system, c.source) for c in found if c.kind == "uniform"]
    assert anything == [(t, f"uniform:{n}", None) for t in ("sst2", "rte") for n in range(5)]
    own = only("table1", "adabert", tasks=["rte"])
    assert {c.source.run for c in found if c.system == "adabert:rte"} == {own.run}


def test_another_source_or_another_seed_of_it_is_another_run():
    found = cells("table3", tasks=("sst2", "rte"), seeds=(0, 1))
    runs = {c.run for c in found if c.task == "sst2" and c.kind == "fixed"}
    assert len(runs) == 4  # two structures, two seeds


def test_table_4_adds_one_kind_of_knowledge_a_row():
    wanted = {"gamma", "transfer", "augment_copies"}
    rows = {}
    for cell in cells("table4", tasks=["rte"]):
        flat = cell.config.flat()
        rows[cell.system] = {key: flat[key] for key in wanted}
        assert cell.source.run == only("table1", "adabert", tasks=["rte"]).run
    copies = recipes()["augmented"]["rte"]["augment_copies"]
    assert rows == {
        "base-kd": {"gamma": 1.0, "transfer": "last", "augment_copies": 0},
        "+probe": {"gamma": 1.0, "transfer": "hierarchical", "augment_copies": 0},
        "+da": {"gamma": 1.0, "transfer": "hierarchical", "augment_copies": copies},
        "+ce": {"gamma": 0.8, "transfer": "hierarchical", "augment_copies": copies},
    }


def test_the_papers_adabert_is_augmented_and_its_search_is_not():
    for table in ("table1", "table5"):
        for cell in cells(table):
            wanted = cell.config.augment
            assert (wanted.augment_copies > 0) == (cell.kind == "compress")
            assert cell.kind != "compress" or wanted.augment_for == "student"


def test_the_first_two_rows_of_table_4_are_what_they_say():
    base, probe = (c for c in cells("table4", tasks=["rte"]) if c.system in ("base-kd", "+probe"))
    assert (base.config.search.gamma, base.config.student.transfer) == (1.0, "last")
    assert (probe.config.search.gamma, probe.config.student.transfer) == (1.0, "hierarchical")
    assert base.run != probe.run


def test_a_tables_own_recipe_changes_nothing_of_its_search():
    for task in recipes()["table1"]:
        own = only("table1", "adabert", tasks=[task]).config
        source = only("table4", "+ce", tasks=[task]).source.config
        assert own.search == source.search and own != source


def test_overrides_win_over_a_recipe_and_lose_to_what_a_system_is():
    asked = {"tasks": ["rte"], "overrides": {"student_epochs": 2, "beta": 1}}
    assert only("table1", "adabert", **asked).config.student.student_epochs == 2
    assert only("table5", "beta-8", **asked).config.search.beta == 8


def test_settings_that_a_kind_does_not_use_leave_its_run_as_it_is():
    for key, value, changed in (
        ("beta", 1, {"compress"}),
        ("baseline_lr", 0.1, {"baseline"}),
        ("teacher_lr", 0.1, {"compress", "baseline", "teacher"}),
    ):
        pairs = zip(
            cells("table1", tasks=["rte"]),
            cells("table1", tasks=["rte"], overrides={key: value}),
            strict=True,
        )
        assert {one.kind for one, other in pairs if one.run != other.run} == changed


def test_every_kind_has_a_runner():
    assert IDLE.keys() == RUNNERS.keys()


@pytest.mark.parametrize("task", TASKS)
def test_a_recipe_with_augmentation_is_the_tasks_experiment(task):
    command = yaml.safe_load((EXPERIMENTS / f"{task}.yml").read_text())["trialCommand"]
    args = cli.parser().parse_args(shlex.split(command)[1:])
    within_an_hour = {"augment_copies": 2, "augment_splice": 0.0, "student_epochs": 2}
    recipe = {**recipes()["tasks"][task], **recipes()["augmented"][task], "task": task}
    recipe |= within_an_hour if task == "sst2" else {}
    assert Config.from_mapping(recipe, "recipes.yml") == config_from_args(args)


@pytest.mark.parametrize("table", ["table1", "table2", "table4", "table5"])
def test_the_recipes_are_those_of_the_cells_that_are_kept(table):
    found = cells(table, overrides={"teacher": "minilm-l6"})
    results = ROOT / "results" / "paper"
    assert [cell.run for cell in found if finished(results, cell) is None] == []


def test_an_unknown_task_or_setting_is_refused():
    with pytest.raises(AdaBertError, match="rtee"):
        cells("table1", tasks=["rtee"])
    with pytest.raises(AdaBertError, match="table1, rte, adabert: unknown key 'betta'"):
        _ = only("table1", "adabert", tasks=["rte"], overrides={"betta": 1}).run
