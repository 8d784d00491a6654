"""Hand values and gradient signs of equations (1), (3), (4) and (5)."""

import math

import pytest
import torch

from adabert_nni.losses import (
    UNLABELLED,
    efficiency_loss,
    knowledge_loss,
    matched_layers,
    squared_knowledge_loss,
    squared_task_loss,
    squared_transfer_weights,
    task_loss,
    total_loss,
    transfer_weights,
)


def test_last_student_layer_learns_from_last_teacher_layer():
    assert matched_layers(3, 12) == [4, 8, 12]
    assert matched_layers(4, 6) == [2, 3, 5, 6]  # ceil of 1.5, 3, 4.5, 6
    assert matched_layers(8, 6)[-1] == 6


def test_knowledge_loss_of_one_layer_is_the_soft_cross_entropy():
    teacher = torch.tensor([[[0.75, 0.25]]])
    logits = torch.tensor([[2.0, 0.0]])
    # log softmax((2, 0) / 2) = (1, 0) - log(e + 1)
    hand = math.log(math.e + 1) - 0.75
    assert knowledge_loss(
        [logits], teacher, torch.tensor([0]), temperature=2.0
    ).item() == pytest.approx(hand)


def test_transfer_weights_are_the_share_of_right_probability():
    teacher = torch.tensor(
        [[[0.2, 0.8], [0.6, 0.4]]]
    )  # two layers; the label is 1: 0.8 against 0.4
    weights = transfer_weights(teacher, torch.tensor([1]), 2)
    assert weights[0].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_rows_without_label_weigh_all_layers_alike():
    teacher = torch.tensor([[[0.2, 0.8], [0.6, 0.4]]])
    assert transfer_weights(teacher, torch.tensor([UNLABELLED]), 2)[0].tolist() == [0.5, 0.5]


def test_knowledge_loss_of_two_layers_and_two_rows_by_hand():
    teacher = torch.tensor([[[0.2, 0.8], [0.6, 0.4]], [[1.0, 0.0], [0.5, 0.5]]])
    flat = torch.zeros(2, 2)  # log softmax is -log 2 everywhere, so each layer's term is log 2
    sure = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])  # row 2: probabilities 3/4, 1/4
    labels = torch.tensor([1, 0])
    # row 1: log 2. row 2: weights 1 / 1.5 and 0.5 / 1.5; layer 1 log 2; layer 2 -(log 3/4 + log 1/4) / 2
    second = 2 / 3 * math.log(2) + 1 / 3 * -(math.log(0.75) + math.log(0.25)) / 2
    hand = (math.log(2) + second) / 2
    assert knowledge_loss([flat, sure], teacher, labels).item() == pytest.approx(hand)


def test_knowledge_loss_pulls_the_student_towards_its_teacher():
    logits = torch.zeros(1, 2, requires_grad=True)
    knowledge_loss([logits], torch.tensor([[[0.9, 0.1]]]), torch.tensor([0])).backward()
    assert logits.grad[0].tolist() == pytest.approx([0.5 - 0.9, 0.5 - 0.1])  # softmax minus teacher


def test_task_loss_ignores_unlabelled_rows_and_is_zero_without_labels():
    logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    assert task_loss(logits, torch.tensor([0, UNLABELLED])).item() == pytest.approx(math.log(2))
    assert task_loss(logits, torch.tensor([UNLABELLED, UNLABELLED])).item() == 0.0


def test_efficiency_loss_by_hand():
    edges = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    depth = torch.tensor([0.0, 1.0, 0.0, 0.0])
    # K / K_max = 2 / 4; costs 0.1 + 1.0
    assert efficiency_loss(edges, torch.tensor([0.1, 1.0]), depth).item() == pytest.approx(0.55)


def test_efficiency_loss_pushes_the_dear_op_and_the_deep_student_down():
    alpha, depth = torch.zeros(1, 2, requires_grad=True), torch.zeros(3, requires_grad=True)
    efficiency_loss(alpha.softmax(-1), torch.tensor([0.1, 1.0]), depth.softmax(-1)).backward()
    assert alpha.grad[0, 0] < 0 < alpha.grad[0, 1]  # descent moves weight to the cheap op
    assert depth.grad[0] < 0 < depth.grad[2]  # and to the shallow student


def test_efficiency_loss_refuses_costs_of_another_table():
    with pytest.raises(ValueError, match="3 entries"):
        efficiency_loss(torch.ones(1, 2), torch.ones(3), torch.ones(1))


def test_total_loss_is_equation_one():
    one, two, three = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)
    assert total_loss(one, two, three, gamma=0.8, beta=4.0).item() == pytest.approx(
        0.2 + 1.6 + 12.0
    )


def test_the_squared_task_loss_is_the_mean_over_labelled_rows_and_zero_without_labels():
    values = torch.tensor([[1.0], [4.0], [7.0]])
    some = torch.tensor([2.0, 2.0, UNLABELLED])
    assert squared_task_loss(values, some).item() == (1 + 4) / 2
    assert squared_task_loss(values, torch.full((3,), float(UNLABELLED))).item() == 0.0


def test_a_layer_whose_value_is_right_weighs_more_and_no_label_weighs_all_alike():
    teacher = torch.tensor([[[1.0], [2.0]], [[1.0], [2.0]]])
    weights = squared_transfer_weights(teacher, torch.tensor([2.0, UNLABELLED]), 2)
    e = math.exp(-1.0)  # squared errors 1 and 0
    assert weights[0].tolist() == pytest.approx([e / (1 + e), 1 / (1 + e)])
    assert weights[1].tolist() == [0.5, 0.5]


def test_the_squared_knowledge_loss_of_two_layers_by_hand():
    teacher = torch.tensor([[[1.0], [2.0]]])
    first, last = torch.tensor([[4.0]]), torch.tensor([[2.5]])
    e = math.exp(-1.0)
    hand = (e * (4 - 1) ** 2 + (2.5 - 2) ** 2) / (1 + e)
    found = squared_knowledge_loss([first, last], teacher, torch.tensor([2.0]))
    assert found.item() == pytest.approx(hand)


def test_the_squared_knowledge_loss_pulls_the_student_towards_its_teacher():
    value = torch.zeros(1, 1, requires_grad=True)
    squared_knowledge_loss([value], torch.tensor([[[0.7]]]), torch.tensor([0.5])).backward()
    assert value.grad.item() == pytest.approx(-1.4)  # 2 (0 - 0.7)
