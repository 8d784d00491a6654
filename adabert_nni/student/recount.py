"""BatchNorm's running statistics of one path of a supernet, taken anew; no weight moves."""

from collections.abc import Iterable

import torch
from torch import nn

from adabert_nni.data.batches import Batch


@torch.no_grad()
def recount(student: nn.Module, batches: Iterable[Batch]) -> None:
    """Take the statistics from these rows, in place.

    The supernet's are of all paths that led into an op; what a convolution gets on one path is something else.

    Args:
        student: in eval mode, and left so.
        batches: rows, at least one batch; what is kept is the mean over batches.
    """
    norms = [module for module in student.modules() if isinstance(module, nn.BatchNorm1d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean
        norm.train()
    for batch in batches:
        student(batch["input_ids"], batch["attention_mask"])
    for norm in norms:
        norm.eval()
