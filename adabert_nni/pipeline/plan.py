"""What ``adabert compress`` would do: its stages, what of them is there, and about how long the rest takes.

Reads rows and hashes weights, as a run does; trains and writes nothing. The cost is an estimate: floating-point
operations of each stage (training 3 times a forward pass) over ``SHARE`` of this machine's rate at one product of
matrices. Operations of attention scores, norms and pools are left out.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from adabert_nni.benchmark.counting import count_params
from adabert_nni.benchmark.timing import peak_gflops
from adabert_nni.config import Config
from adabert_nni.data.encoding import encode
from adabert_nni.data.loading import Splits
from adabert_nni.files import read_json
from adabert_nni.folders import MANIFEST, same_meta
from adabert_nni.model.architecture import edge_names
from adabert_nni.model.ops import OPS, check_ops
from adabert_nni.pipeline.identity import INPUTS, decided_by
from adabert_nni.pipeline.places import first_task, places
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.precision import device
from adabert_nni.report.card import published
from adabert_nni.spaces import SpaceConfig
from adabert_nni.teacher.loading import LOCAL, load_tokenizer
from adabert_nni.teacher.source import locate_teacher

SHARE = 0.5  # of the rate of a matrix product; the steps in results/performance.md reach 0.3 to 0.8
SAMPLE = 256  # rows whose tokens are counted
TRAIN = 3  # a step costs as much as three forward passes
REPORT_TOKENS = 32 * 128  # of a pass when the speed is measured
BERT_WEIGHTS = 85_000_000  # of BERT-base's encoder: 12 layers of 12 x 768 x 768
DONE, CACHED, BEGUN, MISSING = "done", "cached", "begun", "missing"


@dataclass(frozen=True)
class Step:
    """A stage: its state (``DONE``, ``CACHED``, ``BEGUN``, ``MISSING``), folder, TFLOP and seconds if it runs."""

    stage: str
    state: str
    folder: str
    tflop: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Steps in their order, rows by split, tokens of a row on average, and GFLOP per second assumed."""

    steps: list[Step]
    rows: dict[str, int]
    tokens: float
    gflops: float

    @property
    def seconds(self) -> float:
        """What is still to be done takes about so long."""
        return sum(step.seconds for step in self.steps if step.state in (BEGUN, MISSING))


def plan(config: Config, output: Path, gflops: float | None = None) -> Plan:
    """Look at what there is, count the rest.

    Args:
        config: all settings.
        output: folder of the run.
        gflops: GFLOP per second of a matrix product here, > 0; None measures it in a moment.

    Returns:
        The plan; a begun stage counts as a whole one.

    Raises:
        AdaBertError: as a run would, if rows or teacher cannot be had or ``output`` is of other settings.
    """
    space = SpaceConfig.load(config.search.space)
    check_ops(space.ops, f"space {config.search.space}")
    splits = read_rows(config.data)
    found, base = places(config, splits), locate_teacher(config.teacher.teacher)
    sample = splits.train.take(list(range(min(SAMPLE, len(splits.train)))))
    encoded = encode(sample, load_tokenizer(base), config.data.max_length)
    tokens = statistics.mean(map(len, encoded.input_ids))
    threads, on = config.run.threads, device()
    rate = SHARE * (peak_gflops(1024, 3, threads, on) if gflops is None else gflops)
    # A student is timed on the CPU, where it is to run.
    timed = rate if on.type == "cpu" else SHARE * peak_gflops(1024, 3, threads)
    costs = costs_of(config, space, splits, tokens, encoder_weights(base))
    made_from = {**decided_by(config), INPUTS: found.probes.name}
    folders = {
        "teacher": (found.teacher, _state(found.teacher, CACHED)),
        "probes": (found.probes, _state(found.probes, CACHED)),
        "search": (output / "search", _state(output / "search", DONE, made_from)),
        "student": (output / "student", _state(output / "student", DONE, published(made_from))),
        "report": (output / "metrics.json", MISSING),  # is measured anew each time
    }
    if (before := first_task(config)) is not None:
        name, others = f"teacher on {before.data.task}", read_rows(before.data)
        first = places(before, others).teacher
        folders = {name: (first, _state(first, CACHED)), **folders}
        # It is needed only where the teacher is missing, and its rows are taken to be as long.
        needed = folders["teacher"][1] != CACHED
        costs[name] = (
            needed * costs_of(before, space, others, tokens, encoder_weights(base))["teacher"]
        )
    steps = [
        Step(
            stage,
            state,
            str(folder),
            costs[stage] / 1e12,
            costs[stage] / 1e9 / (timed if stage == "report" else rate),
        )
        for stage, (folder, state) in folders.items()
    ]
    rows = {name: len(getattr(splits, name)) for name in ("train", "selection", "validation")}
    return Plan(steps, rows, tokens, rate)


def costs_of(
    config: Config, space: SpaceConfig, splits: Splits, tokens: float, weights: int
) -> dict[str, float]:
    """Floating-point operations by stage.

    Args:
        config: epochs, estimator and repetitions.
        space: ops, edges and depth of the supernet; the student is taken to have mean ops and half the depth.
        splits: how many rows there are; each wanted copy counts as one more.
        tokens: of a row, on average.
        weights: of the teacher's encoder, without embeddings.

    Returns:
        teacher, probes, search, student and report, each >= 0.
    """
    train, selection, validation = (
        len(part) * tokens for part in (splits.train, splits.selection, splits.validation)
    )
    teacher, search, student = config.teacher, config.search, config.student
    learnt = train * (1 + config.augment.augment_copies)
    searched = train if config.augment.augment_for == "student" else learnt
    forward = 2.0 * weights
    every = 2.0 * len(edge_names(space.nodes)) * sum(OPS[op].flops(space.dim) for op in space.ops)
    drawn, depth = every / len(space.ops), (space.max_depth + 1) / 2
    # Weights: the drawn ops alone. P_alpha, exact: all ops forward, only the drawn ones backward.
    plain = TRAIN * drawn
    both = every + (TRAIN - 1) * drawn if search.estimator == "exact" else plain
    others = 1 - search.alpha_share
    step = others * plain + search.alpha_share * both if search.alpha_share else both
    steps = search.alpha_warmup * others * plain
    steps += (search.search_epochs - search.alpha_warmup) * step
    return {
        "teacher": forward
        * (teacher.teacher_epochs * (TRAIN * train + selection) + selection + validation),
        "probes": forward * (learnt + selection),
        "search": depth * (steps * searched + search.search_epochs * drawn * selection),
        "student": student.student_epochs * depth * drawn * (TRAIN * learnt + selection)
        + depth * drawn * (selection + validation),
        "report": (config.run.repetitions + 1) * REPORT_TOKENS * (2.0 * BERT_WEIGHTS + forward),
    }


def encoder_weights(folder: Path) -> int:
    """Parameters of a teacher without its embeddings, from its config alone."""
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(
            AutoConfig.from_pretrained(folder, **LOCAL), trust_remote_code=False
        )
    embedded = (m for m in model.modules() if isinstance(m, torch.nn.Embedding))
    return count_params(model) - sum(m.weight.numel() for m in embedded)


def _state(folder: Path, finished: str, settings: dict[str, Any] | None = None) -> str:
    if (folder / MANIFEST).is_file():
        same_meta(folder, read_json(folder / MANIFEST).get("meta", {}), settings)
        return finished
    states = folder.with_name(f"{folder.name}.checkpoint")
    return BEGUN if states.is_dir() and any(states.iterdir()) else MISSING
