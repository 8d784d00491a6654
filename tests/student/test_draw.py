"""Facts of the random yardstick."""

import pytest

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.ops import OPS
from adabert_nni.student.draw import cell_size, draw_alike, draw_any, draw_from

EDGES = edge_names(3)
LIKE = Architecture(
    3, 3, {**dict.fromkeys(EDGES, "skip_connect"), "0_2": "std_conv_3", "2_4": "dil_conv_7"}
)


def test_size_counts_the_live_convolutions_of_one_cell():
    assert cell_size(LIKE, 128) == 10 * 128 * 128 + 4 * 128  # 3 + 7 taps, and two BatchNorms


def test_a_random_cell_has_the_same_depth_and_nearly_the_same_size_but_is_another():
    drawn = draw_alike(LIKE, tuple(OPS), 128, seed=1)
    assert drawn.depth == LIKE.depth
    assert drawn != LIKE
    assert abs(cell_size(drawn, 128) / cell_size(LIKE, 128) - 1) <= 0.05


def test_the_seed_decides_the_draw():
    draws = [draw_alike(LIKE, tuple(OPS), 128, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_size_that_no_cell_has_is_refused():
    tiny = Architecture(1, 1, dict.fromkeys(edge_names(1), "std_conv_3"))
    with pytest.raises(AdaBertError, match="none of"):
        draw_alike(tiny, ("skip_connect",), 128, seed=0)


def test_any_structure_of_the_space_is_drawn_as_often_as_another():
    drawn = [draw_any(("std_conv_3", "zero"), 3, 4, seed) for seed in range(400)]
    depths = [found.depth for found in drawn]
    assert [depths.count(k) for k in range(1, 5)] == [
        pytest.approx(100, abs=35)
    ] * 4  # 4 deviations
    ops = [op for found in drawn for op in found.edges.values()]
    assert ops.count("zero") / len(ops) == pytest.approx(0.5, abs=0.04)  # 3,600 draws
    assert drawn[0] == draw_any(("std_conv_3", "zero"), 3, 4, 0) != drawn[1]


def test_a_structure_that_reads_nothing_is_not_drawn():
    drawn = [draw_any(("std_conv_3", *["zero"] * 9), 1, 2, seed) for seed in range(50)]
    assert all("std_conv_3" in found.edges.values() for found in drawn)  # both zero: 81 of 100


def test_ops_are_drawn_as_often_as_p_alpha_says():
    probs = {
        f"edge_{edge}": {"std_conv_3": 0.0, "zero": 0.25, "skip_connect": 0.75} for edge in EDGES
    }
    drawn = [draw_from(probs, LIKE, seed) for seed in range(200)]
    ops = [op for cell in drawn for op in cell.edges.values()]
    assert "std_conv_3" not in ops
    assert abs(ops.count("zero") / len(ops) - 0.25) < 0.05  # 1,800 draws: a deviation of 0.01
    assert {cell.depth for cell in drawn} == {LIKE.depth}
    assert drawn[0] == draw_from(probs, LIKE, 0) != drawn[1]


def test_a_cell_drawn_from_p_alpha_or_like_another_reads_its_input():
    zero = {f"edge_{edge}": {"std_conv_3": 0.2, "zero": 0.8} for edge in EDGES}
    assert all(draw_from(zero, LIKE, seed).reads_input() for seed in range(100))
    one = Architecture(1, 2, dict.fromkeys(edge_names(2), "zero") | {"0_2": "std_conv_3"})
    drawn = [draw_alike(one, ("std_conv_3", "zero"), 16, seed) for seed in range(50)]
    assert all(cell.reads_input() for cell in drawn)  # 2_3 alone has the size, too
    with pytest.raises(AdaBertError, match="reads its input"):
        draw_from({name: {"zero": 1.0} for name in zero}, LIKE, 0)
