"""Which runs each of the paper's tables is made of: ONE table of tables.

It must not know how a run is named, made or shown.
"""

from collections.abc import Callable, Mapping
from typing import Any

from adabert_nni.paper.cells import Asked, Cell, recipe

TASKS = ("sst2", "mrpc", "qqp", "mnli", "qnli", "rte")  # in the paper's order
ABLATED = ("sst2", "mrpc", "qnli", "rte")  # those of tables 4 and 5
DRAWS = 5  # random structures of each kind a task, table 3
BETAS = (0, 4, 8)  # table 5
ADABERT, TEACHER = "adabert", "teacher"
PLAIN = {"augment_copies": 0}


def table1(asked: Asked) -> list[Cell]:
    """Teacher, AdaBERT and baselines on every task; the teacher, which all seeds share, once."""
    from adabert_nni.baselines.table import (
        BASELINES,  # takes seconds, which other words need not wait
    )

    cells = []
    for task in asked.tasks or TASKS:
        cells.append(asked.cell("table1", task, TEACHER, 0, "teacher"))
        for seed in asked.seeds:
            cells.append(_adabert(asked, task, seed, recipe("table1", task)))
            cells += [asked.cell("table1", task, name, seed, "baseline") for name in BASELINES]
    return cells


def searched(asked: Asked) -> list[Cell]:
    """Table 2 and figure 3: depth, size, speed and cell of AdaBERT, which are table 1's own runs."""
    return [cell for cell in table1(asked) if cell.system == ADABERT]


def table3(asked: Asked) -> list[Cell]:
    """Every task's structure on every task, and random ones, all from fresh weights.

    ``random`` are as deep and as large as the task's own; ``uniform``, the paper's, are of the whole space.
    """
    tasks, cells = asked.tasks or TASKS, []
    for task in tasks:
        for seed in asked.seeds:
            for other in tasks:
                source = _adabert(asked, other, seed)
                name = f"{ADABERT}:{other}"
                cells.append(asked.cell("table3", task, name, seed, "fixed", source=source))
        own = _adabert(asked, task, asked.seeds[0])
        for draw in range(DRAWS):
            cells.append(asked.cell("table3", task, f"random:{draw}", draw, "random", source=own))
        for draw in range(DRAWS):
            cells.append(asked.cell("table3", task, f"uniform:{draw}", draw, "uniform"))
    return cells


def table4(asked: Asked) -> list[Cell]:
    """What teaches the student: one found structure, fresh weights, one more kind of knowledge a row."""
    cells = []
    for task in asked.tasks or ABLATED:
        more = _copies(task)
        rows: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # system -> extra, forced
            "base-kd": ({}, {"gamma": 1.0, "transfer": "last", **PLAIN}),
            "+probe": ({}, {"gamma": 1.0, **PLAIN}),
            "+da": (more, {"gamma": 1.0}),
            "+ce": (more, {"gamma": 0.8}),
        }
        for seed in asked.seeds:
            source = _adabert(asked, task, seed)
            for system, (extra, forced) in rows.items():
                cells.append(
                    asked.cell(
                        *("table4", task, system, seed, "fixed"),
                        extra=extra,
                        forced=forced,
                        source=source,
                    )
                )
    return cells


def table5(asked: Asked) -> list[Cell]:
    """How much efficiency counts: the whole path for each beta."""
    return [
        asked.cell(
            *("table5", task, f"beta-{beta}", seed, "compress"),
            extra={**_copies(task), **recipe("table5", task)},
            forced={"beta": beta},
        )
        for task in asked.tasks or ABLATED
        for seed in asked.seeds
        for beta in BETAS
    ]


TABLES: dict[str, Callable[[Asked], list[Cell]]] = {
    "table1": table1,
    "table2": searched,
    "table3": table3,
    "table4": table4,
    "table5": table5,
    "figure3": searched,
}


def _adabert(asked: Asked, task: str, seed: int, longer: Mapping[str, Any] | None = None) -> Cell:
    """The whole path; only table 1 reports its student, which may learn ``longer`` there."""
    extra = {**_copies(task), **(longer or {})}
    return asked.cell("table1", task, ADABERT, seed, "compress", extra=extra)


def _copies(task: str) -> dict[str, Any]:
    """What AdaBERT has on top of the task's recipe: the paper's figures are with augmentation."""
    return recipe("augmented", task) or {"augment_copies": 1, "augment_for": "student"}
