"""What the tests of the benchmark share: a clock that tells the time that fake models have spent."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification


class Clock:
    """Tells the time that the fake models have spent."""

    def __init__(self) -> None:
        self.now, self.log = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now


class Fake(nn.Module):
    """Takes the given seconds for its passes, the last of them for all further ones."""

    def __init__(self, clock: Clock, name: str, *seconds: float, **config: int) -> None:
        super().__init__()
        self.clock, self.name, self.left = clock, name, list(seconds)
        self.config = BertConfig(vocab_size=50, max_position_embeddings=64, **config)
        self.seen: list[tuple[Tensor, Tensor, bool, bool, int]] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> None:
        state = (self.training, torch.is_inference_mode_enabled(), torch.get_num_threads())
        self.seen.append((input_ids, attention_mask, *state))
        self.clock.log.append(self.name)
        self.clock.now += self.left.pop(0) if len(self.left) > 1 else self.left[0]


def tiny_bert(num_labels: int) -> nn.Module:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(num_hidden_layers=1, vocab_size=50, max_position_embeddings=64, **sizes)
    config.num_labels = num_labels
    return BertForSequenceClassification(config)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Callable[..., Fake]:
    """Makes a fake model on that clock: name, seconds, config."""
    return partial(Fake, clock)


@pytest.fixture
def tiny() -> Callable[[int], nn.Module]:
    """Builds a small BERT for so many classes."""
    return tiny_bert
