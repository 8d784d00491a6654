"""Facts about costs, hard targets and the most probable student within them."""

import itertools
import math

import pytest
import torch

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import OPS
from adabert_nni.search.multipliers import Multipliers
from adabert_nni.search.outcome import keep
from adabert_nni.search.targets import (
    LATENCY,
    PARAMS,
    Cost,
    Target,
    most_probable,
    parameter_cost,
    tightened,
)
from adabert_nni.spaces import SpaceConfig

COST = Cost(fixed=10.0, cell=1.0, ops={"std_conv_3": 4.0, "skip_connect": 0.5, "zero": 0.0})


def probs_of(*rows):
    """P_alpha of the two edges of a cell of one node, over the ops of ``COST``."""
    return {
        edge: dict(zip(COST.ops, row, strict=True))
        for edge, row in zip(edge_names(1), rows, strict=True)
    }


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("op", ["std_conv_5", "skip_connect", "zero"])
def test_the_cost_of_parameters_is_what_a_students_add_up_to(depth, op):
    space = SpaceConfig(ops=tuple(OPS), nodes=2, dim=16)
    architecture = Architecture(depth, 2, {**dict.fromkeys(edge_names(2), op), "0_2": "dil_conv_3"})
    config = AdaBertConfig(
        architecture.to_dict(),
        vocab_size=50,
        hidden_size=16,
        max_position_embeddings=12,
        num_labels=3,
    )
    student = AdaBertForSequenceClassification(config)
    assert parameter_cost(space, 50, 12, 3).of(architecture) == student.num_parameters()


def test_the_expected_cost_of_certain_choices_is_the_cost_of_the_student():
    edges = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    depths = torch.tensor([0.0, 0.0, 1.0])
    student = Architecture(3, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"})
    # 10 + 3 (1 + 4 + 0.5)
    assert COST.expected(edges, depths).item() == COST.of(student) == 26.5


def test_the_excess_is_a_share_of_what_cells_may_cost_and_pushes_dear_ops_and_depths_down():
    edges = torch.zeros(2, 3, requires_grad=True)
    depths = torch.zeros(2, requires_grad=True)
    excess = Target(PARAMS, 12.0, COST).excess(edges.softmax(1), depths.softmax(0))
    # 1.5 layers of 1 + 2 * 4.5 / 3 = 4 cost 6, where 2 are allowed
    assert excess.item() == pytest.approx(2.0)
    excess.backward()
    assert edges.grad[0, 0] > 0 > edges.grad[0, 2]
    assert depths.grad[1] > 0 > depths.grad[0]


def test_without_targets_the_most_probable_is_the_argmax_of_each():
    probs = probs_of((0.5, 0.3, 0.2), (0.1, 0.2, 0.7))
    found = most_probable(probs, [0.1, 0.6, 0.3], [])
    assert found == Architecture(2, 1, {"0_2": "std_conv_3", "1_2": "zero"})


@pytest.mark.parametrize("limit", [11.6, 12.1, 13.1, 16.1, 19.8, 25.1, 40.1])
@pytest.mark.parametrize("seed", range(4))
def test_the_most_probable_within_targets_equals_a_search_through_all(limit, seed):
    torch.manual_seed(seed)
    edges = {
        edge: dict(zip(COST.ops, torch.randn(3).mul(2).softmax(0).tolist(), strict=True))
        for edge in edge_names(2)
    }
    depths = torch.randn(3).softmax(0).tolist()
    latency = Cost(0.0, 0.0, {"std_conv_3": 1.0, "skip_connect": 1.0, "zero": 0.0})
    targets = [Target(PARAMS, limit, COST), Target(LATENCY, 6.05, latency)]

    def cost(target, depth, ops):  # every edge counts, dead or not
        return target.cost.fixed + depth * (
            target.cost.cell + sum(target.cost.ops[op] for op in ops)
        )

    def reads(edges, ops):
        reached = {"0", "1"}
        for (source, node), op in zip((edge.split("_") for edge in edges), ops, strict=True):
            reached |= {node} if op != "zero" and source in reached else set()
        return len(reached) > 2

    best = max(
        (
            (math.prod(edges[e][op] for e, op in zip(edges, ops, strict=True)) * p, depth, ops)
            for depth, p in enumerate(depths, start=1)
            for ops in itertools.product(COST.ops, repeat=5)
            if all(cost(target, depth, ops) <= target.limit for target in targets)
            and reads(edges, ops)
        ),
    )
    found = most_probable(edges, depths, targets)
    assert (found.depth, tuple(found.edges.values())) == (best[1], best[2])


def test_a_cell_that_reads_nothing_is_never_returned_however_probable():
    probs = probs_of((0.04, 0.06, 0.9), (0.05, 0.01, 0.94))
    # one edge has to carry something: 0.06 * 0.94 is more than 0.9 * 0.05
    assert most_probable(probs, [1.0], []).edges == {"0_2": "skip_connect", "1_2": "zero"}


def test_an_edge_out_of_a_node_without_input_does_not_count_as_reading():
    nothing, conv = {"zero": 1.0, "std_conv_3": 1e-6}, {"zero": 1e-9, "std_conv_3": 1.0}
    edges = dict.fromkeys(edge_names(2), nothing) | {"2_3": conv}
    found = most_probable(edges, [1.0], [])
    assert sum(op == "std_conv_3" for edge, op in found.edges.items() if edge[0] in "01") == 1


def test_a_target_below_the_smallest_student_is_refused_with_the_least_that_can_be_asked():
    with pytest.raises(AdaBertError, match=r"max_params: got 11.5, .*smallest.*has 11.5, 10 of it"):
        Target(PARAMS, 11.5, COST).check(nodes=1)  # 10 + 1 + a skip of 0.5
    Target(PARAMS, 11.51, COST).check(nodes=1)
    assert (
        most_probable(probs_of((1, 0, 0), (1, 0, 0)), [1.0], [Target(PARAMS, 10.9, COST)]) is None
    )


def test_tightening_takes_a_share_of_what_is_left_to_the_cells():
    targets = tightened([Target(PARAMS, 20.0, COST), Target(LATENCY, 20.0, COST)], LATENCY, 0.5)
    assert [target.limit for target in targets] == [20.0, 15.0]


@pytest.fixture
def search_of(make_search):
    """A search whose P_alpha prefers the dearest op and depth, with these targets."""

    def build(*targets, **settings):
        search = make_search(targets=targets, **settings)
        with torch.no_grad():
            for label, alpha in search.alphas().items():
                if label == "depth":
                    alpha[-1] = 60.0  # more than all edges together
                else:
                    alpha[list(OPS).index("std_conv_7")] = 3.0
        return search

    return build


def test_an_exported_student_keeps_its_target_where_the_argmax_does_not(search_of):
    space = SpaceConfig(ops=tuple(OPS), nodes=3, dim=8, max_depth=3)
    cost = parameter_cost(space, 40, 128, 2)
    free = Architecture.from_sample(search_of().export())
    assert set(free.edges.values()) == {"std_conv_7"}
    limit = (cost.of(free) + cost.fixed) / 2
    found = Architecture.from_sample(search_of(Target(PARAMS, limit, cost)).export())
    assert cost.fixed < cost.of(found) <= limit


def test_a_missed_target_raises_its_multiplier_unless_it_comes_nearer_fast_enough():
    multipliers = Multipliers(1)
    raised = []
    for excess in (0.5, 0.5, 0.4, 0.25, 0.0, -0.3, 0.2):
        multipliers.ascend(torch.tensor([excess]), steps=10)
        raised.append(round(multipliers.values.item(), 6))
    # 10 / 10 steps times the excess, unless it is 0.3 below the least before; again when it comes back
    assert raised == [0.0, 0.5, 0.9, 0.9, 0.9, 0.9, 1.1]


def test_a_target_that_is_met_costs_nothing_and_pushes_nowhere():
    multipliers = Multipliers(2)
    multipliers.values.fill_(0.3)
    excess = torch.tensor([2.0, -0.5], requires_grad=True)
    cost = multipliers(excess)
    assert cost.item() == pytest.approx(0.6)
    cost.backward()
    assert excess.grad.tolist() == pytest.approx([0.3, 0.0])


def test_a_multiplier_moves_p_alpha_towards_its_target(search_of):
    search = search_of(
        Target(PARAMS, 12.0, Cost(10.0, 1.0, {**dict.fromkeys(OPS, 0.0), "std_conv_7": 5.0}))
    )
    search.multipliers.values.fill_(1.0)
    search.multipliers(search.excess()).backward()
    gradient = search.alphas()["edge_0_2"].grad
    assert gradient[2] > 0 and (gradient[3:] < 0).all()


def test_measured_costs_are_scaled_to_the_sum_of_the_papers(make_search):
    search = make_search(costs={op: float(i) for i, op in enumerate(OPS)})
    paper = make_search()
    ours = search.settings.op_costs(search.model)
    assert ours.sum().item() == pytest.approx(
        paper.settings.op_costs(paper.model).sum().item(), rel=1e-5
    )
    assert torch.allclose(ours / ours[1], torch.arange(10.0))


def test_a_student_that_is_measured_too_slow_is_chosen_again(search_of):
    cost = Cost(0.0, 0.1, {op: 1.0 if "7" in op else 0.2 for op in OPS})
    search = search_of(Target(LATENCY, 20.0, cost))
    slow = [1.5 * cost.of(Architecture.from_sample(search.export()))]

    def measured(architecture):
        return 1.5 * cost.of(architecture)  # this machine is slower than the table says

    assert slow[0] > 20.0
    sample, kept = keep(search, search.export(), measured)
    assert kept[LATENCY]["met"] and kept[LATENCY]["measured"] <= 20.0
    assert kept[LATENCY]["measured"] == measured(Architecture.from_sample(sample))
    assert kept[LATENCY]["limit"] == 20.0


def test_a_target_that_no_measured_student_meets_is_reported_as_not_met(search_of):
    cost = Cost(0.0, 0.1, dict.fromkeys(OPS, 1.0))
    search = search_of(Target(LATENCY, 20.0, cost))
    _, kept = keep(search, search.export(), lambda architecture: 100.0)
    assert kept[LATENCY]["met"] is False
    assert kept[LATENCY]["measured"] == 100.0


def test_a_latency_is_tightened_by_what_the_cells_took_and_not_by_what_is_fixed(search_of):
    cost = Cost(10.0, 0.1, dict.fromkeys(OPS, 0.0))
    search = search_of(Target(LATENCY, 20.0, cost))
    told = iter([30.0, 15.0])
    keep(search, search.export(), lambda architecture: next(told))
    # the cells took 20 ms where 10 are left to them: half of the ten, and 2 % less
    assert [target.limit for target in search.settings.targets] == [pytest.approx(14.9)]


def test_ops_that_are_cheaper_than_a_unit_do_not_add_up_to_more_than_the_limit():
    cost = Cost(0.0, 0.0, {"std_conv_3": 2000.0, "skip_connect": 1.9, "zero": 0.0})  # units of 2
    probs = {edge: {"std_conv_3": 0.0, "skip_connect": 0.9, "zero": 0.1} for edge in edge_names(1)}
    found = most_probable(probs, [1.0], [Target(PARAMS, 3.0, cost)])
    assert cost.of(found) == 1.9
