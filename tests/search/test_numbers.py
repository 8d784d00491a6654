"""The numbers of an epoch, worked out by hand."""

from math import log

import pytest
import torch

from adabert_nni.search.numbers import alpha_numbers
from adabert_nni.search.targets import Cost, Target

OPS = ("std_conv_3", "skip_connect", "max_pool_3", "zero")


def test_what_p_alpha_expects_and_how_decided_it_is():
    edges = torch.tensor([[0.25] * 4, [0.5, 0.5, 0.0, 0.0]])
    depths = torch.tensor([0.5, 0.0, 0.5])
    cost = Cost(10.0, 1.0, dict(zip(OPS, (4.0, 0.0, 0.0, 0.0), strict=True)))
    found = alpha_numbers(edges, depths, OPS, [Target("max_params", 99.0, cost)])
    assert found["expected_depth"] == 2.0  # 1 and 3 layers
    assert found["expected_params"] == 10 + 2 * (1 + 0.25 * 4 + 0.5 * 4)
    assert found["entropy"] == pytest.approx((log(4) + log(2)) / 2)
    assert found["free_share"] == 0.5  # a quarter each of skip and zero; a half of skip
