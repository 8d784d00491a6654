"""Probes: what each layer of the frozen teacher believes about every training row (paper, 2.3).

A softmax classifier per layer (`linear_probes`) is trained on the teacher's hidden states (`hidden`); its
probabilities become a table by row id, so that no search or student ever runs the teacher. In
regression a probe is a ridge regressor and the table holds its values, in units of the labels'
deviation from their mean. It must not know how a teacher is trained. Shapes: R rows, B batch, L
tokens, H hidden width, J teacher layers, F = 2 H features per layer, C classes, S penalties tried.
"""

import functools
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from adabert_nni.checkpoint import Checkpoint, read_tensors
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.metrics import score
from adabert_nni.precision import device
from adabert_nni.problems import CLASSIFICATION, UNSCALED, Problem, Scale, in_units
from adabert_nni.teacher.calibration import temperatures
from adabert_nni.teacher.hidden import hidden_states
from adabert_nni.teacher.linear_probes import Probes
from adabert_nni.teacher.loading import WEIGHTS_ONLY

logger = logging.getLogger(__name__)

TABLE = "probes.safetensors"
REPORT = "probes.json"
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # L2, on standardised features; one is chosen per layer


def build_probes(
    teacher: Path,
    train: Encoded,
    selection: Encoded,
    *,
    labels: int,
    seed: int,
    folder: Path,
    epochs: int = 10,
    checkpoint: Checkpoint | None = None,
    problem: Problem = CLASSIFICATION,
    scale: Scale = UNSCALED,
    more: Encoded | None = None,
    calibrated: bool = True,
    precision: str = "float32",
) -> dict[str, Any]:
    """Train a probe per layer and write the table of the training rows, and how good it is.

    All J probes (and all penalties tried) are trained together as one batched linear layer. The
    hidden states take R * J * F * 2 bytes: up to 2 GiB in memory, beyond in a file in ``folder``.
    The L2 penalty of a layer is the one with the least cross-entropy on ``selection``: rows that
    neither the teacher nor a probe was trained on, since on its own training rows an over-fitted
    teacher makes every probe look right. No weight of a probe is fitted to ``selection``.

    Args:
        teacher: the folder of the fine-tuned teacher.
        train: the rows of the table; the probes are trained on them.
        selection: other rows, to choose the penalties and to report.
        labels: C.
        seed: of the order of the rows.
        folder: an existing folder to write into.
        epochs: passes of the probes over the hidden states, > 0; at least 300 steps.
        checkpoint: where the teacher's passes and the training of the probes keep their state.
        problem: the kind of problem; its first metric is the one that is reported.
        scale: mean and deviation of the labels, in regression.
        more: rows that no probe is trained on, such as unlabelled ones; the table holds them too.
        calibrated: no probe, nor the head, is surer than it is right on ``selection`` (`calibration`);
            False leaves the table as the paper has it.
        precision: one of ``PRECISIONS``: what the teacher computes in.

    Returns:
        What ``probes.json`` says: per layer the penalty, the temperature (the head's comes last) and the
        accuracy (or R2) on selection and train, those of the teacher itself, bytes and seconds.

    Raises:
        AdaBertError: if the teacher does not fit ``labels`` or the disk is too small.
    """
    start = time.monotonic()
    model = AutoModelForSequenceClassification.from_pretrained(
        teacher, **WEIGHTS_ONLY, dtype=torch.float32
    )
    if model.config.num_labels != labels:
        raise AdaBertError(
            f"teacher {teacher}: has {model.config.num_labels} classes, the data has {labels}; "
            "fine-tune the teacher on this task"
        )
    train, selection = train.in_units(scale), selection.in_units(scale)
    model.to(device()).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    # Rows are cached in shuffled order: any run of them is a random batch, on a disk too.
    place = torch.randperm(len(train), generator=generator)
    kept = {name: checkpoint and checkpoint.part(name) for name in ("train", "selection")}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        seen, teacher_train = hidden_states(
            model, train, place, Path(scratch), "train", kept["train"], precision=precision
        )
        same = torch.arange(len(selection))
        unseen, teacher_selection = hidden_states(
            model,
            selection,
            same,
            Path(scratch),
            "selection",
            kept["selection"],
            precision=precision,
        )
        inverse = place.argsort()
        probes = Probes(seen, train.labels[inverse], labels, len(PENALTIES), problem)
        tried = torch.tensor(PENALTIES)[:, None].expand(-1, seen.shape[1])
        probes.fit(tried, epochs=epochs, generator=generator, checkpoint=checkpoint)
        outputs = probes.outputs(unseen)  # (S, R, J, C)
        costs = problem.probe_costs(outputs, selection.labels).mean(dim=1)  # (S, J)
        best = costs.argmin(dim=0)  # (J,)
        layers = torch.arange(seen.shape[1])
        told = outputs[best, :, layers].transpose(0, 1)  # (R, J, C)
        both = torch.cat([told, teacher_selection[:, None]], dim=1)
        fitted = temperatures(both, selection.labels, problem)  # (J + 1,)
        *_, head = sure = fitted if calibrated else torch.ones_like(fitted)
        chosen = probes.keep(best, sure[:-1])
        table = chosen(seen)[place]  # (R, J, C)
        cache_bytes = seen.numel() * seen.element_size()
    ids, teacher_train = train.ids, in_units(teacher_train, scale)
    answers, scores = problem.beliefs(teacher_train / head), functools.partial(_scores, problem)
    report = {
        "layers": table.shape[1],
        "rows": len(train),
        **scores("selection", told, in_units(teacher_selection, scale), selection.labels),
        **scores("train", table, teacher_train, train.labels),
        "selection_cost": _rounded(costs[best, layers]),
        "penalty": [PENALTIES[i] for i in best.tolist()],
        "temperature": _rounded(sure),
        "hidden_state_bytes": cache_bytes,
    }
    if more is not None and len(more):
        place, part = torch.arange(len(more)), checkpoint and checkpoint.part("more")
        further, heads = hidden_states(  # which are not kept
            model, more, place, Path(), "further rows", part, turn=chosen, precision=precision
        )
        table, ids = torch.cat([table, further]), torch.cat([ids, more.ids])
        answers = torch.cat([answers, problem.beliefs(in_units(heads, scale) / head)])
    spent = max(part.spent if part else 0.0 for part in (*kept.values(), checkpoint))
    report["seconds"] = round(time.monotonic() - start + spent, 1)
    tensors = {"ids": ids, "probs": table, "teacher": answers}
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / TABLE)
    write_json(folder / REPORT, report)
    logger.info("probes: %s", {k: v for k, v in report.items() if k.startswith("selection")})
    return report


def load_probes(folder: Path) -> dict[str, Tensor]:
    """The table: ids (R,), probs (R, J, C) per layer, teacher (R, C) of the teacher's own head.

    In regression both hold values, in units of the labels' deviation from their mean.
    """
    return read_tensors(folder / TABLE)


def _scores(
    problem: Problem, split: str, table: Tensor, teacher: Tensor, labels: Tensor
) -> dict[str, Any]:
    """The first metric per layer of (R, J, C) beliefs, and that of the teacher's outputs (R, C)."""
    metric = problem.metrics[0]

    def of(outputs: Tensor) -> float:
        return round(score((metric,), problem.predictions(outputs), labels)[metric], 4)

    per_layer = [of(layer) for layer in table.unbind(1)]
    return {f"{split}_{metric}": per_layer, f"teacher_{split}_{metric}": of(teacher)}


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
