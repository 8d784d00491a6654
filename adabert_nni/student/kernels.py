"""Algebra of convolutions that read zeros outside of the text: one with its BatchNorm, the sum of two, a cell's.

Shapes: k taps, D channels.
"""

import math
from collections import defaultdict
from typing import NamedTuple

from torch import Tensor, nn

from adabert_nni.model.cell import Cell
from adabert_nni.model.ops import ConvBlock


class Kernel(NamedTuple):
    """A centred convolution: weight (k, D_in, D_out), bias (D_out,), tokens from tap to tap."""

    weight: Tensor
    bias: Tensor
    dilation: int

    @property
    def reach(self) -> int:
        """Tokens that the outermost tap is away from the middle."""
        return (len(self.weight) - 1) // 2 * self.dilation


def without_norm(block: ConvBlock) -> Kernel:
    """The convolution that gives what convolution and BatchNorm give in inference."""
    norm = block.norm
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias.detach() - norm.running_mean * scale
    # (D_out, D_in, k) -> (k, D_in, D_out), the order of a matrix product's right side
    return Kernel(block.conv.weight.detach().permute(2, 1, 0) * scale, shift, block.dilation)


def added(one: Kernel, other: Kernel) -> Kernel | None:
    """The kernel that gives the sum of both; None if it would have more taps than both together."""
    dilation, reach = math.gcd(one.dilation, other.dilation), max(one.reach, other.reach)
    taps = 2 * reach // dilation + 1
    if taps > len(one.weight) + len(other.weight):
        return None
    weight = one.weight.new_zeros(taps, *one.weight.shape[1:])
    for kernel in (one, other):
        at = [
            (reach + kernel.dilation * tap - kernel.reach) // dilation
            for tap in range(len(kernel.weight))
        ]
        weight[at] += kernel.weight
    return Kernel(weight, one.bias + other.bias, dilation)


def cell_edges(
    cell: Cell, same_inputs: bool
) -> tuple[dict[tuple[int, int], list[Kernel]], list[tuple[int, int, nn.Module]]]:
    """Sort the edges of a cell into convolutions and others.

    Args:
        cell: any cell.
        same_inputs: whether its two input states are one tensor, so that edges from both can be added.

    Returns:
        Convolutions by (source, target), BatchNorm folded in, several where they cannot be added; and the other
        edges as (source, target, op).
    """
    kernels: dict[tuple[int, int], list[Kernel]] = defaultdict(list)
    plain = list[tuple[int, int, nn.Module]]()
    for name, op in cell.edges.items():
        source, target = map(int, name.split("_"))
        source = 0 if same_inputs and source == 1 else source
        if type(op) is not ConvBlock:  # a subclass may compute something else
            plain.append((source, target, op))
            continue
        kernel, found = without_norm(op), kernels[source, target]
        merged = added(found[-1], kernel) if found else None
        found[len(found) - (merged is not None) :] = [merged or kernel]
    return kernels, plain
