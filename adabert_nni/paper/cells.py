"""Which runs each of the paper's tables is made of: ONE table of tables.

A cell is one run with one seed; two cells of equal settings are one run, whichever tables they stand in. It must
not know how one is run or shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from adabert_nni.config import NOT_HASHED, Config, run_hash
from adabert_nni.settings import STAGES

TASKS = ("sst2", "mrpc", "qqp", "mnli", "qnli", "rte")  # in the paper's order
ABLATED = ("sst2", "mrpc", "qnli", "rte")  # those of tables 4 and 5
DRAWS = 5  # random structures a task, table 3
BETAS = (0, 4, 8)  # table 5
ADABERT, TEACHER = "adabert", "teacher"
# Stages whose settings do not change what such a run gives.
IDLE = {
    "teacher": ("augment", "search", "student", "baseline", "run"),
    "baseline": ("search", "student"),
    "compress": ("baseline",),
    "fixed": ("baseline",),
    "random": ("baseline",),
}
PLAIN = {"augment_copies": 0}


@dataclass(frozen=True)
class Cell:
    """One run of one table.

    Attributes:
        table: such as "table1".
        task: key of the table of tasks.
        system: who is measured, as the table calls it.
        seed: of the run.
        kind: how it is run, a key of ``IDLE``.
        settings: flat settings, the task and the seed among them.
        forced: keys that the system sets, whatever is asked for.
        source: the run whose architecture is trained, if one is.
    """

    table: str
    task: str
    system: str
    seed: int
    kind: str
    settings: Mapping[str, Any] = field(hash=False)
    forced: tuple[str, ...] = ()
    source: "Cell | None" = None

    @cached_property
    def config(self) -> Config:
        """The checked settings."""
        return Config.from_mapping(self.settings, f"{self.table}, {self.task}, {self.system}")

    @cached_property
    def run(self) -> str:
        """The name of the run: the hash of what decides it, not of the table that it stands in."""
        deciding = self.relevant(self.config.deciding())
        method = self.system if self.kind == "baseline" else self.kind
        return run_hash(method, deciding, self.source and self.source.run)

    def relevant(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Those of some flat settings that change what a run of this kind gives."""
        stages = [STAGES[stage] for stage in IDLE[self.kind] if stage in STAGES]
        idle = NOT_HASHED.union(*(stage.__pydantic_fields__ for stage in stages))
        return {key: value for key, value in flat.items() if key not in idle}


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        tasks: names; none means those of the paper's table.
        seeds: of each cell, at least one.
        overrides: flat settings that win over the recipes.
    """

    tasks: Sequence[str] = ()
    seeds: Sequence[int] = (0,)
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def cell(
        self,
        table: str,
        task: str,
        system: str,
        seed: int,
        kind: str,
        *,
        extra: Mapping[str, Any] | None = None,
        forced: Mapping[str, Any] | None = None,
        source: Cell | None = None,
    ) -> Cell:
        """A cell with the task's recipe, then ``extra``, the overrides, and what the system is ``forced`` to."""
        recipe = _recipe("tasks", task)
        own = {"task": task, "seed": seed, **(forced or {})}
        settings = {**recipe, **(extra or {}), **self.overrides, **own}
        return Cell(table, task, system, seed, kind, settings, tuple(forced or ()), source)


@cache
def recipes() -> dict[str, dict[str, dict[str, Any]]]:
    """Settings by task: ``tasks``, and what ``augmented`` runs have on top."""
    path = Path(__file__).with_name("recipes.yml")
    found: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def table1(asked: Asked) -> list[Cell]:
    """Teacher, AdaBERT and baselines on every task; the teacher, which all seeds share, once."""
    from adabert_nni.baselines.table import (
        BASELINES,  # takes seconds, which other words need not wait
    )

    cells = []
    for task in asked.tasks or TASKS:
        cells.append(asked.cell("table1", task, TEACHER, 0, "teacher"))
        for seed in asked.seeds:
            cells.append(_adabert(asked, task, seed))
            cells += [asked.cell("table1", task, name, seed, "baseline") for name in BASELINES]
    return cells


def searched(asked: Asked) -> list[Cell]:
    """Table 2 and figure 3: depth, size, speed and cell of AdaBERT, which are table 1's own runs."""
    return [cell for cell in table1(asked) if cell.system == ADABERT]


def table3(asked: Asked) -> list[Cell]:
    """Every task's structure on every task, and random ones as large as the task's own, all from fresh weights."""
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
            extra=_copies(task),
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


def _adabert(asked: Asked, task: str, seed: int) -> Cell:
    return asked.cell("table1", task, ADABERT, seed, "compress", extra=_copies(task))


def _copies(task: str) -> dict[str, Any]:
    """What AdaBERT has on top of the task's recipe: the paper's figures are with augmentation."""
    return _recipe("augmented", task) or {"augment_copies": 1, "augment_for": "student"}


def _recipe(part: str, task: str) -> dict[str, Any]:
    """The settings of a known task in a part of ``recipes``, {} if it has none there."""
    # It loads torch, which the listing of tables need not wait for.
    from adabert_nni.data.tasks import get_task

    return dict(recipes()[part].get(get_task(task).name, {}))
