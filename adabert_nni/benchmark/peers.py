"""ONE table of the models a student is compared with, in the sizes of their papers, with random weights.

To compare with a further model is one entry. It must not know how models are timed or trained.
Shapes: B batch, L tokens, C classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PretrainedConfig,
)
from transformers.modeling_outputs import SequenceClassifierOutput

VOCABULARY = 30522  # WordPieces of bert-base-uncased, which all peers share
TINY = {"hidden_size": 312, "intermediate_size": 1200}  # TinyBERT's, arXiv:1909.10351

Builder = Callable[[int], nn.Module]  # num_labels -> classifier with a transformers config


class BiLstmSoft(nn.Module):
    """The BiLSTM that Tang et al. distil BERT into (arXiv:1903.12136): one layer, and a layer above it."""

    def __init__(
        self,
        num_labels: int,
        vocab_size: int = VOCABULARY,
        embedding: int = 300,
        hidden: int = 150,
        inner: int = 200,
    ) -> None:
        """Build it for C classes; ``hidden`` is the width of either direction."""
        super().__init__()
        sizes = {"num_labels": num_labels, "vocab_size": vocab_size}
        self.config = PretrainedConfig.from_dict(sizes)
        self.words = nn.Embedding(vocab_size, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(
            nn.Linear(2 * hidden, inner), nn.ReLU(), nn.Linear(inner, num_labels)
        )

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Ids and mask, (B, L) each, padded on the right, to logits (B, C)."""
        words = self.words(input_ids)
        if attention_mask is None or bool(attention_mask.all()):
            _, (last, _) = self.lstm(words)
        else:  # so that the backward direction starts at a real token
            lengths = attention_mask.sum(1).cpu()
            packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
            _, (last, _) = self.lstm(packed)
        return SequenceClassifierOutput(logits=self.head(torch.cat([last[0], last[1]], -1)))


def bert(**sizes: Any) -> Builder:
    """A BERT classifier; ``sizes`` are keys of its config, the paper's where absent."""

    def build(num_labels: int) -> nn.Module:
        config = BertConfig.from_dict({"num_labels": num_labels, **sizes})
        return BertForSequenceClassification(config)

    return build


def distilbert(**sizes: Any) -> Builder:
    """A DistilBERT classifier: no segments, and a ReLU in the place of BERT's pooler."""

    def build(num_labels: int) -> nn.Module:
        config = DistilBertConfig.from_dict({"num_labels": num_labels, **sizes})
        return DistilBertForSequenceClassification(config)

    return build


PEERS: dict[str, Builder] = {
    "bert-base": bert(),
    "bert-pkd-6": bert(num_hidden_layers=6),
    "bert-pkd-3": bert(num_hidden_layers=3),
    "distilbert-4": distilbert(n_layers=4),
    "tinybert-4": bert(num_hidden_layers=4, **TINY),
    "bilstm-soft": BiLstmSoft,
}


def build_peer(name: str, num_labels: int) -> nn.Module:
    """A peer in eval mode; its random weights have a seed of their own, the caller's draws are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # the CPU's alone
        return PEERS[name](num_labels).eval()
