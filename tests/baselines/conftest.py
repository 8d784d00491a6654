"""What the tests of baselines share: a small BERT as teacher, rows that it can be followed on."""

from collections.abc import Callable

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni.data.encoding import Encoded


@pytest.fixture
def made_teacher() -> Callable[..., BertForSequenceClassification]:
    """Makes a BERT of so many layers with weights that all differ."""

    def make(layers: int = 6, heads: int = 2) -> BertForSequenceClassification:
        sizes = {"hidden_size": 12, "num_attention_heads": heads, "intermediate_size": 20}
        config = BertConfig(
            num_hidden_layers=layers, vocab_size=30, max_position_embeddings=16, **sizes
        )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = BertForSequenceClassification(config)
            for weight in model.parameters():
                torch.nn.init.normal_(weight, std=0.1)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def words() -> torch.Tensor:
    """(V, 300) embeddings for the BiLSTM."""
    return torch.randn(30, 300, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def made_rows() -> Callable[[int, int], Encoded]:
    """Makes rows of 4 to 8 random words; the third tells the class."""

    def make(count: int, seed: int) -> Encoded:
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % 2
        rows = [
            torch.randint(7, 30, (4 + i % 5,), generator=generator, dtype=torch.int32)
            for i in range(count)
        ]
        for row, label in zip(rows, labels.tolist(), strict=True):
            row[2] = 5 + label
        segments = [torch.zeros_like(row) for row in rows]
        return Encoded(rows, segments, labels, torch.arange(count), pad_id=0)

    return make
