"""The one table of tasks: columns, classes and metrics by name; and what rows and splits are.

Adding a task is one entry here (and, if the package generates its rows, one in ``embedded.py``).
It must not know where the rows lie or how they are read and split; that is ``loading.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from adabert_nni.errors import AdaBertError
from adabert_nni.losses import UNLABELLED
from adabert_nni.problems import CLASSIFICATION, UNSCALED, Problem, Scale

GLUE = "nyu-mll/glue"


@dataclass(frozen=True)
class Task:
    """What is to be learnt, apart from the rows.

    Attributes:
        name: key of ``TASKS``; ``"own"`` for a task that was built from the user's files.
        texts: the text columns, one or two of them.
        label: the label column.
        labels: the class names in the order of their ids, at least two; in regression the name of the one
            value. As many as a model has outputs.
        metrics: keys of ``metrics.METRICS``; the first one is the one to choose by. None are those of ``problem``.
        hub: (data set, configuration) on the Hugging Face hub; None when it is not there.
        validation: the name of the split (and the stem of the file) that results are reported on.
        problem: the kind of problem that it is, with the task's metrics.
        scale: mean and deviation of the labels that are trained on, in regression; models learn by them.
    """

    name: str
    texts: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    hub: tuple[str, str] | None = None
    validation: str = "validation"
    problem: Problem = CLASSIFICATION
    scale: Scale = UNSCALED

    def __post_init__(self) -> None:
        """Let task and problem name the same metrics, so that whoever chooses does so by the same one."""
        metrics = self.metrics or self.problem.metrics
        object.__setattr__(self, "metrics", metrics)
        if self.problem.metrics != metrics:
            object.__setattr__(self, "problem", replace(self.problem, metrics=metrics))

    @property
    def is_pair(self) -> bool:
        """Whether a row holds two texts."""
        return len(self.texts) == 2


@dataclass(frozen=True)
class Rows:
    """Texts with their labels.

    Attributes:
        texts: one or two texts per row.
        labels: class ids, 0 .. C-1, or values; ``UNLABELLED`` where there is none.
        ids: the position of the row in its original split (for training and selection rows: in
            the training file), stable under any choice of splits and sizes.
    """

    texts: list[tuple[str, ...]]
    labels: Sequence[float]
    ids: list[int]

    def __len__(self) -> int:
        return len(self.labels)

    def plus(self, more: Rows) -> Rows:
        """These rows, then ``more``, whose ids are others."""
        return Rows(self.texts + more.texts, [*self.labels, *more.labels], self.ids + more.ids)

    def take(self, positions: list[int]) -> Rows:
        """The rows at these positions."""
        return Rows(
            [self.texts[i] for i in positions],
            [self.labels[i] for i in positions],
            [self.ids[i] for i in positions],
        )

    def by_label(self) -> tuple[Rows, Rows]:
        """(rows with a label, rows without one)."""
        known = [i for i, label in enumerate(self.labels) if label != UNLABELLED]
        unknown = [i for i, label in enumerate(self.labels) if label == UNLABELLED]
        return self.take(known), self.take(unknown)


@dataclass(frozen=True)
class Splits:
    """A task's rows; no row is in two parts, and all ids of ``train`` and ``unlabelled`` differ.

    Attributes:
        task: what is to be learnt.
        train: to learn from.
        selection: to choose by.
        validation: to report on.
        unlabelled: more texts for the student to learn from, by what the teacher says of them.
    """

    task: Task
    train: Rows
    selection: Rows
    validation: Rows
    unlabelled: Rows = Rows([], [], [])


_SENTENCES = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")
_BOTH = ("accuracy", "f1")  # GLUE reports both where the classes are uneven

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("sst2", ("sentence",), "label", ("negative", "positive"), hub=(GLUE, "sst2")),
        Task("mrpc", _SENTENCES, "label", ("not_equivalent", "equivalent"), _BOTH, (GLUE, "mrpc")),
        Task(
            "qqp",
            ("question1", "question2"),
            "label",
            ("not_duplicate", "duplicate"),
            _BOTH,
            (GLUE, "qqp"),
        ),
        Task(
            "mnli",
            ("premise", "hypothesis"),
            "label",
            ("entailment", "neutral", "contradiction"),
            hub=(GLUE, "mnli"),
            validation="validation_matched",
        ),
        Task("qnli", ("question", "sentence"), "label", _ENTAILMENT, hub=(GLUE, "qnli")),
        Task("rte", _SENTENCES, "label", _ENTAILMENT, hub=(GLUE, "rte")),
        Task("mini-reviews", ("sentence",), "label", ("negative", "positive")),
        Task("mini-claims", ("premise", "hypothesis"), "label", _ENTAILMENT),
    )
}


def get_task(name: str) -> Task:
    """The task of that name.

    Args:
        name: a key of ``TASKS``.

    Returns:
        The task.

    Raises:
        AdaBertError: if there is none; lists the known names and the closest one.
    """
    if name in TASKS:
        return TASKS[name]
    close = difflib.get_close_matches(name, TASKS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise AdaBertError(
        f"task: got {name!r}, known are {', '.join(TASKS)}; {hint}"
        "For rows of your own give --train with a .csv, .tsv or .jsonl file instead"
    )
