"""Facts of a search whose P_alpha learns from rows of its own: each batch moves one of the two, and only it."""

import pytest
import torch

from adabert_nni.search.schedule import Schedule
from adabert_nni.search.step_parts import made_ready

HELD, OTHERS = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)


@pytest.fixture
def make_ready(make_search):
    """A function that builds a search which can take steps outside a trainer's loop."""

    def build(**settings):
        return made_ready(make_search(alpha_lr=0.1, **settings), torch.device("cpu"))

    return build


def parts(search):
    """Copies of the weights, and of the logits of P_alpha."""
    alphas = {id(alpha) for alpha in search.alphas().values()}
    weights = {n: p.detach().clone() for n, p in search.named_parameters() if id(p) not in alphas}
    return weights, {n: alpha.detach().clone() for n, alpha in search.alphas().items()}


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("estimator", ["exact", "sampled"])
def test_held_rows_move_p_alpha_alone_and_the_others_the_weights_alone(
    make_ready, batch, estimator
):
    search = make_ready(estimator=estimator)
    before = parts(search)
    search.training_step({**batch, "held": HELD}, 0)
    between = parts(search)
    search.training_step({**batch, "held": OTHERS}, 1)
    after = parts(search)
    assert not moved(before[0], between[0])
    assert moved(before[1], between[1]) == set(search.alphas())
    assert moved(between[0], after[0])
    assert not moved(between[1], after[1])


def test_what_held_rows_tell_p_alpha_is_what_they_tell_it_in_the_papers_step(make_ready, batch):
    gradients = []
    for rows in ({**batch, "held": HELD}, batch):
        search = make_ready()
        search.training_step(rows, 0)
        gradients.append({name: alpha.grad.clone() for name, alpha in search.alphas().items()})
    held, both = gradients
    assert any(grad.any() for grad in held.values())
    for name, grad in held.items():
        torch.testing.assert_close(grad, both[name])


def test_a_step_of_the_weights_runs_no_op_but_the_drawn_ones(make_ready, batch):
    search, ran = make_ready(estimator="exact"), []
    for edges in (cell.edges for cell in search.model.body.cells):
        for choice in edges.values():
            for name in choice.names:
                choice[name].register_forward_hook(lambda *_, name=name: ran.append(name))
    search.training_step({**batch, "held": OTHERS}, 0)
    assert len(ran) == len(search.model.edges) * (search.model.depth.draw.index + 1)


def test_held_rows_wait_in_the_warm_up(make_ready, batch):
    told = []
    search = make_ready(alpha_warmup=1, on_step=told.append)
    before = parts(search)
    assert search.training_step({**batch, "held": HELD}, 0) is None
    assert [moved(one, two) for one, two in zip(before, parts(search), strict=True)] == [
        set(),
        set(),
    ]
    assert told == [None]  # the step is counted all the same
    assert search.training_step({**batch, "held": OTHERS}, 1) is not None


def test_steps_that_move_p_alpha():
    paper, apart = Schedule(1, 100, 400), Schedule(1, 100, 400, held=20)
    assert (paper.moving(), apart.moving()) == (300, 60)
    assert [paper.searches(epoch) for epoch in range(3)] == [False, True, True]
    assert paper.progress(0, 50) == 0.0
    assert paper.progress(3, 99) == apart.progress(3, 99) == 1.0
