"""What the pages say of the kept records is what the records say."""

import re
import shutil
import statistics
from pathlib import Path

import pytest

from adabert_nni.paper.records import load_records, of
from adabert_nni.paper.render import render
from adabert_nni.paper.tables import TASKS

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results" / "paper"
ROW = {  # how a row of a table by hand begins -> the system it is of
    "teacher": "teacher",
    "AdaBERT": "adabert",
    "BERT-PKD, half": "bert-pkd-half",
    "BERT-PKD, a quarter": "bert-pkd-quarter",
    "DistilBERT": "distilbert",
    "TinyBERT": "tinybert",
    "BiLSTM-soft": "bilstm-soft",
    "found on SST-2": "adabert:sst2",
    "found on MRPC": "adabert:mrpc",
    "found on QNLI": "adabert:qnli",
    "found on RTE": "adabert:rte",
    "random, as large": "random",
    "random, of the whole": "uniform",
    "base-kd": "base-kd",
    "+ its probes": "+probe",
    "+ copies": "+da",
    "+ the labels": "+ce",
}
TASK = {"SST-2": "sst2"} | {task.upper(): task for task in TASKS}
SCORE = re.compile(r"(\d+\.(\d+))(?: ± (\d+\.\d+))?")


@pytest.fixture(scope="module")
def records():
    return load_records(KEPT, {}, ())


def rows(page, before):
    """The first table after a line that starts with ``before``: its rows as {column: text}."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(before))
    first = next(i for i in range(start, len(lines)) if lines[i].startswith("|"))
    last = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    head, _, *body = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines[first:last]
    )
    return [dict(zip(head, cells, strict=True)) for cells in body]


def scores(records, table, system, task):
    return [100 * record["value"] for record in of(records, table, system, task)]


def agrees(text, mean, runs=()):
    """Whether mean and deviation, where one is given, are those of the runs, as far as they are printed."""
    printed, places, deviation = SCORE.search(text).groups()
    within = 0.5 * 10 ** -len(places) + 1e-6
    assert abs(float(printed) - mean) <= within, text
    assert not deviation or abs(float(deviation) - statistics.stdev(runs)) <= within, text


def system_of(label):
    name = label.replace("*", "")
    return next((system for start, system in ROW.items() if name.startswith(start)), None)


def test_table_5_by_hand_is_that_of_the_records(records):
    known = [row for row in rows(ROOT / "results/six-tasks.md", "## Table 5") if row[""] in TASK]
    assert len(known) == 4
    for row in known:
        for beta in (0, 4, 8):
            found = of(records, "table5", f"beta-{beta}", TASK[row[""]])
            depths, size, _, accuracy = row[f"beta {beta}"].split("; ")
            assert sorted(depths.removeprefix("K = ").split(", ")) == sorted(
                str(record["depth"]) for record in found
            )
            agrees(size, statistics.fmean(record["params"] / 1e6 for record in found))
            runs = [100 * record["value"] for record in found]
            agrees(accuracy, statistics.fmean(runs), runs)


def test_the_page_is_what_render_makes_of_the_records(tmp_path, records):
    results = tmp_path / "paper"
    shutil.copytree(KEPT, results)
    for picture in results.glob("*.svg"):
        picture.unlink()
    assert render(records, results) == KEPT.with_suffix(".md").read_text(encoding="utf-8")
    drawn = {path.name: path.read_bytes() for path in results.glob("*.svg")}
    assert drawn == {path.name: path.read_bytes() for path in KEPT.glob("*.svg")}


@pytest.mark.parametrize(
    ("page", "before", "table", "count"),
    [
        ("README.md", "**Six tasks.**", "table1", 7),
        ("results/six-tasks.md", "## Table 1: the baselines", "table1", 6),
        ("results/six-tasks.md", "## Table 3", "table3", 6),
        ("results/six-tasks.md", "## Table 4", "table4", 4),
    ],
)
def test_scores_in_a_table_by_hand_are_those_of_the_records(records, page, before, table, count):
    known = [(row, system_of(row[""])) for row in rows(ROOT / page, before)]
    known = [(row, system) for row, system in known if system]
    assert len(known) == count
    for row, system in known:
        by_task = {
            column: scores(records, table, system, TASK[column]) for column in row if column in TASK
        }
        assert len(by_task) >= 4
        for column, runs in by_task.items():
            agrees(row[column], statistics.fmean(runs), runs)
        if "mean" in row:
            agrees(row["mean"], statistics.fmean(map(statistics.fmean, by_task.values())))
