"""Facts of what is counted: parameters, and the operations that a model does."""

import pytest
from torch import Tensor, nn

from adabert_nni.benchmark.counting import count_params, flops, share_of_peak


def test_a_shared_parameter_counts_once():
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    assert count_params(nn.Sequential(first, second)) == 9


def test_flops_are_two_per_multiply_add_with_attention_counted(tiny):
    batch, length, width, inner = 2, 8, 16, 24
    layer = batch * length * (4 * width * width + 2 * width * inner)
    attention = 2 * batch * length * length * width  # scores, and the sum they weigh
    head = batch * (width * width + width * 2)
    expected = 2 * (layer + attention + head) / 1e9
    assert flops(tiny(2), batch, length) == pytest.approx(expected)


def test_the_products_inside_a_fused_lstm_are_counted():
    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.lstm = nn.Embedding(50, 4), nn.LSTM(4, 3, batch_first=True)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            return self.lstm(self.words(input_ids))[0]

    # 2 a multiply-add, 4 gates of 3, each reading 4 inputs and 3 states, at each of 2 x 6 tokens
    assert flops(Lstm(), 2, 6, vocab_size=50) * 1e9 == pytest.approx(2 * 4 * 3 * (4 + 3) * 2 * 6)


def test_the_share_of_peak_is_work_over_what_the_time_allows():
    assert share_of_peak(gflop=5.0, ms=100.0, peak=200.0) == pytest.approx(0.25)  # 50 of 200 a s
