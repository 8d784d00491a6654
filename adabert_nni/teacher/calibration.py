"""How sure a probe may be: temperatures by which its answers fit rows that it has not seen.

It must not know probes or teachers. Shapes: R rows, J layers, C classes.
"""

import math

import torch
from torch import Tensor

from adabert_nni.problems import Problem

HOTTEST, TRIED = 20.0, 121  # 2.5 % from one to the next


def temperatures(outputs: Tensor, labels: Tensor, problem: Problem) -> Tensor:
    """Temperature scaling (arXiv:1706.04599) of each layer: the T of least cost for ``outputs / T``.

    A teacher fits its own training rows too well: the table would call nearly all of them certain, and tell a
    student little more than the labels. T is never below 1, so that no answer is made surer.

    Args:
        outputs: of probes, (R, J, C), on rows that neither they nor the teacher were trained on; R > 0.
        labels: of these rows, (R,).
        problem: the kind of problem, whose ``probe_costs`` are averaged.

    Returns:
        (J,), each in [1, 20]; ones where the problem knows none.
    """
    if not problem.tempered:
        return torch.ones(outputs.shape[1])
    tried = torch.logspace(0, math.log10(HOTTEST), TRIED)
    costs = torch.stack([problem.probe_costs(outputs / t, labels).mean(dim=0) for t in tried])
    return tried[costs.argmin(dim=0)]
