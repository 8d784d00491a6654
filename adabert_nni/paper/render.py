"""The paper's tables as one page: ours, from the records of finished cells, beside the printed figures.

Mean ± sample standard deviation over seeds (over draws for random structures); one run has no deviation, and what
was not run is a dash. It must not know how a cell is run.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from adabert_nni.files import atomic_write
from adabert_nni.model.architecture import Architecture
from adabert_nni.paper.adaptive import adaptive_table
from adabert_nni.paper.figures import TABLE1, TABLE2, TABLE3, TABLE4, TABLE5
from adabert_nni.paper.records import Record, in_table, of
from adabert_nni.paper.shown import (
    DASH,
    average,
    decimals,
    digits,
    ends,
    in_millions,
    retention_cell,
    score_cell,
    spread,
    times,
    with_params,
)
from adabert_nni.paper.tables import ABLATED, ADABERT, TASKS
from adabert_nni.report.plot import cell_svg
from adabert_nni.report.tables import markdown_table

OWN = "the task's own"
SHOWN = (
    "table1",
    "table3",
    "table4",
    "table5",
)  # with pages of their own; any other table has the plain one
NOTES = """\
Every figure of ours is a mean ± sample standard deviation over its runs (their number in brackets, where there
are several), measured on the validation split; epochs were chosen on rows of the training split. The paper's are
those of GLUE's test server in Table 1 (F1 for MRPC and QQP) and of the validation split in Tables 3 to 5. Where
there are two, accuracy comes before F1. AdaBERT learns from augmented rows too, but for the first two rows of
Table 4 and for Table 3; our baselines do not. The paper's rows are GLUE's whole sets; how many ours were, each
cell's settings and `results/README.md` say. A dash is a run that was not made."""


def render(records: Sequence[Record], results: Path) -> str:
    """The whole page; draws figure 3 into ``results`` and links to it."""
    others = sorted({record["table"] for record in records} - set(SHOWN))
    pages = [
        ("Table 1: accuracy, size and speed", _table1(records)),
        ("Table 2: what was found", _table2(records)),
        (
            "Table 3: structures across tasks",
            _scores(records, "table3", TABLE3 | {OWN: _diagonal()}, TASKS),
        ),
        ("Table 4: what teaches", _scores(records, "table4", TABLE4, ABLATED)),
        ("Table 5: efficiency", _scores(records, "table5", TABLE5, ABLATED, with_params)),
        *((name, _scores(records, name, {}, ())) for name in others),
        ("Figure 3: the cells", _figure3(records, results)),
        (
            "Task-adaptive: how far found structures lie apart",
            adaptive_table(of(records, "table1", ADABERT)),
        ),
        ("Every run", _runs(records)),
    ]
    lines = ["# The paper's tables", "", NOTES]
    for title, text in pages:
        lines += ["", f"## {title}", "", text]
    return "\n".join([*lines, ""])


def draw_cells(records: Iterable[Record], results: Path) -> dict[str, Path]:
    """Draw the cell that the first seed found on each task; task -> picture."""
    drawn: dict[str, Path] = {}
    for record in sorted(of(records, "table1", ADABERT), key=lambda r: r["seed"]):
        task = record["task"]
        if task not in drawn:
            drawn[task] = results / f"figure3-{task}.svg"
            found = Architecture.from_dict(record["architecture"])
            atomic_write(drawn[task], cell_svg(found))
    return drawn


def _table1(records: Sequence[Record]) -> str:
    columns = {"system": "system", "params": "parameters", "speedup": "x BERT-base"}
    tasks = in_table(records, "table1", TASKS, "task")
    columns |= {task: task for task in tasks} | {"average": "average accuracy"}
    rows = []
    for system in in_table(records, "table1", TABLE1, "system"):
        own = of(records, "table1", system)
        by_task = {task: of(own, "table1", system, task) for task in tasks}
        means = [
            statistics.fmean(r["value"] for r in by_task[task]) for task in TASKS if by_task[task]
        ]
        whole = len(means) == len(TASKS)
        row = {task: score_cell(found) for task, found in by_task.items()}
        row |= {"params": ends([r["params"] for r in own], in_millions)}
        row |= {"speedup": ends([r["speedup"] for r in own], times)}
        row["average"] = decimals(100 * statistics.fmean(means)) if whole else DASH
        kept = {task: retention_cell(found) for task, found in by_task.items()}
        rows += [{"system": system, **row}]
        if system != "teacher":
            rows += [{"system": "of its teacher, %", **kept}]
        if (printed := TABLE1.get(system)) is not None:
            paper = {"system": f"paper: {printed['name']}", "params": printed["params"]}
            rows += [{**paper, "speedup": printed["speedup"], **printed["scores"]}]
    return markdown_table(rows, columns)


def _table2(records: Sequence[Record]) -> str:
    columns = {"task": "task", "depth": "K", "params": "parameters", "speedup": "x BERT-base"}
    columns |= {f"paper_{key}": f"paper: {name}" for key, name in list(columns.items())[1:]}
    shows = {"depth": digits, "params": in_millions, "speedup": times}
    rows = []
    for task, printed in TABLE2.items():
        found = of(records, "table1", ADABERT, task)
        row = {key: spread([r[key] for r in found], show) for key, show in shows.items()}
        row |= {f"paper_{key}": value for key, value in printed.items()}
        rows.append({"task": task, **row})
    return markdown_table(rows, columns)


def _scores(
    records: Sequence[Record],
    table: str,
    printed: Mapping[str, Mapping[str, str]],
    tasks: Sequence[str],
    show: Callable[[Iterable[Record]], str] = score_cell,
) -> str:
    """A row of ours and one of the paper's for each system, a column for each task, and what they have on average.

    What was run beyond ``printed`` and ``tasks`` comes after them. The average of both is over the tasks that
    every system was run on, of those that were run at all.
    """
    tasks = in_table(records, table, tasks, "task")
    found = {
        system: {task: _runs_of(records, table, system, task) for task in tasks}
        for system in in_table(records, table, printed, "system")
    }
    begun = [row for row in found.values() if any(row.values())]
    shared = [task for task in tasks if begun and all(row[task] for row in begun)]
    rows = []
    for system, by_task in found.items():
        ours = {task: show(runs) for task, runs in by_task.items()}
        means = [
            statistics.fmean(100 * r["value"] for r in by_task[t]) for t in shared if by_task[t]
        ]
        rows += [{"system": system, **ours, "average": average(means)}]
        if theirs := printed.get(system):
            known = shared if theirs.keys() >= set(shared) else []
            paper = [float(theirs[task].split()[0]) for task in known]
            rows += [{"system": "paper", **theirs, "average": average(paper)}]
    more = {"average": f"average of {', '.join(shared)}"} if len(shared) > 1 else {}
    return markdown_table(rows, {"system": "system", **{task: task for task in tasks}, **more})


def _diagonal() -> dict[str, str]:
    """What the paper has for each task's own structure."""
    return {task: TABLE3[f"{ADABERT}:{task}"][task] for task in TASKS}


def _runs_of(records: Iterable[Record], table: str, system: str, task: str) -> list[Record]:
    """Those of a system, or of the structure that was found on the task itself."""
    return of(records, table, f"{ADABERT}:{task}" if system == OWN else system, task)


def _figure3(records: Sequence[Record], results: Path) -> str:
    drawn = draw_cells(records, results)
    pictures = [f"![{task}]({results.name}/{path.name})" for task, path in drawn.items()]
    return "\n\n".join(f"{task}:\n\n{p}" for task, p in zip(drawn, pictures, strict=True)) or DASH


def _runs(records: Sequence[Record]) -> str:
    keys = ("table", "task", "system", "seed", "metric", "value", "params", "run", "commit")
    columns = {key: key for key in (*keys, "command")}
    ordered = sorted(records, key=lambda r: [str(r[key]) for key in keys[:4]])
    rows = [{**r, "command": f"`{r['command']}`"} for r in ordered]
    return markdown_table(rows, columns) if rows else DASH
