"""A tiny supernet and a batch for it."""

import pytest
import torch

from adabert_nni.model.ops import OPS
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.search.strategy import AdaBertStrategy

SIZES = {"nodes": 3, "max_depth": 3, "dim": 8}


@pytest.fixture
def make_space():
    """A function that builds the same space each time it is called."""

    def build(**changes):
        torch.manual_seed(0)
        settings = {
            "ops": tuple(OPS),
            **SIZES,
            "num_labels": 2,
            "vocab_size": 40,
            "dropout": 0.0,
            **changes,
        }
        return AdaBertSpace(**settings)

    return build


@pytest.fixture
def make_search(make_space):
    """A function that builds a one-shot module with its strategy, as NNI would."""

    def build(**settings):
        strategy = AdaBertStrategy(**settings)
        module = SearchModule(
            temperature=1.0,
            weight_optimizer="sgd",
            weight_lr=0.02,
            weight_lr_end=5e-4,
            weight_momentum=0.9,
            total_steps=10,
        )
        module.set_model(strategy.mutate_model(make_space()))
        strategy.sampler.generator.manual_seed(1)
        return AdaBertModule(module, strategy)

    return build


@pytest.fixture
def batch():
    """Four rows of ten tokens, one of them padded, with probe rows of a teacher of six layers."""
    torch.manual_seed(2)
    mask = torch.ones(4, 10, dtype=torch.long)
    mask[0, 7:] = 0
    return {
        "input_ids": torch.randint(5, 40, (4, 10)),
        "attention_mask": mask,
        "labels": torch.tensor([0, 1, 0, 1]),
        "teacher": torch.rand(4, 6, 2).softmax(-1),
    }
