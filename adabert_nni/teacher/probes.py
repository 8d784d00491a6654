"""Probes: what each layer of the frozen teacher believes about every training row (paper, 2.3).

A softmax classifier per layer is trained on the teacher's hidden states (`hidden`); its
probabilities become a table by row id, so that no search or student ever runs the teacher. It must
not know how a teacher is trained. Shapes: R rows, B batch, L tokens, H hidden width, J teacher
layers, F = 2 H features per layer, C classes, S penalties tried.
"""

import logging
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from adabert_nni.checkpoint import Checkpoint, Stateful, restore, state_of
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.teacher.hidden import hidden_states
from adabert_nni.teacher.source import WEIGHTS_ONLY
from adabert_nni.training import progress

logger = logging.getLogger(__name__)

TABLE = "probes.safetensors"
REPORT = "probes.json"
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # L2, on standardised features; one is chosen per layer
CHUNK = 1024  # rows per step of the probes
LEAST_STEPS = 300  # small data sets are gone through more often
LEARNING_RATE = 0.5  # over the root of F: a step moves logits as far however many features


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
) -> dict[str, Any]:
    """Train a probe per layer and write the table of the training rows, and how good it is.

    All J probes (and all penalties tried) are trained together as one batched linear layer. The
    hidden states take R * J * F * 2 bytes: up to 2 GiB in memory, beyond in a file in ``folder``.
    The L2 penalty of a layer is the one with the least cross-entropy on ``selection``: rows that
    neither the teacher nor a probe was trained on, since on its own training rows an over-fitted
    teacher makes every probe look right. No probe is fitted to ``selection``.

    Args:
        teacher: the folder of the fine-tuned teacher.
        train: the rows of the table; the probes are trained on them.
        selection: other rows, to choose the penalties and to report.
        labels: C.
        seed: of the order of the rows.
        folder: an existing folder to write into.
        epochs: passes of the probes over the hidden states, > 0; at least 300 steps.
        checkpoint: where the teacher's passes and the training of the probes keep their state.

    Returns:
        What ``probes.json`` says: per layer the penalty and the accuracy on selection and train,
        the accuracies of the teacher itself, bytes and seconds.

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
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    # Rows are cached in shuffled order: any run of them is a random batch, on a disk too.
    place = torch.randperm(len(train), generator=generator)
    kept = {name: checkpoint and checkpoint.part(name) for name in ("train", "selection")}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        seen, teacher_train = hidden_states(
            model, train, place, Path(scratch), "train", kept["train"]
        )
        unseen, teacher_selection = hidden_states(
            model,
            selection,
            torch.arange(len(selection)),
            Path(scratch),
            "selection",
            kept["selection"],
        )
        inverse = place.argsort()
        probes = Probes(seen, train.labels[inverse], labels, len(PENALTIES))
        tried = torch.tensor(PENALTIES)[:, None].expand(-1, seen.shape[1])
        probes.fit(tried, epochs=epochs, generator=generator, checkpoint=checkpoint)
        costs, right = _measure(probes.predict(unseen), selection.labels)
        best = costs.argmin(dim=0)  # (J,)
        layers = torch.arange(seen.shape[1])
        table = probes.predict(seen)[best, :, layers].transpose(0, 1)[place]  # (R, J, C)
        cache_bytes = seen.numel() * seen.element_size()
    truth = train.labels
    spent = max(part.spent if part else 0.0 for part in (*kept.values(), checkpoint))
    report = {
        "layers": table.shape[1],
        "rows": len(train),
        "selection_accuracy": _rounded(right[best, layers]),
        "train_accuracy": _rounded((table.argmax(-1) == truth[:, None]).double().mean(0)),
        "selection_cross_entropy": _rounded(costs[best, layers]),
        "penalty": [PENALTIES[i] for i in best.tolist()],
        "teacher_selection_accuracy": _accuracy(teacher_selection, selection.labels),
        "teacher_train_accuracy": _accuracy(teacher_train, truth),
        "hidden_state_bytes": cache_bytes,
        "seconds": round(time.monotonic() - start + spent, 1),
    }
    tensors = {"ids": train.ids, "probs": table, "teacher": teacher_train.softmax(dim=-1)}
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / TABLE)
    write_json(folder / REPORT, report)
    logger.info("probes: accuracy on selection per layer %s", report["selection_accuracy"])
    return report


def load_probes(folder: Path) -> dict[str, Tensor]:
    """The table: ids (R,), probs (R, J, C) per layer, teacher (R, C) of the teacher's own head."""
    return load_file(folder / TABLE)


class Probes:
    """S x J softmax classifiers, one for each penalty and layer, trained as one batched linear."""

    def __init__(self, features: Tensor, labels: Tensor, classes: int, tries: int) -> None:
        """Measure mean and deviation of the features.

        Args:
            features: (R, J, F) float16, rows in random order.
            labels: (R,) class ids, in [0, classes).
            classes: C.
            tries: S.
        """
        self._features, self._labels = features, labels
        _, layers, width = features.shape
        total = torch.zeros(2, layers, width, dtype=torch.float64)
        for chunk in features.split(CHUNK):
            values = chunk.double()
            total += torch.stack([values.sum(dim=0), values.square().sum(dim=0)])
        mean, square = total / len(features)
        self._mean = mean.float()
        self._scale = (square - mean.square()).clamp(min=1e-8).sqrt().float()
        self._weight = torch.zeros(tries, layers, width, classes, requires_grad=True)
        self._bias = torch.zeros(tries, 1, layers, classes, requires_grad=True)

    def fit(
        self,
        penalties: Tensor,
        *,
        epochs: int,
        generator: torch.Generator,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Minimise each probe's cross-entropy + penalty / 2 * ||weight||^2 by Adam.

        Args:
            penalties: (S, J), >= 0.
            epochs: passes over the rows.
            generator: of the order of the chunks.
            checkpoint: where the training keeps its state, and goes on from after a kill.
        """
        chunks = math.ceil(len(self._features) / CHUNK)
        steps = max(LEAST_STEPS, epochs * chunks)
        rate = LEARNING_RATE / math.sqrt(self._weight.shape[2])
        optimizer = torch.optim.Adam([self._weight, self._bias], lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        passes = math.ceil(steps / chunks)
        order = torch.cat([torch.randperm(chunks, generator=generator) for _ in range(passes)])
        parts: dict[str, Stateful] = {"optimizer": optimizer, "schedule": schedule}
        done = 0
        if checkpoint and (saved := checkpoint.load()):
            restore(parts, saved)
            self._weight.data, self._bias.data = saved["weight"], saved["bias"]
            done = saved["step"]
        left = order[done:steps].tolist()
        for step, chunk in enumerate(progress(left, steps, "probes", first=done), start=done + 1):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            log_probs = self._log_probs(self._features[rows])  # (S, B, J, C)
            costs = _cross_entropy(log_probs, self._labels[rows])  # (S, J)
            size = self._weight.square().sum(dim=(2, 3))
            # A sum, so that the gradient of a probe is not that of any other.
            loss = (costs + penalties / 2 * size).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if checkpoint and checkpoint.due():
                weights = {"weight": self._weight, "bias": self._bias}
                checkpoint.save({"step": step, **weights, **state_of(parts)})

    @torch.no_grad()
    def predict(self, features: Tensor) -> Tensor:
        """Probabilities (S, R, J, C) for features (R, J, F)."""
        return torch.cat([self._log_probs(c).exp() for c in features.split(CHUNK)], dim=1)

    def _log_probs(self, features: Tensor) -> Tensor:
        inputs = (features.float() - self._mean) / self._scale
        logits = torch.einsum("bjf,sjfc->sbjc", inputs, self._weight) + self._bias
        return logits.log_softmax(dim=-1)


def _cross_entropy(log_probs: Tensor, labels: Tensor) -> Tensor:
    """(S, J) means over the rows of (S, R, J, C) log probabilities and (R,) labels."""
    index = labels[None, :, None, None].expand(*log_probs.shape[:3], 1)
    return -log_probs.gather(-1, index).mean(dim=(1, 3))


def _measure(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and accuracy, (S, J) each, of (S, R, J, C) probabilities."""
    costs = _cross_entropy(probs.clamp(min=1e-12).log(), labels)
    return costs, (probs.argmax(dim=-1) == labels[None, :, None]).float().mean(dim=1)


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    return round((logits.argmax(dim=-1) == labels).float().mean().item(), 4)


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
