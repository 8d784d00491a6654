"""Processes that take training steps on command: each has its own memory, and all take turns.

One search step may need gigabytes, so its peak can only be told in a process that does nothing else. They are
forked from one that has the packages loaded. It must not know what is done with the figures.
"""

import logging
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from adabert_nni.benchmark.memory import PeakMemory
from adabert_nni.benchmark.timing import seconds_of
from adabert_nni.errors import AdaBertError
from adabert_nni.precision import device
from adabert_nni.search.step_parts import StepSize
from adabert_nni.search.steps import TrainingStep, build_step

WAYS = multiprocessing.get_all_start_methods()
CONTEXT: Any = multiprocessing.get_context("forkserver" if "forkserver" in WAYS else "spawn")
START, END = -1, 0  # words that are no depth
NOISY = ("pytorch_lightning", "lightning", "nni")


@dataclass(frozen=True)
class Worker:
    """A process that holds one step.

    Attributes:
        row: which step, a key of ``search.steps.STEPS``.
        pipe: to and from the process.
        passes: forward and backward passes in a step.
        gflop: products and convolutions of a step by depth, 2 per multiply-add.
    """

    row: str
    pipe: Connection
    passes: int
    gflop: Mapping[int, float]

    def ms(self, depth: int) -> float:
        """Take one step at ``depth``, a key of ``gflop``; how long it took, in ms."""
        return float(1000 * _answer(self.pipe, self.row, depth))

    def peak_bytes(self) -> int:
        """The peak of memory since the supernet was built, above what it took itself; ends the worker."""
        return int(_answer(self.pipe, self.row, END))


@contextmanager
def working(rows: list[str], size: StepSize, threads: int) -> Iterator[list[Worker]]:
    """One worker per row, warmed up; all are ended on leaving.

    Args:
        rows: keys of ``search.steps.STEPS``.
        size: of every step.
        threads: of PyTorch, in each worker.

    Yields:
        The workers, in the order of ``rows``.

    Raises:
        AdaBertError: if one died, as happens when memory runs out.
    """
    if CONTEXT.get_start_method() == "forkserver":
        CONTEXT.set_forkserver_preload([__name__])
    ends, processes = [], []
    try:
        for row in rows:
            ours, its = CONTEXT.Pipe()
            process = CONTEXT.Process(target=_serve, args=(its, row, size, threads), daemon=True)
            process.start()
            its.close()  # so that a dead worker ends the pipe
            ends.append(ours)
            processes.append(process)
        yield [
            Worker(row, end, **_answer(end, row, START))
            for row, end in zip(rows, ends, strict=True)
        ]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _answer(pipe: Connection, row: str, word: int) -> Any:
    """What the process of ``row`` says to a word: ``START``, a depth, or ``END``."""
    try:
        pipe.send(word)
        return pipe.recv()
    except (EOFError, OSError) as error:
        raise AdaBertError(
            f"benchmark: the process of {row} ended, as it does when memory runs out; free some, or "
            "ask for smaller sizes with --quick"
        ) from error


def _serve(pipe: Connection, row: str, size: StepSize, threads: int) -> None:
    """Build the step; then answer ``START``, take a step per depth that is asked, and answer ``END``."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)  # all count at once; more threads than cores wait for each other
    step = build_step(row, size, device())
    memory = PeakMemory(device())
    gflop = {depth: count_gflop(step, depth) for depth in step.depths}
    torch.set_num_threads(threads)
    with suppress(EOFError):  # whoever asked has gone
        pipe.recv()
        pipe.send({"passes": step.passes, "gflop": gflop})
        for depth in iter(pipe.recv, END):
            pipe.send(seconds_of(partial(step, depth), device(), time.perf_counter))
        pipe.send(memory.bytes())


def count_gflop(step: TrainingStep, depth: int) -> float:
    """GFLOP of a step: counted on one row, which also warms up, since they grow with the rows."""
    with FlopCounterMode(display=False) as counter:
        step(depth, rows=1)
    return float(counter.get_total_flops()) / 1e9 * len(step.batch["labels"])
