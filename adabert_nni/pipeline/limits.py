"""What a search may spend: the costs of equation (5) and the hard targets, from settings and this machine.

Wires the benchmark to the search before any training starts, so that a target that cannot be met is refused in
seconds. Computes nothing itself.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adabert_nni.benchmark.ops import Size, Times, measure_ops, student_ms
from adabert_nni.config import Config, run_hash
from adabert_nni.data.tasks import Task
from adabert_nni.model.architecture import Architecture
from adabert_nni.search.targets import LATENCY, PARAMS, Target, parameter_cost
from adabert_nni.settings import MEASURED, PAPER
from adabert_nni.spaces import SpaceConfig
from adabert_nni.teacher.loading import load_config
from adabert_nni.teacher.source import locate_teacher

logger = logging.getLogger(__name__)

LONGEST = 128  # tokens that latency is told for, as a run's report does


@dataclass(frozen=True)
class Limits:
    """What a search is told.

    Attributes:
        costs: of each op in equation (5); None takes the paper's SIZE + FLOPs.
        targets: what the student must keep to.
        measured: gives the ms of a student on this machine; None where the times are another machine's.
    """

    costs: Mapping[str, float] | None
    targets: list[Target]
    measured: Callable[[Architecture], float] | None


def set_limits(config: Config, space: SpaceConfig, task: Task, output: Path) -> Limits:
    """Measure, or read, what the settings need, and refuse a target that no student meets.

    Args:
        config: all settings.
        space: the architecture space.
        task: tells classes and pairs.
        output: folder of the run; keeps the measured times, so that a resumed run searches by the same.

    Returns:
        Costs and targets; nothing is measured where no setting asks for it.

    Raises:
        AdaBertError: if a target cannot be met, or a table of times cannot be read.
    """
    search = config.search
    teacher = load_config(locate_teacher(config.teacher.teacher))
    targets, times, measured = list[Target](), None, None
    if search.max_params is not None:
        cost = parameter_cost(space, teacher.vocab_size, config.data.max_length, len(task.labels))
        targets.append(Target(PARAMS, search.max_params, cost))
    if search.max_latency_ms is not None or search.cost != PAPER:
        here = search.cost in (PAPER, MEASURED)
        size = Size(
            search.latency_batch,
            min(config.data.max_length, LONGEST),
            teacher.vocab_size,
            task.is_pair,
        )
        measured_for = f"op_times-{run_hash(space, size)}.json"
        path = output / measured_for if here else Path(search.cost)
        if here and not path.exists():
            measure_ops(space, size, threads=config.run.threads).save(path)
        times = Times.load(path, space.ops)
        logger.info("times in ms, from %s: %s", path, times.cost)
        if here:
            threads = config.run.threads

            def measured(architecture: Architecture) -> float:
                return student_ms({"": architecture}, space, size, threads=threads)[""]

        if search.max_latency_ms is not None:
            targets.append(Target(LATENCY, search.max_latency_ms, times.cost))
    for target in targets:
        target.check(space.nodes)
    costs = None if search.cost == PAPER or times is None else times.cost.ops
    return Limits(costs, targets, measured if search.max_latency_ms is not None else None)
