"""What a search needs to know of a task, and the space that it spans; not how the space is searched."""

import warnings
from dataclasses import dataclass

from torch import Tensor

from adabert_nni.problems import CLASSIFICATION, Problem
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.spaces import SpaceConfig


@dataclass(frozen=True)
class TaskShape:
    """What the space needs to know of the task and the teacher's tokenizer.

    Attributes:
        num_labels: classes C.
        sep_id: separator of a text pair; None for single texts.
        max_length: longest input in tokens.
        words: factorised word embeddings (V, D).
        positions: factorised position embeddings (P, D).
        problem: the kind of problem.
    """

    num_labels: int
    sep_id: int | None
    max_length: int
    words: Tensor
    positions: Tensor
    problem: Problem = CLASSIFICATION


def build_space(space: SpaceConfig, task: TaskShape) -> AdaBertSpace:
    """The space of ``space`` for one task."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=RuntimeWarning, module="nni"
        )  # NNI names newer torch classes
        return AdaBertSpace(
            space.ops,
            space.nodes,
            space.max_depth,
            space.dim,
            num_labels=task.num_labels,
            vocab_size=len(task.words),
            max_length=task.max_length,
            dropout=space.dropout,
            sep_id=task.sep_id,
            pair_layout=space.pair_layout,
        )
