"""A convolution over tokens whose backward is one gather and two matrix products, where that is faster.

oneDNN lays out weights and gradients anew at every backward call, which for short texts takes as long as the sums
themselves; two matrix products over the neighbours of the incoming gradient give the same, since input and weights
meet the same neighbours. Forward, and elsewhere than on a CPU, the library's convolution is used.
Shapes: B batch, L tokens, D channels, k taps.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

MANY_TOKENS = 5000  # from here on oneDNN's own backward is as fast


def as_image(x: Tensor) -> Tensor:
    """(B, L, D) -> (B, D, 1, L), a view.

    A height-1 image with these strides is what oneDNN and cuDNN call channels-last: convolutions and
    pools of two dimensions read and write it without the transposition that those of one would make.
    Written so that onnxruntime sees it too and transposes nothing.
    """
    return x.unsqueeze(1).permute(0, 3, 1, 2)


def as_tokens(image: Tensor) -> Tensor:
    """(B, D, 1, L) -> (B, L, D), a view: the inverse of ``as_image``."""
    return image.permute(0, 2, 3, 1).squeeze(1)


def convolve(x: Tensor, weight: Tensor, dilation: int, *, training: bool) -> Tensor:
    """Convolution with SAME padding: y_l = sum_t W_t x_(l + t dilation - reach).

    Args:
        x: zero at padding, (B, L, D_in).
        weight: (D_out, D_in, k), k odd.
        dilation: tokens from tap to tap.
        training: whether a gradient is to come; without, nothing is kept for it.

    Returns:
        (B, L, D_out).
    """
    if training and torch.is_grad_enabled() and _faster_by_hand(x):
        return _TokenConvolution.apply(x, weight, dilation)
    return _convolve(x, weight, dilation)


def _faster_by_hand(x: Tensor) -> bool:
    """Measured in float32 on two cores with AVX2."""
    is_small = x.shape[0] * x.shape[1] < MANY_TOKENS
    return x.device.type == "cpu" and is_small and not torch.is_autocast_enabled("cpu")


def _convolve(x: Tensor, weight: Tensor, dilation: int) -> Tensor:
    reach = (weight.shape[2] - 1) // 2 * dilation
    image, kernel = as_image(x), weight.unsqueeze(2)
    return as_tokens(functional.conv2d(image, kernel, padding=(0, reach), dilation=(1, dilation)))


class _TokenConvolution(torch.autograd.Function):
    """``_convolve`` with its gradients to x and to the weight."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _convolve(x, weight, dilation)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        wide, narrow, taps = weight.shape
        reach, length = (taps - 1) // 2 * ctx.dilation, x.shape[1]
        padded = functional.pad(grad, (0, 0, reach, reach))
        # Tap t of token m went into the output at m + reach - t dilation.
        starts = [2 * reach - tap * ctx.dilation for tap in range(taps)]
        seen = torch.cat([padded[:, start : start + length] for start in starts], -1).flatten(0, 1)
        to_x = seen @ weight.permute(2, 0, 1).reshape(taps * wide, narrow)
        to_weight = x.flatten(0, 1).t() @ seen  # (D_in, k D_out)
        return (
            to_x.view_as(x),
            to_weight.view(narrow, taps, wide).permute(2, 0, 1),
            None,
        )
