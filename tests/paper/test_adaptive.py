"""Structures by task: distances worked out by hand, and a chance that all orders of the tasks give."""

import pytest

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.paper.adaptive import adaptivity, differing_edges

EDGES = edge_names(2)  # 0_2 1_2 0_3 1_3 2_3


def cell(depth, *ops):
    return Architecture(depth, 2, dict(zip(EDGES, ops, strict=True)))


CONVS = cell(1, *["std_conv_3"] * 5)
POOLS = cell(4, *["max_pool_3"] * 5)


def test_edges_differ_by_their_op():
    other = cell(3, "std_conv_3", "std_conv_5", "std_conv_3", "zero", "std_conv_3")
    assert differing_edges(CONVS, CONVS) == 0
    assert differing_edges(CONVS, other) == differing_edges(other, CONVS) == pytest.approx(2 / 5)


def test_what_leaves_an_empty_node_counts_as_zero():
    empty = cell(1, "zero", "zero", "std_conv_3", "std_conv_3", "skip_connect")
    assert differing_edges(empty, cell(1, "zero", "zero", "std_conv_3", "std_conv_3", "zero")) == 0


def test_tasks_that_always_find_their_own_structure():
    told = adaptivity({"a": [CONVS] * 3, "b": [POOLS] * 3})
    assert (told.within.pairs, told.within.edges, told.within.layers) == (6, 0, 0)
    assert (told.across.pairs, told.across.edges, told.across.layers) == (9, 1, 3)
    # Of the 20 ways to choose three of six for a, two keep the tasks apart: p = 0.1.
    assert told.edges_p == pytest.approx(0.1, abs=0.015)
    assert told.layers_p == told.edges_p


def test_tasks_that_find_the_same_structures_are_not_told_apart():
    told = adaptivity({"a": [CONVS, POOLS], "b": [CONVS, POOLS]})
    # Within 1, 1; across 0, 1, 1, 0: shuffled tasks never have less of a gap.
    assert (told.within.edges, told.across.edges, told.edges_p) == (1, 0.5, 1)


@pytest.mark.parametrize(
    "found", [{}, {"a": [CONVS, POOLS]}, {"a": [CONVS, POOLS], "b": [CONVS], "c": [POOLS]}]
)
def test_two_tasks_of_two_seeds_are_needed(found):
    assert adaptivity(found) is None
