"""Where products are computed, and in what while a model trains or tells what it knows: float32 or bfloat16.

Weights, optimizers, BatchNorm's statistics, P_alpha, losses and the scores of teachers, searches and students are
float32 either way. It must not know models.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

PRECISIONS = ("float32", "bf16")


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def native_bf16(device: str = "cpu") -> bool:
    """Whether the processor (AMX, AVX-512 BF16) or the GPU multiplies bfloat16 itself, faster than float32.

    Args:
        device: "cpu" or "cuda", which must be there then.

    Returns:
        Whether it does.
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def resolve(precision: str) -> str:
    """What to compute in: as asked for, and for "auto" bf16 where this machine multiplies it itself."""
    if precision != "auto":
        return precision
    return "bf16" if native_bf16(device().type) else "float32"


def computing(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Within it, products on ``device`` are computed in ``precision``, one of ``PRECISIONS``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@contextmanager
def plain_float32() -> Iterator[None]:
    """Convolutions and LSTMs of a GPU in float32 itself, as matrix products are by default, and not in TF32."""
    cudnn = torch.backends.cudnn
    before, cudnn.allow_tf32 = cudnn.allow_tf32, False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before
