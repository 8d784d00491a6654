"""Facts of the convolution over tokens: by hand it gives what torch's own gives, forward and backward."""

import pytest
import torch
from torch.nn import functional

from adabert_nni.model.convolution import MANY_TOKENS, convolve

CASES = [(taps, dilation, length) for taps in (1, 3, 7) for dilation in (1, 2) for length in (1, 9)]


def inputs(taps: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(taps)
    x = torch.randn(2, length, 3, dtype=torch.float64, generator=source, requires_grad=True)
    weight = torch.randn(4, 3, taps, dtype=torch.float64, generator=source, requires_grad=True)
    return x, weight


@pytest.mark.parametrize(("taps", "dilation", "length"), CASES)
@pytest.mark.parametrize("training", [True, False])
def test_it_is_torchs_convolution_with_same_padding(taps, dilation, length, training):
    x, weight = inputs(taps, length)
    same = functional.conv1d(x.mT, weight, padding="same", dilation=dilation).mT
    torch.testing.assert_close(convolve(x, weight, dilation, training=training), same)


@pytest.mark.parametrize(("taps", "dilation", "length"), CASES)
def test_its_gradients_are_those_of_finite_differences(taps, dilation, length):
    def training(*given):
        return convolve(*given, dilation, training=True)

    assert torch.autograd.gradcheck(training, inputs(taps, length))


def test_a_gradient_that_is_no_block_of_memory_is_read_as_it_stands():
    x, weight = inputs(3, 5)
    by_hand, library = (
        torch.autograd.grad(
            convolve(x, weight, 1, training=training)[:, ::2].mT.sum(1).square().sum(), (x, weight)
        )
        for training in (True, False)
    )
    for ours, theirs in zip(by_hand, library, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_a_gradient_nothing_is_kept_for_one():
    x, weight = inputs(3, 5)
    with torch.no_grad():
        assert convolve(x, weight, 1, training=True).grad_fn is None
    kept = convolve(x, weight, 1, training=True).grad_fn
    library = convolve(x, weight, 1, training=False).grad_fn
    assert "TokenConvolution" in type(kept).__name__
    assert "TokenConvolution" not in type(library).__name__


def test_what_is_not_faster_by_hand_is_left_to_the_library():
    x, weight = inputs(3, 5)
    many = x.new_zeros(MANY_TOKENS, 1, 3).requires_grad_()
    assert "TokenConvolution" not in type(convolve(many, weight, 1, training=True).grad_fn).__name__
    with torch.autocast("cpu", torch.bfloat16):
        y = convolve(x.float(), weight.float(), 1, training=True)
    assert y.dtype == torch.bfloat16
    assert "TokenConvolution" not in type(y.grad_fn).__name__
