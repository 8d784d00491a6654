"""ONE table of the cell's candidate ops: how each is built and what it costs.

Adding an op is one entry in ``OPS`` (and one row in the receptive-field test).
Shapes: B batch, L tokens, D channels. Every op maps ``(x (B, L, D), mask (B, L, 1))`` to (B, L, D); x is
zero where mask is 0, and what an op writes there is wiped by the cell. A mask of None says that every
token is real: then nothing is spent on padding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .architecture import ArchitectureError
from .convolution import as_image, as_tokens, convolve

# The 12 encoder layers of BERT-base (768 wide, 3072 in the feed-forward part): the yardstick of op costs.
BERT_ENCODER_WEIGHTS = 12 * (4 * 768 * 768 + 2 * 768 * 3072)
COST_SCALE = 1 / 8  # what beta = 1 counts a whole encoder for; see ``cost_vector``


def lowest(x: Tensor) -> float:
    """The least number of a tensor's type: below every score, and no infinity."""
    return torch.finfo(x.dtype).min


class TokenBatchNorm(nn.BatchNorm1d):
    """BatchNorm whose statistics are taken over real tokens only, so that padding never enters them."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        """Normalise (B, L, D) per channel; in training, rows where mask (B, L, 1) is 0 become zero."""
        rows = x.reshape(-1, x.shape[-1])
        if mask is None or not self.training:
            return super().forward(rows).view_as(x)
        real = mask.flatten().nonzero().flatten()
        normed = super().forward(rows.index_select(0, real))
        return torch.zeros_like(rows, dtype=normed.dtype).index_copy(0, real, normed).view_as(x)


class ConvBlock(nn.Module):
    """ReLU - Conv1d - BatchNorm with SAME padding; ``dilation`` 2 makes it a real atrous convolution."""

    def __init__(self, dim: int, kernel: int, dilation: int = 1) -> None:
        """Build a block of ``kernel`` (odd) taps that keeps ``dim`` channels."""
        super().__init__()
        reach = (kernel - 1) // 2 * dilation
        # No bias: BatchNorm would subtract it again.
        self.conv = nn.Conv1d(dim, dim, kernel, padding=reach, dilation=dilation, bias=False)
        self.dilation = dilation
        self.norm = TokenBatchNorm(dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D), (B, L, 1) -> (B, L, D)."""
        weight, active = self.conv.weight, functional.relu(x)
        y = convolve(active, weight, self.dilation, training=self.training)
        return self.norm(y, mask)


class AvgPool(nn.Module):
    """Mean of a window of 3 over the real tokens in it."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D), (B, L, 1) -> (B, L, D)."""
        mean = self._mean(x)  # counts padding as zeros
        return mean if mask is None else mean / self._mean(mask).clamp_min(1 / 3)

    @staticmethod
    def _mean(x: Tensor) -> Tensor:
        image = as_image(x)
        return as_tokens(functional.avg_pool2d(image, (1, 3), 1, (0, 1), count_include_pad=False))


class MaxPool(nn.Module):
    """Maximum of a window of 3 over the real tokens in it."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D), (B, L, 1) -> (B, L, D)."""
        real = x if mask is None else x.masked_fill(mask == 0, lowest(x))
        highest = as_tokens(functional.max_pool2d(as_image(real), (1, 3), 1, (0, 1)))
        return highest if mask is None else highest * mask


class Skip(nn.Module):
    """Identity."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        return x


class Zero(nn.Module):
    """Discards its input."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) -> zeros (B, L, D)."""
        return torch.zeros_like(x)


@dataclass(frozen=True)
class Op:
    """A candidate op.

    Attributes:
        build: dim -> module.
        size: dim -> trainable parameters.
        flops: dim -> multiply-accumulates per token.
    """

    build: Callable[[int], nn.Module]
    size: Callable[[int], int]
    flops: Callable[[int], int]


def _conv(kernel: int, dilation: int) -> Op:
    return Op(
        build=lambda dim: ConvBlock(dim, kernel, dilation),
        size=lambda dim: kernel * dim * dim + 2 * dim,  # taps, and BatchNorm's scale and shift
        flops=lambda dim: kernel * dim * dim + dim,
    )


OPS: dict[str, Op] = {
    "std_conv_3": _conv(3, 1),
    "std_conv_5": _conv(5, 1),
    "std_conv_7": _conv(7, 1),
    "dil_conv_3": _conv(3, 2),
    "dil_conv_5": _conv(5, 2),
    "dil_conv_7": _conv(7, 2),
    "avg_pool_3": Op(lambda dim: AvgPool(), lambda dim: 0, lambda dim: 3 * dim),
    "max_pool_3": Op(lambda dim: MaxPool(), lambda dim: 0, lambda dim: 2 * dim),
    "skip_connect": Op(lambda dim: Skip(), lambda dim: 0, lambda dim: 0),
    "zero": Op(lambda dim: Zero(), lambda dim: 0, lambda dim: 0),
}


def check_ops(names: Iterable[str], where: str) -> None:
    """Refuse names that are not in ``OPS``.

    Args:
        names: the ops to check.
        where: what to call their source in the error.

    Raises:
        ArchitectureError: naming the first unknown op, the known ones, and where to add one.
    """
    for name in names:
        if name not in OPS:
            raise ArchitectureError(
                f"{where}: unknown op {name!r}; known: {', '.join(OPS)} (add it to adabert_nni/model/ops.py)"
            )


def cost_vector(names: Iterable[str], dim: int) -> Tensor:
    """SIZE + FLOPs of each op, as shares of BERT-base's whole encoder times ``COST_SCALE``; equation (5).

    The paper gives no normalisation, and it is what gives beta its meaning. In these units a cell of nine
    convolutions of 5 taps (D = 128), three times stacked, has L_E = 0.0008, so that beta = 4 weighs it as
    0.0033 of loss: enough to decide between ops or depths of like use, not enough to empty the cell.

    Args:
        names: ops, in the order of the search space.
        dim: channels D.

    Returns:
        Tensor (O,), 0 for an op that neither stores nor computes anything; with D = 128 a
        convolution of 7 taps costs 0.00034.
    """
    weights = [OPS[name].size(dim) + OPS[name].flops(dim) for name in names]
    return torch.tensor(weights, dtype=torch.float32) * (COST_SCALE / BERT_ENCODER_WEIGHTS)
