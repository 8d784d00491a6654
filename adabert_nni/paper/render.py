"""The paper's tables as one page: ours, from the records of finished cells, beside the printed figures.

Mean ± sample standard deviation over seeds (over draws for random structures); one run has no deviation, and what
was not run is a dash. It must not know how a cell is run.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adabert_nni.files import atomic_write
from adabert_nni.model.architecture import Architecture
from adabert_nni.paper.adaptive import Apart, adaptivity
from adabert_nni.paper.cells import ABLATED, ADABERT, TASKS
from adabert_nni.paper.figures import TABLE1, TABLE2, TABLE3, TABLE4, TABLE5
from adabert_nni.paper.records import Record, of
from adabert_nni.report.plot import cell_svg
from adabert_nni.report.tables import markdown_table, millions

DASH = "-"
NOTES = """\
Every figure of ours is a mean ± sample standard deviation over its runs (their number in brackets, where there
are several), measured on the validation split; epochs were chosen on rows of the training split. The paper's are
those of GLUE's test server in Table 1 (F1 for MRPC and QQP) and of the validation split in Tables 3 to 5. Where
there are two, accuracy comes before F1. AdaBERT learns from augmented rows too, but for the first two rows of
Table 4 and for Table 3; our baselines do not. A dash is a run that was not made."""


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Mean ± sample standard deviation (number of runs); a dash for none."""
    if not values:
        return DASH
    mean = show(statistics.fmean(values))
    if len(values) == 1:
        return mean
    return f"{mean} ± {show(statistics.stdev(values))} ({len(values)})"


def score_cell(records: Iterable[Record]) -> str:
    """All scores of a task's runs in percent: accuracy, then F1 where the task has it."""
    found = list(records)
    names = list(found[0]["scores"]) if found else []
    shown = [spread([100 * r["scores"][name] for r in found], _decimals) for name in names]
    return " / ".join(shown) or DASH


def retention_cell(records: Iterable[Record]) -> str:
    """Share of the teacher's scores that is kept, in percent."""
    found = list(records)
    names = list(found[0]["scores"]) if found else []
    kept = [[100 * r["scores"][n] / r["teacher_scores"][n] for r in found] for n in names]
    return " / ".join(spread(values, _decimals) for values in kept) or DASH


def render(records: Sequence[Record], results: Path) -> str:
    """The whole page; draws figure 3 into ``results`` and links to it."""
    pages = [
        ("Table 1: accuracy, size and speed", _table1(records)),
        ("Table 2: what was found", _table2(records)),
        ("Table 3: structures across tasks", _scores(records, "table3", TABLE3, TASKS)),
        ("Table 4: what teaches", _scores(records, "table4", TABLE4, ABLATED)),
        ("Table 5: efficiency", _scores(records, "table5", TABLE5, ABLATED, _with_params)),
        ("Figure 3: the cells", _figure3(records, results)),
        ("Task-adaptive: how far found structures lie apart", _adaptive(records)),
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
    columns |= {task: task for task in TASKS} | {"average": "average accuracy"}
    rows = []
    for system, printed in TABLE1.items():
        own = of(records, "table1", system)
        by_task = {task: of(own, "table1", system, task) for task in TASKS}
        means = [statistics.fmean(r["value"] for r in found) for found in by_task.values() if found]
        whole = len(means) == len(TASKS)
        row = {task: score_cell(found) for task, found in by_task.items()}
        row |= {"params": _range([r["params"] for r in own], _millions)}
        row |= {"speedup": _range([r["speedup"] for r in own], _times)}
        row["average"] = _decimals(100 * statistics.fmean(means)) if whole else DASH
        kept = {task: retention_cell(found) for task, found in by_task.items()}
        rows += [{"system": system, **row}]
        if system != "teacher":
            rows += [{"system": "of its teacher, %", **kept}]
        paper = {"system": f"paper: {printed['name']}", "params": printed["params"]}
        rows += [{**paper, "speedup": printed["speedup"], **printed["scores"]}]
    return markdown_table(rows, columns)


def _table2(records: Sequence[Record]) -> str:
    columns = {"task": "task", "depth": "K", "params": "parameters", "speedup": "x BERT-base"}
    columns |= {f"paper_{key}": f"paper: {name}" for key, name in list(columns.items())[1:]}
    shows = {"depth": _digits, "params": _millions, "speedup": _times}
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
    """A row of ours and one of the paper's for each system, a column for each task."""
    rows = []
    for system, theirs in printed.items():
        ours = {task: show(of(records, table, system, task)) for task in tasks}
        rows += [{"system": system, **ours}, {"system": "paper", **theirs}]
    return markdown_table(rows, {"system": "system", **{task: task for task in tasks}})


def _with_params(records: Iterable[Record]) -> str:
    found = list(records)
    params = spread([r["params"] for r in found], _millions)
    return f"{score_cell(found)} ({params})" if found else DASH


def _figure3(records: Sequence[Record], results: Path) -> str:
    drawn = draw_cells(records, results)
    pictures = [f"![{task}]({results.name}/{path.name})" for task, path in drawn.items()]
    return "\n\n".join(f"{task}:\n\n{p}" for task, p in zip(drawn, pictures, strict=True)) or DASH


def _adaptive(records: Sequence[Record]) -> str:
    """Pairs of one task and pairs of two, of what Table 1 found in each architecture space."""
    by_space: dict[str, dict[str, list[Architecture]]] = {}
    for record in of(records, "table1", ADABERT):
        tasks = by_space.setdefault(record["settings"]["space"], {})
        found = Architecture.from_dict(record["architecture"])
        tasks.setdefault(record["task"], []).append(found)
    rows: list[dict[str, str]] = []
    for space, tasks in by_space.items():
        if (told := adaptivity(tasks)) is not None:
            rows += [
                _apart(f"space {space}: one task, two seeds", told.within),
                _apart(f"space {space}: two tasks", told.across),
                {
                    "pairs": f"space {space}: shuffled tasks reach that gap with p",
                    "edges": f"{told.edges_p:.2g}",
                    "layers": f"{told.layers_p:.2g}",
                },
            ]
    columns = {"pairs": "pairs", "edges": "edges that differ, %", "layers": "difference of K"}
    return markdown_table(rows, columns) if rows else DASH


def _apart(name: str, pairs: Apart) -> dict[str, str]:
    edges, layers = _decimals(100 * pairs.edges), _decimals(pairs.layers)
    return {"pairs": f"{name} ({pairs.pairs})", "edges": edges, "layers": layers}


def _runs(records: Sequence[Record]) -> str:
    keys = ("table", "task", "system", "seed", "metric", "value", "params", "run", "commit")
    columns = {key: key for key in (*keys, "command")}
    ordered = sorted(records, key=lambda r: [str(r[key]) for key in keys[:4]])
    rows = [{**r, "command": f"`{r['command']}`"} for r in ordered]
    return markdown_table(rows, columns) if rows else DASH


def _range(values: Sequence[float], show: Callable[[Any], str]) -> str:
    """The least and the greatest value, or the one that there is."""
    ends = list(dict.fromkeys(show(end) for end in (min(values), max(values)))) if values else []
    return " to ".join(ends) or DASH


def _decimals(value: float) -> str:
    return f"{value:.2f}"


def _digits(value: float) -> str:
    return f"{value:.3g}"


def _millions(value: float) -> str:
    return millions(round(value))


def _times(value: float) -> str:
    return f"{value:.1f}x"
