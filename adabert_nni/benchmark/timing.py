"""Times models in turns, in one process: a busy machine slows all of them alike.

It must not know which models there are, tasks, files or training. Shapes: B batch, L tokens.
"""

import statistics
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adabert_nni.errors import AdaBertError
from adabert_nni.precision import plain_float32
from adabert_nni.progress import progress

Clock = Callable[[], float]  # gives seconds; tests hand in a made-up one


@dataclass(frozen=True)
class Timing:
    """Forward passes of one model: median and interquartile range in ms, and their number."""

    ms: float
    spread: float
    passes: int


def measure(
    models: Mapping[str, nn.Module],
    *,
    batch: int,
    length: int,
    vocab_size: int,
    sep_token_id: int | None = None,
    repetitions: int = 5,
    seconds: float | None = None,
    turn_seconds: float = 0.0,
    threads: int | None = None,
    cold: Collection[str] = (),
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Time one forward pass of each model, alternating: A B C, A B C, ...

    All see the same ``random_ids`` (B, L) with every token real, in eval and inference mode, each
    on its own device and in its own dtype. One pass of each warms up uncounted. Modes and thread
    count are put back.

    Args:
        models: name -> model that takes ``input_ids`` and ``attention_mask``.
        batch: rows B, >= 1.
        length: tokens L, >= 1; the models must not cut it.
        vocab_size: ids lie in [1, vocab_size).
        sep_token_id: ends either half, as in a text pair; None for single texts.
        repetitions: rounds, >= 1.
        seconds: no round but the first starts after this many; None sets no limit.
        turn_seconds: a fast model passes again in its turn until this time is filled.
        threads: of PyTorch, >= 1; None leaves them as they are.
        cold: names of models that do not warm up, where a pass takes seconds and so drowns a start.
        clock: gives seconds; on a GPU its own events measure instead.

    Returns:
        name -> ``Timing``, in the order of ``models``.

    Raises:
        AdaBertError: if batch, length, repetitions or threads is less than 1.
    """
    _check({"batch": batch, "length": length, "repetitions": repetitions, "threads": threads})
    ids = random_ids(batch, length, vocab_size, sep_token_id)

    def timed(model: nn.Module) -> float:
        inputs = ids.to(device_of(model))
        mask = torch.ones_like(inputs)
        return seconds_of(
            lambda: model(input_ids=inputs, attention_mask=mask), inputs.device, clock
        )

    def turn(model: nn.Module) -> list[float]:
        start, times = clock(), [timed(model)]
        while clock() - start < turn_seconds:
            times.append(timed(model))
        return times

    passed: dict[str, list[float]] = {name: [] for name in models}
    with settled(models.values(), threads):
        warm = [name for name in models if name not in cold]
        for name in progress(warm, len(warm), "speed: warm-up"):
            timed(models[name])
        start = clock()
        for done in progress(range(repetitions), repetitions, "speed: round"):
            if done and seconds is not None and clock() - start >= seconds:
                break
            for name, model in models.items():
                passed[name] += turn(model)
    return {name: timing([1000 * value for value in times]) for name, times in passed.items()}


def timing(ms: list[float]) -> Timing:
    """Median and interquartile range of passes in ms; one pass has no range."""
    low, _, high = (
        statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else (0.0, 0.0, 0.0)
    )
    return Timing(ms=statistics.median(ms), spread=high - low, passes=len(ms))


def random_ids(batch: int, length: int, vocab_size: int, sep_token_id: int | None = None) -> Tensor:
    """The same token ids (B, L) in [1, vocab_size) at each call; a separator ends either half."""
    ids = torch.randint(1, vocab_size, (batch, length), generator=torch.Generator().manual_seed(0))
    if sep_token_id is not None:
        ids[ids == sep_token_id] = 1 if sep_token_id != 1 else 2
        ids[:, [(length - 1) // 2, length - 1]] = sep_token_id
    return ids


def peak_gflops(
    size: int = 2048,
    repetitions: int = 5,
    threads: int | None = None,
    device: torch.device | None = None,
) -> float:
    """GFLOP per second at best: float32 products of two (size, size) matrices, on the CPU if not told."""
    matrix, times = torch.rand(size, size, device=device), []
    with settled([], threads):
        for _ in range(repetitions):
            times.append(seconds_of(lambda: matrix @ matrix, matrix.device, time.perf_counter))
    return 2 * size**3 / min(times) / 1e9


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters are; the CPU for a model without any."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def settled(models: Iterable[nn.Module], threads: int | None = None) -> Iterator[None]:
    """Eval and inference mode under that many threads, float32 being float32; all is put back."""
    training, before = (
        {module: module.training for model in models for module in model.modules()},
        torch.get_num_threads(),
    )
    try:
        torch.set_num_threads(threads or before)
        for module in training:
            module.training = False
        with torch.inference_mode(), plain_float32():
            yield
    finally:
        torch.set_num_threads(before)
        for module, mode in training.items():
            module.training = mode


def _check(counts: Mapping[str, int | None]) -> None:
    for key, value in counts.items():
        if value is not None and value < 1:
            raise AdaBertError(f"benchmark: {key} is {value}; give a whole number >= 1")


def seconds_of(call: Callable[[], object], device: torch.device, clock: Clock) -> float:
    """How long ``call`` takes; a GPU answers before its work is done, so its own events tell."""
    if device.type != "cuda":
        start = clock()
        call()
        return clock() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end) / 1000
