"""The table of inference: a student in every format beside its peers, at several batch sizes and lengths.

All are timed in one process and in turns, so that every figure is a ratio of neighbours. It must not know
tasks, or how a student was made. Shapes: B batch, L tokens.
"""

import copy
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from adabert_nni.benchmark.counting import flops, setting, share_of_peak
from adabert_nni.benchmark.field import BASE, Runner, base_in_bf16, base_in_onnx, peers, students
from adabert_nni.benchmark.machine import surroundings
from adabert_nni.benchmark.timing import Clock, Timing, measure, peak_gflops
from adabert_nni.benchmark.tokenisation import tokenisation
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.precision import device, native_bf16

logger = logging.getLogger(__name__)

SHAPES = tuple((batch, length) for length in (16, 64, 128) for batch in (1, 32, 128))
QUICK_SHAPES = ((1, 16), (32, 128))
SECONDS, QUICK_SECONDS = (
    250.0,
    45.0,
)  # by when all is timed, from the start; else a size is left out
LEAST_SECONDS = 4.0  # for a size, however small
ROUNDS = 9
TURN_SECONDS = 0.05
USUAL_SHARE = 0.7  # of the peak: how fast all are taken to be before the first size has told
COLD_SECONDS = 0.5  # what takes longer even at the peak does not warm up
NOTES = {
    "weights": "random, but the student's and the teacher's",
    "dtype": "float32 unless the backend says otherwise",
    "speedup_vs_bert_base": "over bert-base in torch, float32",
    "speedup_vs_bert_base_same_backend": "over bert-base in the same backend",
    "share_of_peak": "of float32 products of two large matrices in torch; int8 may exceed 1",
    "floor_ms": "the model's FLOPs at that peak",
    "bert_base_int8": "quantize_dynamic of onnxruntime, int8 weights",
}


def run_inference_benchmark(
    student: AdaBertForSequenceClassification,
    *,
    teacher: nn.Module | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    stored: int | None = None,
    quick: bool = False,
    threads: int | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, Any]:
    """Time ``student`` in every format beside its peers.

    Args:
        student: any student; left as it is.
        teacher: its teacher, a transformers classifier, made float32 in place; None leaves it out.
        tokenizer: timed apart; None leaves it out.
        stored: bytes of the student's own weights file; None takes its parameters'.
        quick: two sizes, and BERT-base in PyTorch only.
        threads: of PyTorch and onnxruntime, >= 1; None leaves PyTorch's choice.
        clock: gives seconds; tests hand in a made-up one.

    Returns:
        ``settings``; ``rows``, one per model, backend, batch and length; ``tokenisation``; and
        ``left_out``, a sentence for each thing that is not in the table.
    """
    started, before = clock(), torch.get_num_threads()
    student = copy.deepcopy(student).float().cpu().eval()
    left_out: list[str] = []
    shapes = QUICK_SHAPES if quick else SHAPES
    try:
        torch.set_num_threads(threads or before)
        settings = {**surroundings(), "quick": quick, "notes": NOTES}
        with tempfile.TemporaryDirectory() as folder:
            field = list(peers(setting(student, "num_labels"), teacher, left_out))
            field += students(student, stored, Path(folder), left_out)
            if quick or device().type != "cpu":
                why = "with --quick" if quick else "on a GPU"
                left_out.append(f"{BASE} in onnxruntime: not run {why}")
            else:
                field += base_in_onnx(field[0].module, Path(folder), left_out)
            if native_bf16(device().type) and not quick:
                field.append(base_in_bf16(field[0].module))
            else:
                why = "with --quick" if quick else "where a processor has no such products"
                left_out.append(f"{BASE} in torch-bf16: not run {why}")
            longest = setting(student, "max_position_embeddings")
            rows = _rows(
                field,
                student,
                settings["peak_gflops"],
                [shape for shape in shapes if shape[1] <= longest],
                lambda: (QUICK_SECONDS if quick else SECONDS) - (clock() - started),
                left_out,
                clock,
            )
        settings["peak_gflops_afterwards"] = peak_gflops(device=device())
        if tokenizer is None:
            left_out.append("tokenisation: the student has no tokenizer")
        spoken = [] if tokenizer is None else tokenisation(tokenizer, shapes, ROUNDS, clock)
    finally:
        torch.set_num_threads(before)
    return {"settings": settings, "rows": rows, "tokenisation": spoken, "left_out": left_out}


def _rows(
    field: Sequence[Runner],
    student: AdaBertForSequenceClassification,
    peak: float,
    shapes: Sequence[tuple[int, int]],
    seconds_left: Callable[[], float],
    left_out: list[str],
    clock: Clock,
) -> list[dict[str, Any]]:
    """Rows of every size, small ones first: what runs cold in a large one was warm by then."""
    ids = {
        "vocab_size": min(setting(one.module, "vocab_size", 1 << 30) for one in field),
        "sep_token_id": setting(student, "sep_token_id"),
    }
    twins = {id(one.twin): one.twin for one in field}
    rows = list[dict[str, Any]]()
    pace = {one.key: peak * USUAL_SHARE for one in field}  # GFLOP per second
    ordered = sorted(shapes, key=lambda shape: shape[0] * shape[1])
    for place, (batch, length) in enumerate(ordered):
        tokens = batch * length
        counted = {key: batch * flops(twin, 1, length, **ids) for key, twin in twins.items()}
        work = {one.key: counted[id(one.twin)] for one in field}
        a_round = sum(gflop / pace[key] for key, gflop in work.items())
        if seconds_left() < a_round:
            left_out.append(f"batch {batch}, length {length}: the time was up")
            continue
        logger.info("benchmark: batch %d, length %d", batch, length)
        share = seconds_left() * tokens / sum(b * n for b, n in ordered[place:])
        timings = measure(
            {one.key: one.module for one in field},
            batch=batch,
            length=length,
            repetitions=ROUNDS,
            seconds=max(LEAST_SECONDS, share) - a_round,
            turn_seconds=TURN_SECONDS,
            cold=[key for key, gflop in work.items() if gflop / peak > COLD_SECONDS],
            clock=clock,
            **ids,
        )
        rows += [row(one, batch, length, timings, work[one.key], peak) for one in field]
        pace = {key: 1000 * gflop / timings[key].ms for key, gflop in work.items()}
    return rows


def row(
    one: Runner, batch: int, length: int, timings: Mapping[str, Timing], gflop: float, peak: float
) -> dict[str, Any]:
    """One line of the table.

    Args:
        one: what was timed.
        batch: rows B.
        length: tokens L.
        timings: by ``Runner.key``, of all that ran in the same turns.
        gflop: of one pass.
        peak: GFLOP per second.

    Returns:
        Plain JSON; a speed-up is None where BERT-base was not timed.
    """
    found = timings[one.key]

    def speedup(backend: str) -> float | None:
        base = timings.get(f"{BASE} in {backend}")
        return base.ms / found.ms if base else None

    return {
        "model": one.model,
        "backend": one.backend,
        "batch": batch,
        "length": length,
        "params": one.params,
        "bytes": one.bytes,
        "ms": found.ms,
        "ms_spread": found.spread,
        "passes": found.passes,
        "texts_per_s": 1000 * batch / found.ms,
        "speedup_vs_bert_base": speedup("torch"),
        "speedup_vs_bert_base_same_backend": speedup(one.backend),
        "gflop": gflop,
        "gflop_per_s": 1000 * gflop / found.ms,
        "share_of_peak": share_of_peak(gflop, found.ms, peak),
        "floor_ms": 1000 * gflop / peak,
    }
