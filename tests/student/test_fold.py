"""The folded student is the same function in fewer steps: equal logits for every op, layout and depth."""

import copy
from dataclasses import replace

import pytest
import torch

from adabert_nni.model.architecture import edge_names
from adabert_nni.model.ops import OPS, ConvBlock
from adabert_nni.model.pairs import LAYOUTS
from adabert_nni.student.fold import fold

WAYS = {"convolution": 0, "product": 10**6}  # value of few_tokens -> the way that is taken
PAIRS = [(False, "joint"), *((True, layout) for layout in LAYOUTS)]


def both(student, ids, mask=None, few_tokens=0):
    folded = fold(student)
    folded.few_tokens = few_tokens
    with torch.inference_mode():
        return student(ids, mask).logits, folded(ids, mask)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("pair", "layout"), PAIRS)
@pytest.mark.parametrize("seed", range(6))
def test_a_folded_student_gives_the_logits_of_the_student(
    made_student, made_inputs, seed, pair, layout, way
):
    student = made_student(seed, pair=pair, layout=layout)
    ids, mask = made_inputs(cut=5 if pair else None)
    plain, folded = both(student, ids, mask, WAYS[way])
    assert torch.allclose(plain, folded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("op", ["std_conv_7", "dil_conv_5", "max_pool_3", "skip_connect", "zero"])
def test_a_cell_of_one_op_folds_at_any_depth(made_student, made_inputs, op):
    for depth in (1, 2, 8):
        student = made_student(edges=dict.fromkeys(edge_names(3), op), depth=depth)
        plain, folded = both(student, *made_inputs())
        assert torch.allclose(plain, folded, rtol=0, atol=1e-5)


def test_a_convolution_out_of_an_empty_node_keeps_its_constant(made_student, made_inputs):
    edges = dict.fromkeys(edge_names(3), "zero") | {"2_3": "std_conv_3", "3_4": "avg_pool_3"}
    plain, folded = both(made_student(edges=edges, depth=2), *made_inputs())
    assert torch.allclose(plain, folded, rtol=0, atol=1e-5)


def test_an_op_that_is_built_on_a_convolution_is_not_taken_for_one(
    made_student, made_inputs, monkeypatch
):
    class Residual(ConvBlock):
        def forward(self, x, mask):
            return x + super().forward(x, mask)

    own = replace(OPS["std_conv_3"], build=lambda dim: Residual(dim, 3))
    monkeypatch.setitem(OPS, "residual_3", own)
    student = made_student(edges=dict.fromkeys(edge_names(3), "residual_3"), depth=2)
    plain, folded = both(student, *made_inputs())
    assert torch.allclose(plain, folded, rtol=0, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_more_padding_changes_nothing(made_student, made_inputs, way):
    folded = fold(made_student(seed=3))
    folded.few_tokens = WAYS[way]
    ids, mask = made_inputs()
    wider = [torch.nn.functional.pad(one, (0, 9)) for one in (ids, mask)]
    with torch.inference_mode():
        assert torch.allclose(folded(ids, mask), folded(*wider), rtol=0, atol=1e-5)


def test_without_a_mask_every_token_is_real(made_student, made_inputs):
    ids, mask = made_inputs()
    folded = fold(made_student(seed=1))
    assert torch.equal(folded(ids), folded(ids, torch.ones_like(mask)))


def test_what_is_longer_than_the_positions_is_cut(made_student, made_inputs):
    ids, _ = made_inputs(rows=2, length=45)  # there are 40 positions
    folded = fold(made_student(seed=1))
    assert torch.equal(folded(ids), folded(ids[:, :40]))


def test_the_convolutions_into_a_node_become_one(made_student):
    student = made_student(edges=dict.fromkeys(edge_names(3), "std_conv_3"), depth=2, dim=12)
    # (taps, channels in, channels out): a node of the second cell reads 2, 3, 4 states of 12
    # channels; in the first cell both inputs are the same text, which leaves 1, 2, 3.
    shapes = [[tuple(conv.weight.shape) for conv in cell.wide] for cell in fold(student).cells]
    assert shapes[0] == [(3, 12, 12), (3, 24, 12), (3, 36, 12)]
    assert shapes[1] == [(3, 24, 12), (3, 36, 12), (3, 48, 12)]


@pytest.mark.parametrize(
    ("ops", "taps"),
    [
        (("std_conv_3", "std_conv_5"), {5}),  # 5 taps hold all of them
        (("std_conv_3", "dil_conv_3"), {5}),  # offsets -2 .. 2, of 3 + 3
        (("dil_conv_3", "dil_conv_5"), {5}),  # offsets -4, -2 .. 4
        (("std_conv_5", "dil_conv_7"), {5, 7}),  # 13 taps from -6 to 6 are more than 5 + 7
    ],
)
def test_convolutions_of_one_text_merge_where_that_adds_no_taps(
    made_student, made_inputs, ops, taps
):
    edges = dict.fromkeys(edge_names(3), "zero") | dict(zip(("0_2", "1_2"), ops, strict=True))
    student = made_student(edges=edges, depth=1)
    assert {len(conv.weight) for conv in fold(student).cells[0].wide} == taps
    plain, folded = both(student, *made_inputs())
    assert torch.allclose(plain, folded, rtol=0, atol=1e-5)


def test_the_student_is_left_as_it_was(made_student, made_inputs):
    student = made_student(seed=2)
    student.train()
    before = copy.deepcopy(student.state_dict())
    folded = fold(student)
    for parameter in folded.parameters():
        parameter.fill_(0.0)
    assert student.training and all(module.training for module in student.modules())
    for name, value in student.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_nothing_in_a_folded_student_is_trained(made_student):
    folded = fold(made_student(seed=2))
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not any(module.training for module in folded.modules())


def test_a_channel_that_hardly_varies_folds_with_the_norms_own_epsilon(made_student, made_inputs):
    student = made_student(edges=dict.fromkeys(edge_names(3), "std_conv_3"), depth=1)
    for module in student.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_var.fill_(module.eps)
    plain, folded = both(student, *made_inputs())
    assert torch.allclose(plain, folded, rtol=1e-4, atol=1e-4)
