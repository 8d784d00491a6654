"""Facts of the op table: receptive fields, costs that match the modules, padding."""

import pytest
import torch

from adabert_nni.model.architecture import KEEPS_ZERO, ArchitectureError
from adabert_nni.model.ops import BERT_ENCODER_WEIGHTS, OPS, check_ops, cost_vector

REACH = {
    "std_conv_3": 1,
    "std_conv_5": 2,
    "std_conv_7": 3,
    "dil_conv_3": 2,  # (3 - 1) / 2 taps to each side, every second token
    "dil_conv_5": 4,
    "dil_conv_7": 6,
    "avg_pool_3": 1,
    "max_pool_3": 1,
    "skip_connect": 0,
}


def test_every_op_but_zero_has_a_row_here():
    assert set(REACH) == set(OPS) - {"zero"}


@pytest.mark.parametrize(("name", "reach"), REACH.items())
def test_op_sees_exactly_its_receptive_field(name, reach):
    op = OPS[name].build(4).eval()
    seen = set()
    for peak in range(31):  # max pooling only sees the largest value: let each position be it once
        x = torch.rand(1, 31, 4) + 0.1  # positive, so no ReLU hides a path
        x[0, peak] += 1.0
        x.requires_grad_()
        op(x, torch.ones(1, 31, 1))[0, 15].sum().backward()
        seen |= set(x.grad[0].abs().sum(-1).nonzero().flatten().tolist())
    assert (min(seen), max(seen)) == (15 - reach, 15 + reach)


@pytest.mark.parametrize(
    ("name", "taps"), [("dil_conv_5", [11, 13, 15, 17, 19]), ("std_conv_3", [14, 15, 16])]
)
def test_convolution_reads_every_tap_and_dilation_skips_between(name, taps):
    op = OPS[name].build(4).eval()
    x = (torch.rand(1, 31, 4) + 0.1).requires_grad_()
    op(x, torch.ones(1, 31, 1))[0, 15].sum().backward()
    assert x.grad[0].abs().sum(-1).nonzero().flatten().tolist() == taps


def test_convolution_block_is_relu_conv_batchnorm():
    block = OPS["dil_conv_3"].build(4).eval()
    x = torch.randn(2, 9, 4)
    plain = torch.nn.Conv1d(4, 4, 3, padding=2, dilation=2, bias=False)
    plain.weight = block.conv.weight
    expected = (
        plain(torch.relu(x).transpose(1, 2)).transpose(1, 2) / (1 + 1e-5) ** 0.5
    )  # untouched statistics
    assert torch.allclose(block(x, torch.ones(2, 9, 1)), expected, atol=1e-6)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("training", [False, True])
def test_padding_never_reaches_a_real_token(name, training):
    torch.manual_seed(0)
    op = OPS[name].build(4)
    op.train(training)
    x, mask = torch.randn(3, 12, 4), torch.ones(3, 12, 1)
    mask[0, 5:], mask[1, 8:] = 0, 0
    more = torch.nn.functional.pad(mask, (0, 0, 0, 7))
    wide = op(torch.nn.functional.pad(x * mask, (0, 0, 0, 7)), more)[:, :12]
    assert torch.allclose(op(x * mask, mask) * mask, wide * mask, atol=1e-5)


def test_batchnorm_statistics_are_those_of_the_real_tokens():
    block = OPS["std_conv_3"].build(4).train()
    block.norm.momentum = 1.0
    mask = torch.ones(2, 6, 1)
    mask[1, 2:] = 0
    x = torch.randn(2, 6, 4) * mask
    block(x, mask)
    image = torch.nn.functional.conv1d(
        torch.relu(x).transpose(1, 2), block.conv.weight, padding=1
    ).transpose(1, 2)
    y = image[mask[..., 0] == 1]
    assert torch.allclose(block.norm.running_mean, y.mean(0), atol=1e-6)
    assert torch.allclose(block.norm.running_var, y.var(0), atol=1e-6)


@pytest.mark.parametrize("name", OPS)
def test_size_is_the_number_of_parameters_of_the_module(name):
    built = OPS[name].build(16)
    assert OPS[name].size(16) == sum(p.numel() for p in built.parameters())


def test_average_at_a_border_divides_by_the_tokens_there():
    x = torch.tensor([[[3.0], [5.0], [0.0]]])
    mask = torch.tensor([[[1.0], [1.0], [0.0]]])
    pooled = OPS["avg_pool_3"].build(1)(x, mask)
    assert pooled[0, :2, 0].tolist() == [4.0, 4.0]  # (3 + 5) / 2 at both


def test_maximum_does_not_take_the_zero_of_the_padding():
    x = torch.tensor([[[-3.0], [-5.0], [0.0]]])
    mask = torch.tensor([[[1.0], [1.0], [0.0]]])
    assert OPS["max_pool_3"].build(1)(x, mask)[0, :, 0].tolist() == [-3.0, -3.0, 0.0]


@pytest.mark.parametrize("name", sorted(KEEPS_ZERO))
def test_ops_that_keep_zero_do(name):
    zeros = torch.zeros(1, 5, 4)
    assert not OPS[name].build(4)(zeros, torch.ones(1, 5, 1)).any()


def test_cost_is_the_scaled_share_of_berts_encoder():
    # 7 taps at D = 128: 7 * 128^2 + 2 * 128 weights and 7 * 128^2 + 128 multiply-accumulates
    hand = (2 * 7 * 128 * 128 + 3 * 128) / BERT_ENCODER_WEIGHTS / 8
    assert cost_vector(["std_conv_7", "zero"], 128).tolist() == pytest.approx([hand, 0.0])


def test_an_unknown_op_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match=r"unknown op 'conv9'; known: std_conv_3"):
        check_ops(["std_conv_3", "conv9"], "space.yml")
