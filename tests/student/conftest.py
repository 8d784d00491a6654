"""What the tests of folding and of the formats share: students of any architecture that look trained."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import OPS

SEP = 3


@pytest.fixture(scope="session")
def made_student() -> Callable[..., AdaBertForSequenceClassification]:
    """Makes a student; what is not given is drawn by the seed."""

    def make(
        seed: int = 0,
        *,
        edges: dict[str, str] | None = None,
        depth: int | None = None,
        pair: bool = False,
        layout: str = "joint",
        dim: int = 12,
        vocab_size: int = 50,
        names: tuple[str, ...] = ("a", "b", "c"),
    ) -> AdaBertForSequenceClassification:
        draw = random.Random(seed)
        nodes = 3 if edges is not None else draw.randint(1, 4)
        drawn = edges or {edge: draw.choice(list(OPS)) for edge in edge_names(nodes)}
        architecture = Architecture(depth or draw.randint(1, 8), nodes, drawn)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            student = AdaBertForSequenceClassification(
                AdaBertConfig(
                    architecture.to_dict(),
                    vocab_size=vocab_size,
                    hidden_size=dim,
                    max_position_embeddings=40,
                    sep_token_id=SEP if pair else None,
                    pair_layout=layout,
                    id2label=dict(enumerate(names)),
                )
            )
            look_trained(student)
        return student.eval()

    return make


def look_trained(student: nn.Module) -> None:
    """Fresh norms scale by 1 and shift by 0, which would hide most mistakes in folding them."""
    for module in student.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
    for name, parameter in student.named_parameters():
        if name.endswith("node_logits"):
            nn.init.normal_(parameter)


@pytest.fixture(scope="session")
def made_inputs() -> Callable[..., tuple[Tensor, Tensor]]:
    """Makes ids and mask (rows, length): the first row has padding, and a pair ends after ``cut`` tokens."""

    def make(
        rows: int = 4, length: int = 20, cut: int | None = None, seed: int = 0
    ) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(SEP + 1, 50, (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        if cut is not None:
            ids[:, [cut, -1]] = SEP
        if rows > 1:
            mask[0, 2 * length // 3 :] = 0
        return ids, mask

    return make
