"""Losses that steer the search: task, knowledge, efficiency; equations (1), (3), (4) and (5).

Pure functions of tensors; no NNI, no Lightning, no files.
Notation (AdaBERT, arXiv:2001.04246): gamma weighs knowledge against task, beta weighs efficiency, T is the
temperature. Shapes: B batch, C classes, J teacher layers, K student layers, E cell edges, O ops.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

UNLABELLED = -100  # the label of a row that has none, of every problem


def matched_layers(student_depth: int, teacher_depth: int) -> list[int]:
    """Teacher layer j = ceil(i * J / K), 1-based, for each student layer i = 1..K."""
    return [
        math.ceil(layer * teacher_depth / student_depth) for layer in range(1, student_depth + 1)
    ]


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the labelled rows, L_CE; 0 if no row has a label.

    Args:
        logits: (B, C).
        labels: class ids (B,), ``UNLABELLED`` where there is none.

    Returns:
        Scalar >= 0.
    """
    if (labels == UNLABELLED).all():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits, labels, ignore_index=UNLABELLED)


def transfer_weights(teacher: Tensor, labels: Tensor, student_depth: int) -> Tensor:
    """Attentive weights w of equation (4): student layers whose teacher probe is right weigh more.

    w_i is the softmax over i of log P^T_j(y), j matched to i, and that is P^T_j(y) / sum_i' P^T_j'(y).

    Args:
        teacher: the probes' probabilities, (B, J, C).
        labels: class ids (B,); rows that are ``UNLABELLED`` get uniform weights.
        student_depth: K >= 1.

    Returns:
        (B, K), rows sum to 1.
    """
    known = labels != UNLABELLED
    index = labels.where(known, 0).view(-1, 1, 1).expand(-1, student_depth, 1)
    matched = _matched(teacher, student_depth)
    log_right = matched.gather(2, index).squeeze(2).clamp_min(1e-12).log()
    return log_right.where(known.unsqueeze(1), 0.0).softmax(1)


def knowledge_loss(
    layer_logits: Sequence[Tensor], teacher: Tensor, labels: Tensor, temperature: float = 1.0
) -> Tensor:
    """Attentive hierarchical distillation, L_KD: equations (3) and (4), mean over the batch.

    Args:
        layer_logits: logits of the student's probes, K tensors (B, C), first layer first.
        teacher: the teacher's probe probabilities, (B, J, C).
        labels: class ids (B,), ``UNLABELLED`` where there is none.
        temperature: T > 0, divides the student's logits.

    Returns:
        Scalar >= 0.
    """
    depth = len(layer_logits)
    log_student = (
        torch.stack(list(layer_logits), dim=1).div(temperature).log_softmax(-1)
    )  # (B, K, C)
    cross_entropy = -(_matched(teacher, depth) * log_student).sum(-1)  # (B, K)
    return (transfer_weights(teacher, labels, depth) * cross_entropy).sum(1).mean()


def squared_task_loss(values: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error over the labelled rows: what L_CE is to regression; 0 if no row has a label.

    Args:
        values: (B, 1).
        labels: (B,) floats, ``UNLABELLED`` where there is none.

    Returns:
        Scalar >= 0.
    """
    known = labels != UNLABELLED
    errors = (values.squeeze(1) - labels).square().where(known, 0.0)
    return errors.sum() / known.sum().clamp_min(1)


def squared_transfer_weights(teacher: Tensor, labels: Tensor, student_depth: int) -> Tensor:
    """Attentive weights w of equation (4) in regression.

    w_i is the softmax over i of -(v_j - y)^2, with v_j the value of the teacher's probe that is matched to i:
    the log density of a Gaussian takes the place of log P^T_j(y).

    Args:
        teacher: the probes' values, (B, J, 1).
        labels: (B,) floats; rows that are ``UNLABELLED`` get uniform weights.
        student_depth: K >= 1.

    Returns:
        (B, K), rows sum to 1.
    """
    errors = (_matched(teacher, student_depth).squeeze(2) - labels.unsqueeze(1)).square()
    return (-errors).where((labels != UNLABELLED).unsqueeze(1), 0.0).softmax(1)


def squared_knowledge_loss(
    layer_values: Sequence[Tensor], teacher: Tensor, labels: Tensor, temperature: float = 1.0
) -> Tensor:
    """L_KD of regression: L_KD^{i,j} of equation (3) is the squared error to the probe's value.

    Args:
        layer_values: values of the student's probes, K tensors (B, 1), first layer first.
        teacher: the values of the teacher's probes, (B, J, 1).
        labels: (B,) floats, ``UNLABELLED`` where there is none.
        temperature: without effect; a value has no distribution to soften.

    Returns:
        Scalar >= 0, mean over the batch.
    """
    depth = len(layer_values)
    errors = (torch.stack(list(layer_values), dim=1) - _matched(teacher, depth)).square().squeeze(2)
    return (squared_transfer_weights(teacher, labels, depth) * errors).sum(1).mean()


def _matched(teacher: Tensor, student_depth: int) -> Tensor:
    """What the matched teacher layers say, (B, J, C) -> (B, K, C)."""
    layers = torch.tensor(matched_layers(student_depth, teacher.shape[1]), device=teacher.device)
    return teacher[:, layers - 1]


def efficiency_loss(edge_probs: Tensor, op_costs: Tensor, depth_probs: Tensor) -> Tensor:
    """Cost of the sampled student, L_E of equation (5): K / K_max times the cell's SIZE + FLOPs.

    Args:
        edge_probs: the *sampled* op weights of this step, (E, O); rows sum to 1.
        op_costs: normalised SIZE + FLOPs of each op, (O,), see ``ops.cost_vector``.
        depth_probs: sampled weights of the depths 1..K_max, (K_max,); sums to 1.

    Returns:
        Scalar >= 0, differentiable in both probabilities.

    Raises:
        ValueError: if ``op_costs`` does not have one entry per op.
    """
    if op_costs.shape[0] != edge_probs.shape[1]:
        raise ValueError(
            f"op_costs has {op_costs.shape[0]} entries but edge_probs chooses among "
            f"{edge_probs.shape[1]} ops; build it with ops.cost_vector()"
        )
    depths = torch.arange(1, len(depth_probs) + 1, device=depth_probs.device)
    depth_share = (depth_probs * depths).sum() / len(depth_probs)
    return depth_share * (edge_probs @ op_costs).sum()


def total_loss(
    task: Tensor, knowledge: Tensor, efficiency: Tensor, gamma: float, beta: float
) -> Tensor:
    """(1 - gamma) L_CE + gamma L_KD + beta L_E, equation (1); gamma in [0, 1], beta >= 0."""
    return (1 - gamma) * task + gamma * knowledge + beta * efficiency
