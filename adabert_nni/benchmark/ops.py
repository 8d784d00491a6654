"""What each op of a space costs on this machine in ms, found from whole students.

An op alone, timed in a loop, finds its input in the cache and skips the sum that it ends in; so students whose
edges all carry one op are timed instead, in turns, and the parts are solved for. Must not know tasks or searches'
settings. Shapes: B batch, L tokens.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adabert_nni.benchmark.timing import Clock, measure
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json
from adabert_nni.model.architecture import ZERO, Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.search.targets import Cost
from adabert_nni.spaces import SpaceConfig

FORMAT, VERSION = "adabert-op-times", 1
SEPARATOR = 2  # any word will do
TURN_SECONDS = 0.1


@dataclass(frozen=True)
class Size:
    """What the times hold for.

    Attributes:
        batch: rows B.
        length: tokens L, all of them real.
        vocab_size: WordPieces.
        pair: whether rows are pairs of texts.
    """

    batch: int = 32
    length: int = 128
    vocab_size: int = 30522
    pair: bool = False


@dataclass(frozen=True)
class Times:
    """Measured times of a student's parts in ms, float32 PyTorch.

    Attributes:
        size: what they hold for.
        threads: of PyTorch.
        cost: the parts; their sum is a student's time.
    """

    size: Size
    threads: int
    cost: Cost

    def save(self, path: Path) -> None:
        """Write the table as JSON."""
        write_json(path, {"format": FORMAT, "version": VERSION, **asdict(self)})

    @classmethod
    def load(cls, path: Path, ops: Sequence[str]) -> "Times":
        """Read a table.

        Args:
            path: a file that ``save`` wrote.
            ops: those of the space; the table must have a time for each.

        Returns:
            The table, its ops in the order of ``ops``.

        Raises:
            AdaBertError: if the file is no such table, or lacks an op.
        """
        data = read_json(path)
        if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (
            FORMAT,
            VERSION,
        ):
            raise AdaBertError(
                f"{path}: is no table of op times; make one with 'adabert benchmark ops --output FILE.json'"
            )
        parts = {key: value for key, value in data.items() if key not in ("format", "version")}
        try:
            found = TypeAdapter(cls).validate_python(parts)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = ".".join(map(str, problem["loc"]))
            raise AdaBertError(f"{path}: {key}: {problem['msg']}; measure again") from error
        if missing := [op for op in ops if op not in found.cost.ops]:
            raise AdaBertError(
                f"{path}: has no time of {', '.join(missing)}; measure again with this space"
            )
        times = {op: found.cost.ops[op] for op in ops}
        wrong = [f"{op} {ms}" for op, ms in times.items() if not 0 <= ms < float("inf")]
        if wrong or not sum(times.values()):
            raise AdaBertError(
                f"{path}: got {wrong or 'only zeros'}; times are finite, >= 0 and not all 0: measure again"
            )
        return cls(found.size, found.threads, Cost(found.cost.fixed, found.cost.cell, times))


def measure_ops(
    space: SpaceConfig,
    size: Size,
    *,
    threads: int | None = None,
    repetitions: int = 7,
    clock: Clock = time.perf_counter,
) -> Times:
    """Time students of one and two empty cells, and one of one cell full of each op.

    Args:
        space: which ops, nodes and channels.
        size: of the input.
        threads: of PyTorch, >= 1; None leaves its choice.
        repetitions: rounds, >= 1.
        clock: gives seconds.

    Returns:
        The table; an op whose student was not slower than the empty one costs 0.
    """
    import torch

    full = {op: Architecture(1, space.nodes, _all(space, op)) for op in space.ops if op != ZERO}
    empty = {depth: Architecture(depth, space.nodes, _all(space, ZERO)) for depth in (1, 2)}
    named = {**full, **{str(depth): architecture for depth, architecture in empty.items()}}
    ms = student_ms(named, space, size, threads=threads, repetitions=repetitions, clock=clock)
    edges = len(edge_names(space.nodes))
    cell = max(ms["2"] - ms["1"], 0.0)
    ops = {op: max(ms[op] - ms["1"], 0.0) / edges if op in ms else 0.0 for op in space.ops}
    cost = Cost(max(ms["1"] - cell, 0.0), cell, ops)
    return Times(size, threads or torch.get_num_threads(), cost)


def student_ms(
    architectures: dict[str, Architecture],
    space: SpaceConfig,
    size: Size,
    *,
    threads: int | None = None,
    repetitions: int = 7,
    clock: Clock = time.perf_counter,
) -> dict[str, float]:
    """Median ms of a forward pass of each architecture, with random weights, in turns; arguments as above."""

    def build(architecture: Architecture) -> AdaBertForSequenceClassification:
        config = AdaBertConfig(
            architecture.to_dict(),
            vocab_size=size.vocab_size,
            hidden_size=space.dim,
            max_position_embeddings=size.length,
            sep_token_id=SEPARATOR if size.pair else None,
            pair_layout=space.pair_layout,
        )
        return AdaBertForSequenceClassification(config)

    timings = measure(
        {name: build(architecture) for name, architecture in architectures.items()},
        batch=size.batch,
        length=size.length,
        vocab_size=size.vocab_size,
        sep_token_id=SEPARATOR if size.pair else None,
        repetitions=repetitions,
        turn_seconds=TURN_SECONDS,
        threads=threads,
        clock=clock,
    )
    return {name: timing.ms for name, timing in timings.items()}


def rows(times: Times) -> list[dict[str, Any]]:
    """The table as lines to show: ``part`` and ``ms``."""
    parts = {"embeddings and classifier": times.cost.fixed, "a cell without edges": times.cost.cell}
    return [{"part": part, "ms": ms} for part, ms in {**parts, **times.cost.ops}.items()]


def _all(space: SpaceConfig, op: str) -> dict[str, str]:
    return dict.fromkeys(edge_names(space.nodes), op)
