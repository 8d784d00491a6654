"""Whether a found structure belongs to its task: pairs of one task (two seeds) against pairs of two tasks.

Measured on structures alone, whatever found them, and shown as a table.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from adabert_nni.model.architecture import ZERO, Architecture
from adabert_nni.paper.records import Record
from adabert_nni.paper.shown import DASH, decimals
from adabert_nni.report.tables import markdown_table

SHUFFLES = 9999


@dataclass(frozen=True)
class Apart:
    """How far the structures of some pairs lie apart.

    Attributes:
        pairs: how many there are.
        edges: mean share of a cell's edges whose ops differ, 0 to 1.
        layers: mean difference of the depths K.
    """

    pairs: int
    edges: float
    layers: float


@dataclass(frozen=True)
class Adaptivity:
    """What the tasks account for.

    Attributes:
        within: pairs of one task, found with different seeds.
        across: pairs of different tasks.
        edges_p: how often shuffled tasks put ``across`` as far above ``within`` in edges, (0, 1].
        layers_p: the same in layers.
    """

    within: Apart
    across: Apart
    edges_p: float
    layers_p: float


def differing_edges(one: Architecture, other: Architecture) -> float:
    """Share of the edges of two cells of N nodes whose ops differ, 0 to 1; what carries nothing counts as zero."""
    ops = [dict(cell.live_edges()) for cell in (one, other)]
    return fmean(ops[0].get(edge, ZERO) != ops[1].get(edge, ZERO) for edge in one.edges)


def adaptivity(found: Mapping[str, Sequence[Architecture]]) -> Adaptivity | None:
    """Compare the structures of every two runs, and test the difference by shuffling the tasks.

    Args:
        found: structures of equally many nodes by task, one a seed; tasks with a single one are left out.

    Returns:
        The two kinds of pairs side by side; None with fewer than two tasks of two seeds and more.
    """
    several = {task: cells for task, cells in found.items() if len(cells) > 1}
    if len(several) < 2:
        return None
    tasks = [task for task, cells in several.items() for _ in cells]
    cells = [cell for own in several.values() for cell in own]
    numbers = list(combinations(range(len(cells)), 2))
    edges = [differing_edges(cells[i], cells[j]) for i, j in numbers]
    layers = [float(abs(cells[i].depth - cells[j].depth)) for i, j in numbers]

    def split(values: Sequence[float], labels: Sequence[str]) -> tuple[list[float], list[float]]:
        kinds: tuple[list[float], list[float]] = ([], [])
        for (i, j), value in zip(numbers, values, strict=True):
            kinds[labels[i] != labels[j]].append(value)
        return kinds

    def gap(values: Sequence[float], labels: Sequence[str]) -> float:
        same, other = split(values, labels)
        return fmean(other) - fmean(same)

    def chance(values: Sequence[float]) -> float:
        source, labels, seen = random.Random(0), list(tasks), gap(values, tasks)
        reached = 1  # the tasks as they are
        for _ in range(SHUFFLES):
            source.shuffle(labels)
            reached += gap(values, labels) >= seen - 1e-12
        return reached / (SHUFFLES + 1)

    (near, far), (less, more) = split(edges, tasks), split(layers, tasks)
    return Adaptivity(
        Apart(len(near), fmean(near), fmean(less)),
        Apart(len(far), fmean(far), fmean(more)),
        chance(edges),
        chance(layers),
    )


def adaptive_table(records: Iterable[Record]) -> str:
    """Pairs of one task and pairs of two, of what was found in each architecture space; a dash for too few."""
    by_space: dict[str, dict[str, list[Architecture]]] = {}
    for record in records:
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
    edges, layers = decimals(100 * pairs.edges), decimals(pairs.layers)
    return {"pairs": f"{name} ({pairs.pairs})", "edges": edges, "layers": layers}
