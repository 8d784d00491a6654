"""Counts what a model is and does: parameters, floating-point operations, and the share of a peak that they reach.

It must not know clocks, tasks or files. Shapes: B batch, L tokens.
"""

import warnings
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from adabert_nni.benchmark.timing import device_of, random_ids, settled


def count_params(model: nn.Module) -> int:
    """Number of parameters, embeddings included; a shared one counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def flops(
    model: nn.Module,
    batch: int,
    length: int,
    vocab_size: int | None = None,
    sep_token_id: int | None = None,
) -> float:
    """GFLOP of a forward pass over (B, L): matrix products and convolutions, 2 per multiply-add.

    Args:
        model: takes ``input_ids`` and ``attention_mask``.
        batch: rows B, >= 1.
        length: tokens L, >= 1.
        vocab_size: ids lie below; None asks the model's config, and for its separator.
        sep_token_id: as in ``measure``.

    Returns:
        GFLOP, > 0.
    """
    if vocab_size is None:
        vocab_size, sep_token_id = setting(model, "vocab_size"), setting(model, "sep_token_id")
    ids = random_ids(batch, length, vocab_size, sep_token_id).to(device_of(model))
    # The counter has no formula for fused attention and a fused LSTM; as products it has.
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(settled([model]))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        counter = stack.enter_context(FlopCounterMode(display=False))
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return float(counter.get_total_flops()) / 1e9


def share_of_peak(gflop: float, ms: float, peak: float) -> float:
    """Share of ``peak`` (GFLOP per second) that doing ``gflop`` in ``ms`` uses; 0 to about 1."""
    return gflop / (ms / 1000) / peak


def setting(model: nn.Module, key: str, default: int | None = None) -> Any:
    """A value of the model's config; ``default`` where there is none, or none is set."""
    value = getattr(getattr(model, "config", None), key, None)
    return default if value is None else value
