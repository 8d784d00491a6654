"""Hard targets of a search: what a student may cost, and the most probable architecture that keeps to it.

A student's cost is a sum over its parts, so its expectation under P_alpha has a gradient, and the best
architecture within a limit is found exactly. Must not know how parts are measured, NNI or training.
Notation (AdaBERT, arXiv:2001.04246): K depth. Shapes: E cell edges, O ops, K_max deepest student.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import ZERO, Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import OPS
from adabert_nni.spaces import SpaceConfig

INPUTS = 2  # states of a cell that are its inputs
PARAMS, LATENCY = "max_params", "max_latency_ms"
GRAIN = (
    2000  # units that the dearest cell is counted in, rounded up op by op: at most 0.5 % too much
)


@dataclass(frozen=True)
class Cost:
    """What a student costs: fixed + K (cell + the sum of its edges' ops), each >= 0.

    Attributes:
        fixed: embeddings and classifier.
        cell: a cell without edges.
        ops: by op of the space.
    """

    fixed: float
    cell: float
    ops: Mapping[str, float]

    def of(self, architecture: Architecture) -> float:
        """The cost of a student; only its live edges count."""
        edges = sum(self.ops[op] for op in architecture.live_edges().values())
        return self.fixed + architecture.depth * (self.cell + edges)

    def expected(self, edges: Tensor, depths: Tensor) -> Tensor:
        """The mean cost of independent draws.

        Args:
            edges: probabilities of the ops in the order of ``ops``, (E, O).
            depths: probabilities of 1 to K_max layers, (K_max,).

        Returns:
            A scalar with a gradient to both.
        """
        ops = torch.tensor(list(self.ops.values())).to(edges)
        mean_depth = (depths * torch.arange(1, len(depths) + 1).to(depths)).sum()
        return self.fixed + mean_depth * (self.cell + (edges @ ops).sum())


@dataclass(frozen=True)
class Target:
    """A limit that the student has to keep.

    Attributes:
        key: the setting that asks for it, such as "max_params".
        limit: the most it may cost, above ``cost.fixed``.
        cost: in the unit of the limit.
    """

    key: str
    limit: float
    cost: Cost

    def excess(self, edges: Tensor, depths: Tensor) -> Tensor:
        """By what share of what cells may cost the expectation lies above (> 0) or below (>= -1) the limit."""
        return (self.cost.expected(edges, depths) - self.limit) / (self.limit - self.cost.fixed)

    def check(self, nodes: int) -> None:
        """Refuse a limit that no student of the space keeps.

        Args:
            nodes: of the cell.

        Raises:
            AdaBertError: naming the least that can be asked for.
        """
        cost = self.cost
        cheapest = min(cost.ops.values())
        reading = min((value for op, value in cost.ops.items() if op != ZERO), default=cheapest)
        # One edge at least carries something.
        least = cost.fixed + cost.cell + (len(edge_names(nodes)) - 1) * cheapest + reading
        if self.limit <= least:
            raise AdaBertError(
                f"{self.key}: got {_shown(self.limit)}, but the smallest student of this space has "
                f"{_shown(least)}, {_shown(cost.fixed)} of it outside the cells; "
                "allow more, or search a space of smaller dim"
            )


def parameter_cost(space: SpaceConfig, vocab_size: int, max_length: int, num_labels: int) -> Cost:
    """Parameters of the exported student, embeddings included.

    Args:
        space: the architecture space.
        vocab_size: WordPieces of the teacher's tokenizer.
        max_length: positions.
        num_labels: classes.

    Returns:
        The cost, whose ``of`` equals what a student's parameters add up to.
    """

    def empty(depth: int) -> int:
        edges = dict.fromkeys(edge_names(space.nodes), ZERO)
        config = AdaBertConfig(
            Architecture(depth, space.nodes, edges).to_dict(),
            vocab_size=vocab_size,
            hidden_size=space.dim,
            max_position_embeddings=max_length,
            num_labels=num_labels,
        )
        with torch.device("meta"):
            return AdaBertForSequenceClassification(config).num_parameters()

    one, two = empty(1), empty(2)
    return Cost(2 * one - two, two - one, {op: OPS[op].size(space.dim) for op in space.ops})


def most_probable(
    edges: Mapping[str, Mapping[str, float]], depths: Sequence[float], targets: Sequence[Target]
) -> Architecture | None:
    """The architecture of the highest probability among those that read their input and keep all ``targets``.

    Every edge counts, also one that turns out dead, so the student may cost less. A cell whose edges lead
    nothing from its inputs to its output would give the same logits for every text: none is returned.

    Args:
        edges: probabilities of the ops of each edge, ``{"0_2": {op: p}}``, in the order of ``edge_names``.
        depths: probabilities of 1, 2, ... layers.
        targets: what to keep; none gives the argmax of every distribution, if it reads its input.

    Returns:
        The architecture; None if none keeps the targets.
    """
    units = [len(edges) * max(target.cost.ops.values()) / GRAIN or 1.0 for target in targets]
    # Partial cells by (cost in units per target, states that the input reaches): the best is enough of each.
    cells: dict[tuple[tuple[int, ...], frozenset[int]], tuple[float, tuple[str, ...]]] = {
        ((0,) * len(targets), frozenset({0, 1})): (0.0, ())
    }
    for edge, probs in edges.items():
        source, node = map(int, edge.split("_"))
        grown: dict[tuple[tuple[int, ...], frozenset[int]], tuple[float, tuple[str, ...]]] = {}
        for op, probability in probs.items():
            more = [
                math.ceil(t.cost.ops[op] / unit) for t, unit in zip(targets, units, strict=True)
            ]
            for (cost, reached), (chance, ops) in cells.items():
                carries = op != ZERO and source in reached
                total = tuple(a + b for a, b in zip(cost, more, strict=True))
                key = (total, reached | {node} if carries else reached)
                found = chance + _log(probability)
                if key not in grown or found > grown[key][0]:
                    grown[key] = (found, (*ops, op))
        cells = grown
    best, chosen = -math.inf, None
    for depth, probability in enumerate(depths, start=1):
        room = [
            (t.limit - t.cost.fixed) / depth - t.cost.cell for t in targets
        ]  # of a cell's edges
        for (cost, reached), (chance, ops) in cells.items():
            fits = all(n * unit <= most for n, unit, most in zip(cost, units, room, strict=True))
            if fits and len(reached) > INPUTS and chance + _log(probability) > best:
                best, chosen = chance + _log(probability), (depth, ops)
    if chosen is None:
        return None
    nodes = max(int(edge.split("_")[1]) for edge in edges) - 1
    return Architecture(chosen[0], nodes, dict(zip(edges, chosen[1], strict=True)))


def tightened(targets: Sequence[Target], key: str, share: float) -> list[Target]:
    """The targets, with the part of limit ``key`` that is left to the cells taken times ``share``."""

    def less(target: Target) -> Target:
        fixed = target.cost.fixed
        return replace(target, limit=fixed + (target.limit - fixed) * share)

    return [less(target) if target.key == key else target for target in targets]


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-300))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
