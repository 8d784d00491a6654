"""Classes and probabilities of texts, or values, a window of rows at a time, however many there are.

A window is sorted by length, so that batches hold little padding, and answered in the order that it came in.
It must not know where texts come from or where answers go. Shapes: R rows of a window, C classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from adabert_nni.data.batches import loader
from adabert_nni.data.encoding import encode
from adabert_nni.data.files_in import check_text
from adabert_nni.data.tasks import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.model.modeling import AdaBertConfig
from adabert_nni.precision import device, plain_float32
from adabert_nni.problems import Problem
from adabert_nni.student.onnx_graph import Logits
from adabert_nni.student.stored import LOCAL, RECORD, load_export, load_student
from adabert_nni.student.task import classes_of, problem_of, texts_of
from adabert_nni.training import row_positions

WINDOW = 64  # batches that are sorted together


@dataclass(frozen=True)
class Classifier:
    """A student, or what was exported from one: ids and mask (B, L) to logits (B, C)."""

    module: nn.Module
    config: AdaBertConfig
    tokenizer: PreTrainedTokenizerBase

    @property
    def columns(self) -> int:
        """Texts of a row, 1 or 2."""
        return texts_of(self.config)

    @property
    def labels(self) -> list[str]:
        """Class names by id."""
        return classes_of(self.config)

    @property
    def problem(self) -> Problem:
        """What kind of problem it was made for."""
        return problem_of(self.config)


@dataclass(frozen=True)
class Answer:
    """What the student says of a row.

    Attributes:
        texts: the row.
        label: the most probable class; in regression the name of the value.
        probability: that the student gives it, in [0, 1].
        value: in regression, in the unit of the labels.
    """

    texts: tuple[str, ...]
    label: str
    probability: float
    value: float | None = None

    def told(self) -> dict[str, str | float]:
        """``label`` and ``probability``, or ``value``."""
        if self.value is not None:
            return {"value": self.value}
        return {"label": self.label, "probability": self.probability}


def load_classifier(folder: Path) -> Classifier:
    """What lies in the folder of a student or of an export.

    Args:
        folder: such as ``runs/first/student`` or ``runs/first/student-onnx-int8``.

    Returns:
        The classifier in eval mode; a student is on the GPU where there is one.

    Raises:
        AdaBertError: if there is neither.
    """
    if not (folder / RECORD).is_file():
        student, tokenizer = load_student(folder)
        return Classifier(Logits(student.to(device())).eval(), student.config, tokenizer)  # type: ignore[arg-type]
    config = AutoConfig.from_pretrained(folder, **LOCAL)
    return Classifier(load_export(folder), config, AutoTokenizer.from_pretrained(folder, **LOCAL))


def predictions(
    classifier: Classifier, rows: Iterable[tuple[str, ...]], batch: int = 64
) -> Iterator[Answer]:
    """Answer every row, in their order; a window of rows is read ahead, no more.

    Args:
        classifier: what ``load_classifier`` gave.
        rows: one or two texts each, as the student was trained on.
        batch: rows per step, >= 1.

    Yields:
        One answer a row.

    Raises:
        AdaBertError: if a row has one text too many or too few, or what is no text; if an answer is no number; if
            ``batch`` is none.
    """
    if not isinstance(batch, int) or batch < 1:
        raise AdaBertError(f"batch: got {batch!r}, allowed is a whole number from 1")
    source, answered = iter(rows), 0
    while window := list(islice(source, WINDOW * batch)):
        for number, texts in enumerate(window, start=answered + 1):
            for text in texts:
                check_text(text, f"row {number}")
            if len(texts) != classifier.columns:
                raise AdaBertError(
                    f"row {number}: got {len(texts)} text(s) in a row ({''.join(texts[:1])[:40]!r}), this student "
                    f"reads {classifier.columns}; {_REMEDY[classifier.columns]}"
                )
        found, labels = _window(classifier, window, batch), classifier.labels
        shares, best = (part.tolist() for part in found.softmax(-1).max(-1))
        values = found.squeeze(1).tolist() if len(labels) == 1 else [None] * len(window)
        for texts, index, share, value in zip(window, best, shares, values, strict=True):
            yield Answer(texts, labels[index], share, value)
        answered += len(window)


_REMEDY = {
    1: "give one text a row, without --text-pair",
    2: "give pairs: two columns (--text, --text-pair), or lines with a tab between the texts",
}


def _window(classifier: Classifier, texts: list[tuple[str, ...]], batch: int) -> Tensor:
    """Logits of the rows, (R, C)."""
    rows = Rows(texts, [0] * len(texts), list(range(len(texts))))
    encoded = encode(rows, classifier.tokenizer, classifier.config.max_position_embeddings)
    device = next((p.device for p in classifier.module.parameters()), torch.device("cpu"))
    logits, ids = [], []
    with torch.inference_mode(), plain_float32():
        for part in loader(encoded, batch, shuffle=False, seed=0):
            found = classifier.module(
                part["input_ids"].to(device), part["attention_mask"].to(device)
            )
            logits.append(found.float().cpu())
            ids.append(part["ids"])
    ordered = torch.empty_like(found := torch.cat(logits))
    if not found.isfinite().all():
        raise AdaBertError("an answer is no finite number; the model's files are damaged")
    ordered[row_positions(encoded, torch.cat(ids))] = found
    return ordered
