"""Wide convolutions: one for all kernels of one shape that read into a node of a folded cell.

Shapes: B batch, L tokens, D channels, S states read, k taps.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from adabert_nni.model.convolution import as_image, as_tokens
from adabert_nni.student.kernels import Kernel


class WideConv(nn.Module):
    """A convolution with SAME padding that reads several states at once."""

    def __init__(self, sources: Sequence[int], target: int, kernel: Kernel) -> None:
        """Take over ``kernel``, whose input channels are those of ``sources`` one after the other."""
        super().__init__()
        self.sources, self.target = tuple(sources), target
        self.reach, self.dilation = kernel.reach, kernel.dilation
        self.weight, self.bias = nn.Parameter(kernel.weight), nn.Parameter(kernel.bias)

    def forward(self, x: Tensor, few: bool) -> Tensor:
        """(B, L, S D) -> (B, L, D); ``few`` takes the way that is faster for few tokens."""
        taps, _, width = self.weight.shape
        if few:
            padded = functional.pad(x, (0, 0, self.reach, self.reach))
            starts = range(0, taps * self.dilation, self.dilation)
            seen = torch.cat([padded[:, start : start + x.shape[1]] for start in starts], -1)
            product = torch.addmm(self.bias, seen.flatten(0, 1), self.weight.flatten(0, 1))
            return product.view(*x.shape[:2], width)
        weight = self.weight.permute(2, 1, 0).unsqueeze(2)
        padding, dilation = (0, self.reach), (1, self.dilation)
        image = as_image(x)
        return as_tokens(
            functional.conv2d(image, weight, self.bias, padding=padding, dilation=dilation)
        )


def wide_convs(
    kernels: dict[tuple[int, int], list[Kernel]], carried: dict[int, Tensor]
) -> Iterable[WideConv]:
    """One convolution for all kernels of one shape into one node.

    Args:
        kernels: of every edge (source, target).
        carried: by node, the share of the cell's output that its own weights carry.

    Yields:
        The convolutions.
    """
    one = torch.ones(())
    groups: dict[tuple[int, int, int], list[tuple[int, Kernel]]] = defaultdict(list)
    for (source, target), found in sorted(kernels.items(), key=lambda item: item[0]):
        for kernel in found:
            groups[target, len(kernel.weight), kernel.dilation].append((source, kernel))
    for (target, _, dilation), members in groups.items():
        scale = carried.get(target, one)
        weight = torch.cat([k.weight * (scale / carried.get(s, one)) for s, k in members], 1)
        bias = sum((kernel.bias for _, kernel in members), torch.zeros(())) * scale
        yield WideConv([source for source, _ in members], target, Kernel(weight, bias, dilation))
