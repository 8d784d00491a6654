"""Facts of the evaluator: how the weights are optimised, what its losses are of, which rows it scores."""

from math import cos, pi

import pytest
import torch

from adabert_nni.config import SearchConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.losses import knowledge_loss
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.search.evaluator import SearchData, SearchModule


def evaluator(**settings):
    made = SearchModule.of(SearchConfig(**settings), 10, CLASSIFICATION)
    made.set_model(torch.nn.Linear(2, 2))
    return made


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_learning_rate_of_the_weights_is_a_cosine_from_start_to_end_over_all_steps(name):
    module = evaluator(weight_optimizer=name, weight_lr=0.5, weight_lr_end=0.1)
    (optimizer,), (schedule,) = module.configure_optimizers()
    rates = []
    for _ in range(11):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.1 + 0.4 * (1 + cos(pi * t / 10)) / 2 for t in range(11)])


def test_momentum_is_sgds_and_adamws_first_beta_and_weights_do_not_decay():
    (sgd,), _ = evaluator(weight_optimizer="sgd", weight_momentum=0.7).configure_optimizers()
    (adamw,), _ = evaluator(weight_optimizer="adamw", weight_momentum=0.7).configure_optimizers()
    assert sgd.param_groups[0]["momentum"] == 0.7
    assert adamw.param_groups[0]["betas"] == (0.7, 0.999)
    assert [made.param_groups[0]["weight_decay"] for made in (sgd, adamw)] == [0, 0]


def test_the_knowledge_loss_of_a_search_is_that_at_its_temperature(batch):
    layers = [torch.tensor([[2.0, 0.0]] * 4), torch.tensor([[0.0, 1.0]] * 4)]
    found = evaluator(temperature=4.0).loss_terms(layers, batch)["loss_kd"]
    assert found == knowledge_loss(layers, batch["teacher"], batch["labels"], 4.0)
    assert found != knowledge_loss(layers, batch["teacher"], batch["labels"], 1.0)


def test_what_is_learnt_from_is_the_training_rows_and_what_is_scored_the_selection_rows():
    train, selection = (
        Encoded([torch.tensor([5], dtype=torch.int32)] * n, None, ids % 2, ids, pad_id=0)
        for n, ids in ((6, torch.arange(6)), (4, torch.arange(10, 14)))
    )
    data = SearchData(train, selection, 3, seed=0)
    learnt, scored = (
        sorted(i for batch in part for i in batch["ids"].tolist())
        for part in (data.train_dataloader(), data.val_dataloader())
    )
    assert (learnt, scored) == (list(range(6)), list(range(10, 14)))
