"""One run of a table: whose it is, by which settings, and the hash that names it.

Two cells of equal settings are one run, whichever tables they stand in. It must not know which tables there are,
or how a cell is run or shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from adabert_nni.config import NOT_HASHED, Config, run_hash
from adabert_nni.pipeline.identity import contents
from adabert_nni.reading import fields
from adabert_nni.settings import STAGES

# Stages, or single settings, that do not change what such a run gives.
IDLE = {
    "teacher": ("augment", "search", "student", "baseline", "seed"),
    "baseline": ("search", "student"),
    "compress": ("baseline",),
    "fixed": ("baseline",),
    "random": ("baseline",),
    "uniform": ("baseline",),
}


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
        if "search" not in IDLE[self.kind]:
            deciding |= contents(self.config)
        method = self.system if self.kind == "baseline" else self.kind
        return run_hash(method, deciding, self.source and self.source.run)

    def relevant(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """Those of some flat settings that change what a run of this kind gives."""
        parts = (fields(STAGES[name]) if name in STAGES else {name} for name in IDLE[self.kind])
        idle = NOT_HASHED.union(*parts)
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
        known = recipe("tasks", task)
        own = {"task": task, "seed": seed, **(forced or {})}
        settings = {**known, **(extra or {}), **self.overrides, **own}
        return Cell(table, task, system, seed, kind, settings, tuple(forced or ()), source)


@cache
def recipes() -> dict[str, dict[str, dict[str, Any]]]:
    """Settings by task: ``tasks``, what ``augmented`` runs have on top, and on top of those a table's own."""
    path = Path(__file__).with_name("recipes.yml")
    found: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def recipe(part: str, task: str) -> dict[str, Any]:
    """The settings of a known task in a part of ``recipes``, {} if it has none there."""
    # It loads torch, which the listing of tables need not wait for.
    from adabert_nni.data.tasks import get_task

    return dict(recipes()[part].get(get_task(task).name, {}))
