"""Times models side by side, in one process and in turns: a busy machine slows all of them alike.

``measure`` times any classifiers on one input; ``speedups`` compares a student with its teacher
and with peers: a further one to compare with is one entry of ``PEERS``. It must not know tasks,
files or training. Shapes: B batch, L tokens.
"""

import copy
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni.errors import AdaBertError

Clock = Callable[[], float]  # gives seconds; tests hand in a made-up one


@dataclass(frozen=True)
class Timing:
    """Forward passes of one model: median and interquartile range in ms, and their number."""

    ms: float
    spread: float
    passes: int


def bert_base(num_labels: int) -> nn.Module:
    """BERT-base as a classifier with random weights, which have a seed of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig()
        config.num_labels = num_labels
        return BertForSequenceClassification(config)


Builder = Callable[[int], nn.Module]  # num_labels -> classifier with a transformers config
PEERS: dict[str, Builder] = {"bert_base": bert_base}


def count_params(model: nn.Module) -> int:
    """Number of parameters, embeddings included; a shared one counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


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
        clock: gives seconds.

    Returns:
        name -> ``Timing``, in the order of ``models``.

    Raises:
        AdaBertError: if batch, length, repetitions or threads is less than 1.
    """
    counts = {"batch": batch, "length": length, "repetitions": repetitions, "threads": threads}
    for key, value in counts.items():
        if value is not None and value < 1:
            raise AdaBertError(f"benchmark: {key} is {value}; give a whole number >= 1")
    ids = random_ids(batch, length, vocab_size, sep_token_id)

    def timed(model: nn.Module) -> float:
        inputs = ids.to(_device(model))
        mask = torch.ones_like(inputs)
        _wait_for(inputs.device)
        start = clock()
        model(input_ids=inputs, attention_mask=mask)
        _wait_for(inputs.device)
        return clock() - start

    def turn(model: nn.Module) -> list[float]:
        start, times = clock(), [timed(model)]
        while clock() - start < turn_seconds:
            times.append(timed(model))
        return times

    passed: dict[str, list[float]] = {name: [] for name in models}
    with _settled(models.values(), threads):
        for model in models.values():
            timed(model)  # warms up
        start = clock()
        for done in range(repetitions):
            if done and seconds is not None and clock() - start >= seconds:
                break
            for name, model in models.items():
                passed[name] += turn(model)
    return {name: _timing([1000 * value for value in times]) for name, times in passed.items()}


def speedups(
    student: nn.Module,
    teacher: nn.Module,
    *,
    batch: int = 32,
    length: int = 128,
    repetitions: int = 5,
    seconds: float | None = None,
    turn_seconds: float = 0.3,
    threads: int | None = None,
    peers: Sequence[str] = ("bert_base",),
    clock: Clock = time.perf_counter,
) -> dict[str, float | int | str]:
    """How many times faster the student is than its teacher and ``PEERS``.

    Args:
        student: a classifier with a transformers config; all run on its device, in float32.
        teacher: likewise; left as it is.
        batch: rows B.
        length: tokens L, within what each model takes.
        repetitions: rounds; 2 or 3 will do where BERT-base takes seconds a pass.
        seconds: as in ``measure``.
        turn_seconds: as in ``measure``; lets the fast student pass often in few rounds.
        threads: as in ``measure``.
        peers: names in ``PEERS``.
        clock: gives seconds.

    Returns:
        Keys of ``metrics.json``: ``speedup_vs_<other>``; ``<model>_ms`` and ``<model>_ms_spread``
        of student, teacher and peers; ``<peer>_params``; and the settings of the run.

    Raises:
        AdaBertError: if a peer is unknown or a model cannot take ``length`` tokens.
    """
    if unknown := [name for name in peers if name not in PEERS]:
        raise AdaBertError(f"benchmark: peers has {unknown}; give names among {', '.join(PEERS)}")
    models = {"student": student, "teacher": teacher}
    models |= {name: PEERS[name](_setting(student, "num_labels")) for name in peers}
    for name, model in models.items():
        limit = _setting(model, "max_position_embeddings") or _setting(model, "max_length", length)
        if length > limit:
            raise AdaBertError(
                f"benchmark: length is {length}; the {name} takes at most {limit}: lower it to that"
            )
    timings = measure(
        {name: _float32_on(_device(student), model) for name, model in models.items()},
        batch=batch,
        length=length,
        vocab_size=min(_setting(model, "vocab_size") for model in models.values()),
        sep_token_id=_setting(student, "sep_token_id"),
        repetitions=repetitions,
        seconds=seconds,
        turn_seconds=turn_seconds,
        threads=threads,
        clock=clock,
    )
    others = [name for name in models if name != "student"]
    return {
        **{f"speedup_vs_{name}": timings[name].ms / timings["student"].ms for name in others},
        **{f"{name}_ms": timing.ms for name, timing in timings.items()},
        **{f"{name}_ms_spread": timing.spread for name, timing in timings.items()},
        **{f"{name}_params": count_params(models[name]) for name in peers},
        **{"batch": batch, "length": length, "threads": threads or torch.get_num_threads()},
        **{"device": _device(student).type, "dtype": "float32", "torch": str(torch.__version__)},
    }


def random_ids(batch: int, length: int, vocab_size: int, sep_token_id: int | None = None) -> Tensor:
    """The same token ids (B, L) in [1, vocab_size) at each call; a separator ends either half."""
    ids = torch.randint(1, vocab_size, (batch, length), generator=torch.Generator().manual_seed(0))
    if sep_token_id is not None:
        ids[ids == sep_token_id] = 1 if sep_token_id != 1 else 2
        ids[:, [(length - 1) // 2, length - 1]] = sep_token_id
    return ids


def flops(model: nn.Module, batch: int, length: int) -> float:
    """GFLOP of a forward pass over (B, L): matrix products and convolutions, 2 per multiply-add."""
    vocab_size, sep = _setting(model, "vocab_size"), _setting(model, "sep_token_id")
    ids = random_ids(batch, length, vocab_size, sep).to(_device(model))
    # The counter has no formula for a CPU's fused attention; as plain products it is counted.
    with _settled([model]), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return float(counter.get_total_flops()) / 1e9


def peak_gflops(size: int = 2048, repetitions: int = 5, threads: int | None = None) -> float:
    """GFLOP per second of the CPU at its best: float32 products of two (size, size) matrices."""
    matrix, times = torch.rand(size, size), []
    with _settled([], threads):
        for _ in range(repetitions):
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
    return 2 * size**3 / min(times) / 1e9


def share_of_peak(gflop: float, ms: float, peak: float) -> float:
    """Share of ``peak`` (GFLOP per second) that doing ``gflop`` in ``ms`` uses; 0 to about 1."""
    return gflop / (ms / 1000) / peak


def _timing(ms: list[float]) -> Timing:
    low, _, high = (
        statistics.quantiles(ms, n=4, method="inclusive") if len(ms) > 1 else (0.0, 0.0, 0.0)
    )
    return Timing(ms=statistics.median(ms), spread=high - low, passes=len(ms))


def _setting(model: nn.Module, key: str, default: int | None = None) -> Any:
    value = getattr(getattr(model, "config", None), key, None)
    return default if value is None else value


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":  # a GPU answers before its work is done
        torch.cuda.synchronize(device)


def _float32_on(device: torch.device, model: nn.Module) -> nn.Module:
    """The model where it fits already, else a copy: the caller's stays as it is."""
    if all(
        p.device == device and p.dtype in (torch.float32, torch.int64) for p in model.parameters()
    ):
        return model
    return copy.deepcopy(model).to(device=device, dtype=torch.float32)


@contextmanager
def _settled(models: Iterable[nn.Module], threads: int | None = None) -> Iterator[None]:
    """Eval and inference mode under that many threads; all is put back."""
    training, before = (
        {module: module.training for model in models for module in model.modules()},
        torch.get_num_threads(),
    )
    try:
        torch.set_num_threads(threads or before)
        for module in training:
            module.training = False
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
        for module, mode in training.items():
            module.training = mode
