"""The table of search: one training step of the supernet, NNI's own GumbelDARTS beside our two estimators.

Every row runs in a process of its own, which tells its peak of memory, and all take turns, so that every figure
is a ratio of neighbours. What a step is, ``search.steps`` says. Shapes: B batch, L tokens.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

import torch

from adabert_nni.benchmark.around import profile_search
from adabert_nni.benchmark.counting import share_of_peak
from adabert_nni.benchmark.machine import surroundings
from adabert_nni.benchmark.search_sizes import BASE, GROWN, Case, cases
from adabert_nni.benchmark.timing import Clock, peak_gflops, timing
from adabert_nni.benchmark.workers import Worker, working
from adabert_nni.errors import AdaBertError
from adabert_nni.precision import device, native_bf16
from adabert_nni.search.step_parts import StepSize
from adabert_nni.search.steps import STEPS
from adabert_nni.spaces import SpaceConfig

logger = logging.getLogger(__name__)

PEER = "nni-gumbel-darts"
BACKENDS = {"float32": "torch", "bf16": "torch-bf16"}
ROUNDS = 5

NOTES = {
    "step": "forward, backward, clipping and both optimizers; weights and P_alpha move by B rows each. "
    "nni-gumbel-darts, NNI's own code, takes two passes for that, P_alpha and then the weights; ours one",
    "ms": "of ours: mean over four depths from 1 to max_depth, whose mean is that of all, each at its median; "
    "worst_ms: at max_depth. The cost of "
    "nni-gumbel-darts does not depend on the draw",
    "draws": "the nine edges take nine of the ten ops, at each depth another one is left out",
    "peak_bytes": "of memory in a process of its own, above what it held once the supernet was built: "
    "activations, gradients, optimizer states",
    "speedup_vs_nni": "time of nni-gumbel-darts over time, at the same size and precision; "
    "speedup_per_pass counts one of its two passes only",
    "floor_ms": "FLOPs of products and convolutions at the peak of a float32 matrix product in torch",
    "data": "random ids, every token real, random weights, SGD and Adam",
    "bf16": "at a small size where the processor has no bf16 products, for there it is slower than float32",
}


def run_search_benchmark(
    *, quick: bool = False, threads: int | None = None, clock: Clock = time.perf_counter
) -> dict[str, Any]:
    """Time a step of the search beside NNI's own.

    Args:
        quick: two small sizes, within a minute.
        threads: of PyTorch, >= 1; None leaves its own choice.
        clock: tells when a size's time is up, in seconds.

    Returns:
        ``settings``; ``rows``, one per step and size; ``growth``, what a larger batch, length or
        max_depth multiplies time and memory by; ``around``, the profile of a short search, None if
        quick; ``left_out``, a sentence for each size that is missing.
    """
    before = torch.get_num_threads()
    rows, left_out = list[dict[str, Any]](), list[str]()
    try:
        torch.set_num_threads(threads or before)
        settings = {**surroundings(), "quick": quick, "notes": NOTES}
        for case in cases(quick=quick, native=native_bf16(device().type)):
            logger.info("benchmark: %s", case.size)
            try:
                rows += timed(case, settings["peak_gflops"], clock)
            except AdaBertError as error:
                left_out.append(f"{case.size}: {error}")
        settings["peak_gflops_afterwards"] = peak_gflops(device=device())
        around = None if quick else profile_search(SpaceConfig.load("paper"))
    finally:
        torch.set_num_threads(before)
    found = {"settings": settings, "rows": rows, "growth": growth(rows)}
    return {**found, "around": around, "left_out": left_out}


def timed(case: Case, peak: float, clock: Clock) -> list[dict[str, Any]]:
    """One row per step of ``STEPS``, the peer first.

    Args:
        case: the size.
        peak: GFLOP per second.
        clock: gives seconds.

    Returns:
        Plain JSON.

    Raises:
        AdaBertError: if a worker died.
    """
    with working(list(STEPS), case.size, torch.get_num_threads()) as workers:
        ms: dict[str, list[Mapping[int, float]]] = {worker.row: [] for worker in workers}
        start = clock()
        for done in range(ROUNDS):
            if done >= case.least and clock() - start >= case.seconds:
                break
            for worker in workers:
                ms[worker.row].append({depth: worker.ms(depth) for depth in worker.gflop})
        found = [row(worker, case.size, ms[worker.row], peak) for worker in workers]
    peer = next(line for line in found if line["model"] == PEER)
    return [{**line, **beside(line, peer)} for line in found]


def row(
    worker: Worker, size: StepSize, rounds: Sequence[Mapping[int, float]], peak: float
) -> dict[str, Any]:
    """One line of the table, without its ratios to the peer.

    Args:
        worker: has taken the steps; is asked for its peak of memory.
        size: of the steps.
        rounds: ms by depth, at least one.
        peak: GFLOP per second.

    Returns:
        Plain JSON.
    """
    at = {depth: median(times[depth] for times in rounds) for depth in worker.gflop}
    ms, gflop = fmean(at.values()), fmean(worker.gflop.values())
    return {
        "model": worker.row,
        **_named(size),
        "ms": ms,
        "ms_spread": timing([fmean(times.values()) for times in rounds]).spread,
        "worst_ms": at[size.max_depth],
        "rounds": len(rounds),
        "passes": worker.passes,
        "peak_bytes": worker.peak_bytes(),
        "gflop": gflop,
        "gflop_per_s": 1000 * gflop / ms,
        "share_of_peak": share_of_peak(gflop, ms, peak),
        "floor_ms": 1000 * gflop / peak,
    }


def beside(line: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, float]:
    """What ``line`` needs less than ``peer``: > 1 is faster, < 1 is smaller."""
    speedup = peer["ms"] / line["ms"]
    return {
        "speedup_vs_nni": speedup,
        "speedup_per_pass": speedup / peer["passes"] * line["passes"],
        "worst_speedup_vs_nni": peer["worst_ms"] / line["worst_ms"],
        "memory_vs_nni": line["peak_bytes"] / max(peer["peak_bytes"], 1),
    }


def growth(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What time and memory are multiplied by when one of ``GROWN`` grows from ``BASE``.

    Args:
        rows: of the table; nothing comes of it if they lack these sizes.

    Returns:
        One line per step and grown setting, as plain JSON.
    """

    def at(model: str, size: StepSize) -> Mapping[str, Any] | None:
        line = {"model": model, **_named(size)}
        return next((r for r in rows if line.items() <= r.items()), None)

    lines = []
    for model in STEPS:
        for key, size in GROWN.items():
            low, high = at(model, BASE), at(model, size)
            if low is not None and high is not None:
                times = {what: high[what] / max(low[what], 1e-9) for what in ("ms", "peak_bytes")}
                lines.append(
                    {"model": model, "of": key, "from": low[key], "to": high[key], **times}
                )
    return lines


def _named(size: StepSize) -> dict[str, Any]:
    """What tells a size from the others in the table."""
    return {
        "backend": BACKENDS[size.precision],
        "batch": size.batch,
        "length": size.length,
        "max_depth": size.max_depth,
    }
