"""Facts of the Architecture noun: round trips, live edges, refusals."""

import json

import pytest

from adabert_nni.model.architecture import Architecture, ArchitectureError, edge_names


def make(nodes=3, depth=2, op="std_conv_3", **changes):
    return Architecture(depth, nodes, {**dict.fromkeys(edge_names(nodes), op), **changes})


def test_three_nodes_have_nine_edges():
    assert edge_names(3) == ("0_2", "1_2", "0_3", "1_3", "2_3", "0_4", "1_4", "2_4", "3_4")


def test_json_round_trip_keeps_everything(tmp_path):
    architecture = make(**{"0_3": "zero", "2_4": "max_pool_3"})
    architecture.save(tmp_path / "architecture.json")
    assert Architecture.load(tmp_path / "architecture.json") == architecture


def test_flat_sample_round_trip_and_depth_is_an_index():
    architecture = make(depth=3)
    assert architecture.to_sample()["depth"] == [2]
    assert Architecture.from_sample(architecture.to_sample()) == architecture


def test_zero_edges_are_not_live():
    assert "0_3" not in make(**{"0_3": "zero"}).live_edges()


def test_a_skip_out_of_an_empty_node_is_dead_but_a_convolution_is_a_learned_constant():
    empty = {"0_2": "zero", "1_2": "zero"}
    live = make(**empty, **{"2_3": "skip_connect", "2_4": "dil_conv_5"}).live_edges()
    assert "2_3" not in live
    assert "2_4" in live


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"depth": 0}, "depth"),
        ({"depth": float("nan")}, "depth"),
        ({"depth": True}, "depth"),
        ({"version": 2}, "version 2"),
        ({"edges": {"0_2": "zero"}}, "1_2"),
        ({"edges": None}, "edges"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_malformed_json_is_refused_and_the_key_named(change, word):
    with pytest.raises(ArchitectureError, match=word):
        Architecture.from_dict({**make().to_dict(), **change})


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', json.dumps({"depth": 1})])
def test_a_file_that_holds_no_architecture_is_refused_with_its_path(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArchitectureError, match=r"a\.json"):
        Architecture.load(tmp_path / "a.json")


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(ArchitectureError, match=r"gone\.json"):
        Architecture.load(tmp_path / "gone.json")


@pytest.mark.parametrize("depth", [None, [-1], [0, 1], "2", [True]])
def test_a_sample_without_a_proper_depth_is_refused(depth):
    with pytest.raises(ArchitectureError, match="depth"):
        Architecture.from_sample({**make().to_sample(), "depth": depth})


def test_a_cell_reads_its_input_where_edges_lead_from_it():
    none = dict.fromkeys(edge_names(2), "zero")
    from_nothing = Architecture(1, 2, none | {"2_3": "std_conv_3"})
    assert from_nothing.reached() == {0, 1}
    assert not from_nothing.reads_input()
    chain = Architecture(1, 2, none | {"1_2": "skip_connect", "2_3": "std_conv_3"})
    assert chain.reached() == {0, 1, 2, 3}
    assert Architecture(1, 2, none | {"0_3": "max_pool_3"}).reads_input()


def test_a_cell_may_read_one_of_its_inputs_only():
    none = dict.fromkeys(edge_names(2), "zero")
    assert Architecture(3, 2, none | {"0_2": "skip_connect", "2_3": "zero"}).inputs_read() == {0}
    assert Architecture(3, 2, none | {"1_3": "std_conv_3"}).inputs_read() == {1}
    assert make().inputs_read() == {0, 1}
