"""An ``AdaBertSpace`` is an ordinary space of NNI's: its own multi-trial strategies search it, too."""

import statistics

import nni
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import ModelStatus, SimplifiedModelSpace
from nni.nas.strategy import GridSearch, Random, RegularizedEvolution
from torch.nn import functional

from adabert_nni.model.architecture import Architecture

OPS = ("std_conv_3", "max_pool_3", "zero")


def few_weights(model):
    """Train a step, as an evaluator does; the objective is known: of three ops one has weights."""
    logits = model(torch.tensor([[5, 6, 7, 8], [6, 7, 8, 9]]))
    functional.cross_entropy(logits, torch.tensor([0, 1])).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    nni.report_final_result(-float(sum(p.numel() for p in model.parameters())))


def tried(strategy, space, count):
    """The models that a strategy tries, in order."""
    engine = SequentialExecutionEngine(max_model_count=count)
    strategy(SimplifiedModelSpace.from_model(space, FunctionalEvaluator(few_weights)), engine)
    return list(engine.list_models())


@pytest.mark.parametrize(
    "strategy",
    [
        lambda: Random(seed=0),
        lambda: GridSearch(seed=0),
        lambda: RegularizedEvolution(population_size=4, sample_size=2, seed=0),
    ],
    ids=["random", "grid", "evolution"],
)
def test_a_strategy_tries_different_students_and_scores_each(make_space, strategy):
    space = make_space(ops=OPS, nodes=2, max_depth=2)
    models = tried(strategy(), space, 8)
    assert len(models) == 8
    assert all(model.status == ModelStatus.Trained for model in models)
    found = [Architecture.from_sample(model.sample) for model in models]
    assert len(set(map(str, found))) == 8
    assert {architecture.depth for architecture in found} <= {1, 2}
    assert {op for a in found for op in a.edges.values()} <= set(OPS)
    # One convolution of 3 taps on 8 channels is 3 * 8 * 8 weights and 16 of its norm, in each of
    # two layers (a frozen space keeps all of them); nothing else in the models differs.
    convolutions = [sum(op == "std_conv_3" for op in a.edges.values()) for a in found]
    rest = {-model.metric - 2 * 208 * n for model, n in zip(models, convolutions, strict=True)}
    assert len(rest) == 1


def test_evolution_moves_towards_the_objective(make_space):
    space = make_space(ops=OPS, nodes=3, max_depth=2)
    strategy = RegularizedEvolution(population_size=8, sample_size=4, mutation_prob=0.2, seed=0)
    metrics = [model.metric for model in tried(strategy, space, 40)]
    assert statistics.mean(metrics[-8:]) > statistics.mean(metrics[:8])
