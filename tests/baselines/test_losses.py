"""Each baseline's loss has the value worked out by hand, and is least where student and teacher agree."""

import math

import pytest
from torch import tensor

from adabert_nni.baselines import losses
from adabert_nni.baselines.losses import View

LN2, LN3 = math.log(2), math.log(3)
MASK = tensor([[1, 1]])
SURE, EVEN = tensor([[LN3, 0.0]]), tensor([[0.0, 0.0]])  # softmax (3/4, 1/4) and (1/2, 1/2)
LABEL = tensor([0])
# KL((3/4, 1/4) || (1/2, 1/2)) = 3/4 ln(3/2) + 1/4 ln(1/2) = 3/4 ln 3 - ln 2
DIVERGENCE = 0.75 * LN3 - LN2


def states(*layers):
    """Layers of one row of two tokens, given as lists of two vectors."""
    return tuple(tensor([layer]) for layer in layers)


def test_soft_loss_is_the_divergence_and_scales_with_the_square_of_the_temperature():
    assert losses.soft_loss(EVEN, SURE).item() == pytest.approx(DIVERGENCE)
    # At T = 2 the same probabilities come from doubled logits; T^2 = 4.
    assert losses.soft_loss(EVEN, 2 * SURE, 2.0).item() == pytest.approx(4 * DIVERGENCE)
    assert losses.soft_loss(SURE, SURE, 5.0).item() == pytest.approx(0.0, abs=1e-5)


def test_pkd_adds_hard_soft_and_patient_loss():
    # Two student layers, four teacher layers: student layer 1 is matched with teacher layer 2. [CLS] states
    # (3, 4) and (0, 2) are (0.6, 0.8) and (0, 1) once normalised: squared differences 0.36 and 0.04, mean 0.2.
    student = View(EVEN, MASK, states([[9.0, 9.0]] * 2, [[3.0, 4.0], [7.0, 7.0]], [[5.0, 5.0]] * 2))
    teacher = View(
        5 * SURE, MASK, states(*[[[1.0, 1.0]] * 2] * 2, [[0.0, 2.0]] * 2, *[[[1.0, 0.0]] * 2] * 2)
    )
    # Cross-entropy of (1/2, 1/2) is ln 2; T = 5 brings the teacher to (3/4, 1/4), and T^2 = 25.
    expected = 0.5 * LN2 + 0.5 * 25 * DIVERGENCE + 100 * 0.2
    assert losses.pkd_loss(student, teacher, LABEL).item() == pytest.approx(expected, rel=1e-5)


def test_the_patience_leaves_the_last_layer_and_the_scale_of_a_state_out():
    same = [[[1.0, 2.0]] * 2] * 2
    student = View(EVEN, MASK, states(*same, [[5.0, 0.0]] * 2))
    teacher = View(EVEN, MASK, states(same[0], [[10.0, 20.0]] * 2, [[0.0, 7.0]] * 2))
    assert losses.pkd_loss(student, teacher, LABEL).item() == pytest.approx(0.5 * LN2)


def test_pkd_of_a_single_layer_has_no_patience():
    view = View(EVEN, MASK, states([[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2))
    assert losses.pkd_loss(view, view, LABEL).item() == pytest.approx(0.5 * LN2)


def test_distilbert_adds_soft_hard_and_cosine_loss_of_real_tokens():
    # Token 1: (1, 0) beside (0, 3), cosine 0, loss 1; token 2: parallel, loss 0; the padding's would be 2.
    student = View(EVEN, tensor([[1, 1, 0]]), states([[1.0, 0.0], [2.0, 0.0], [1.0, 0.0]]))
    teacher = View(2 * SURE, tensor([[1, 1, 0]]), states([[0.0, 3.0], [5.0, 0.0], [-1.0, 0.0]]))
    expected = 5 * 4 * DIVERGENCE + 2 * LN2 + 1 * 0.5
    assert losses.distilbert_loss(student, teacher, LABEL).item() == pytest.approx(expected)


def test_tinybert_sums_embeddings_states_and_attention_over_real_tokens():
    # One student layer, two teacher layers: matched with the second. Token 2 is padding.
    mask, wild = tensor([[1, 0]]), [99.0, 99.0]
    student = View(
        EVEN,
        mask,
        states([[1.0, 1.0], wild], [[0.0, 2.0], wild]),
        (tensor([[[[1.0, 5.0], [5.0, 5.0]]]]),),
    )
    teacher = View(
        SURE,
        mask,
        states([[1.0, 3.0], [0.0, 0.0]], [[8.0, 8.0]] * 2, [[1.0, 2.0], [0.0, 0.0]]),
        (tensor([[[[8.0, 8.0], [8.0, 8.0]]]]), tensor([[[[4.0, 0.0], [0.0, 0.0]]]])),
    )
    # embeddings (0 + 4) / 2 = 2; states (1 + 0) / 2 = 0.5; attention of the one real pair (1 - 4)^2 = 9
    found = losses.tinybert_layers_loss(student, teacher, LABEL)
    assert found.item() == pytest.approx(2 + 0.5 + 9)


def test_tinyberts_second_step_is_the_divergence_alone():
    found = losses.tinybert_prediction_loss(View(EVEN, MASK), View(SURE, MASK), LABEL)
    assert found.item() == pytest.approx(DIVERGENCE)


def test_the_bilstm_regresses_the_logits():
    # (1 - 3)^2 = 4 and (2 - 2)^2 = 0: mean 2
    student, teacher = View(tensor([[1.0, 2.0]]), MASK), View(tensor([[3.0, 2.0]]), MASK)
    assert losses.bilstm_loss(student, teacher, LABEL).item() == 2.0


@pytest.mark.parametrize("loss", [losses.pkd_loss, losses.distilbert_loss])
def test_rows_without_a_label_teach_by_the_teacher_alone(loss):
    view = View(SURE, MASK, states([[1.0, 0.0]] * 2, [[0.0, 1.0]] * 2))
    assert loss(view, view, tensor([-100])).item() == pytest.approx(0.0, abs=1e-6)
