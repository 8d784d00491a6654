"""ONE table of baselines: how each is built, what it minimises and how it is trained.

To compare with a further one is one entry. A loss is that of the paper named in its docstring. Layers are shares
of the teacher's J, those of the published models of BERT-base's twelve: 6 and 3 of BERT-PKD are a half and a
quarter, the 4 of DistilBERT and TinyBERT a third. A 6-layer teacher so has students of 3, 2, 2 and 2 layers.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from adabert_nni.baselines.build import (
    Builder,
    bilstm,
    shorter_bert,
    shorter_distilbert,
    tinybert,
)
from adabert_nni.baselines.losses import (
    View,
    bilstm_loss,
    distilbert_loss,
    pkd_loss,
    tinybert_layers_loss,
    tinybert_prediction_loss,
)
from adabert_nni.errors import AdaBertError

Loss = Callable[[View, View, Tensor], Tensor]  # student, teacher, labels (B,) -> scalar
Sees = Literal["logits", "states", "scores"]


@dataclass(frozen=True)
class Baseline:
    """One way to compress the teacher.

    Attributes:
        build: the student as it starts.
        losses: what is minimised, one after the other, each in its share of the epochs.
        epochs: passes over the training rows where none are asked for.
        lr: highest learning rate, likewise.
        batch: rows per step, likewise.
        sees: the most that a loss looks at: logits, hidden states or attention scores too.
    """

    build: Builder
    losses: tuple[Loss, ...]
    epochs: int = 4
    lr: float = 1e-4
    batch: int = 32
    sees: Sees = "states"


BASELINES: dict[str, Baseline] = {
    "bert-pkd-half": Baseline(shorter_bert(2), (pkd_loss,)),
    "bert-pkd-quarter": Baseline(shorter_bert(4), (pkd_loss,)),
    "distilbert": Baseline(shorter_distilbert(3), (distilbert_loss,)),
    "tinybert": Baseline(
        tinybert(3),
        (tinybert_layers_loss, tinybert_prediction_loss),
        epochs=8,
        lr=3e-4,  # its weights are fresh
        sees="scores",
    ),
    "bilstm-soft": Baseline(bilstm, (bilstm_loss,), epochs=10, lr=1e-3, batch=64, sees="logits"),
}


def get_baseline(name: str) -> Baseline:
    """The baseline of that name; AdaBertError lists the known ones."""
    if name in BASELINES:
        return BASELINES[name]
    close = difflib.get_close_matches(name, BASELINES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise AdaBertError(f"baseline: got {name!r}, known are {', '.join(BASELINES)}{hint}")
