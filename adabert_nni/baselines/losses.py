"""What each baseline minimises: pure functions of what student and teacher show of a batch.

They must not know models, loops or files. A student's layer i learns from teacher layer ceil(i * J / K), as in
equation (3) of AdaBERT; in BERT-PKD, DistilBERT and TinyBERT the layers are evenly spread in the same way.
Shapes: B batch, L tokens, H hidden width, A heads, C classes, J teacher layers, K student layers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from adabert_nni.losses import matched_layers, task_loss

# Values of the authors' recipes. The weight of the patience is that of a mean over all elements, as in their code.
PKD_SOFT, PKD_PATIENCE, PKD_TEMPERATURE = 0.5, 100.0, 5.0
DISTIL_SOFT, DISTIL_TASK, DISTIL_COSINE, DISTIL_TEMPERATURE = 5.0, 2.0, 1.0, 2.0


@dataclass(frozen=True)
class View:
    """What a network shows of a batch.

    Attributes:
        logits: (B, C).
        mask: (B, L), 1 for real tokens.
        states: embeddings, then each layer's output, (B, L, H) each; none of a network without layers.
        scores: attention of each layer before its softmax, (B, A, L, L) each; none where nobody asks.
    """

    logits: Tensor
    mask: Tensor
    states: tuple[Tensor, ...] = ()
    scores: tuple[Tensor, ...] = ()

    def float(self) -> "View":
        """The same in float32, in which losses are computed."""
        states, scores = (
            tuple(tensor.float() for tensor in part) for part in (self.states, self.scores)
        )
        return View(self.logits.float(), self.mask, states, scores)


def soft_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(teacher || student) of logits (B, C) divided by T, mean over the batch; 0 where they agree."""
    target = teacher.div(temperature).softmax(-1)
    found = student.div(temperature).log_softmax(-1)
    return temperature**2 * functional.kl_div(found, target, reduction="batchmean")


def pkd_loss(student: View, teacher: View, labels: Tensor) -> Tensor:
    """BERT-PKD-skip (Sun et al. 2019, arXiv:1908.09355, equation 7): hard, soft and patient loss.

    (1 - a) L_CE + a L_soft + b L_patience. The patience is the mean squared difference of the [CLS] states, each
    divided by its norm, of all layers but the last.

    Args:
        student: K + 1 states.
        teacher: J + 1 states of the same width.
        labels: class ids (B,), -100 where there is none.

    Returns:
        Scalar >= 0.
    """
    soft = soft_loss(student.logits, teacher.logits, PKD_TEMPERATURE)
    loss = (1 - PKD_SOFT) * task_loss(student.logits, labels) + PKD_SOFT * soft
    pairs = matched_states(student, teacher)[:-1]
    if not pairs:  # one layer is the last one too
        return loss
    ours, theirs = (
        torch.stack([pair[side][:, 0] for pair in pairs], dim=1)  # (B, K - 1, H)
        for side in (0, 1)
    )
    apart = functional.normalize(ours, dim=-1) - functional.normalize(theirs, dim=-1)
    return loss + PKD_PATIENCE * apart.square().mean()


def distilbert_loss(student: View, teacher: View, labels: Tensor) -> Tensor:
    """DistilBERT's triple loss (Sanh et al. 2019, arXiv:1910.01108, section 3): soft, hard and cosine.

    The task's cross-entropy stands where the paper, which distils before fine-tuning, has that of masked words.
    The cosine is between the last states of every real token.

    Args:
        student: states of the teacher's width.
        teacher: likewise.
        labels: class ids (B,), -100 where there is none.

    Returns:
        Scalar >= 0.
    """
    soft = soft_loss(student.logits, teacher.logits, DISTIL_TEMPERATURE)
    real = student.mask.bool()
    ours, theirs = student.states[-1][real], teacher.states[-1][real]
    turned = (1 - functional.cosine_similarity(ours, theirs, dim=-1)).mean()
    task = task_loss(student.logits, labels)
    return DISTIL_SOFT * soft + DISTIL_TASK * task + DISTIL_COSINE * turned


def tinybert_layers_loss(student: View, teacher: View, labels: Tensor) -> Tensor:
    """TinyBERT's first step (Jiao et al. 2020, arXiv:1909.10351, equations 7 to 9): embeddings, states, attention.

    The sum over layers of mean squared differences; padding counts nowhere.

    Args:
        student: its states projected to the teacher's width; K scores of as many heads as the teacher's.
        teacher: states and scores.
        labels: not used: this step learns from all rows alike.

    Returns:
        Scalar >= 0.
    """
    real = student.mask.bool()
    loss = functional.mse_loss(student.states[0][real], teacher.states[0][real])
    for ours, theirs in matched_states(student, teacher):
        loss = loss + functional.mse_loss(ours[real], theirs[real])
    both = (real[:, None, :, None] & real[:, None, None, :]).expand_as(student.scores[0])
    for layer, match in enumerate(matched_layers(len(student.scores), len(teacher.scores))):
        ours, theirs = student.scores[layer], teacher.scores[match - 1]
        loss = loss + functional.mse_loss(ours[both], theirs[both])
    return loss


def tinybert_prediction_loss(student: View, teacher: View, labels: Tensor) -> Tensor:
    """TinyBERT's second step (equation 10, t = 1): soft targets alone; ``labels`` are not used."""
    return soft_loss(student.logits, teacher.logits)


def bilstm_loss(student: View, teacher: View, labels: Tensor) -> Tensor:
    """BiLSTM-soft (Tang et al. 2019, arXiv:1903.12136, equation 5, a = 0): mean squared error of the logits."""
    return functional.mse_loss(student.logits, teacher.logits)


def matched_states(student: View, teacher: View) -> list[tuple[Tensor, Tensor]]:
    """Output of each student layer beside that of its teacher layer, both (B, L, H)."""
    layers = matched_layers(len(student.states) - 1, len(teacher.states) - 1)
    return [(student.states[i], teacher.states[j]) for i, j in enumerate(layers, start=1)]
