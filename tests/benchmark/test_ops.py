"""Facts of the table of op times; the times are made up."""

import pytest

from adabert_nni.benchmark import ops
from adabert_nni.benchmark.ops import Size, Times, measure_ops
from adabert_nni.benchmark.timing import Timing
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json
from adabert_nni.search.targets import Cost
from adabert_nni.spaces import SpaceConfig

SPACE = SpaceConfig(ops=("zero", "std_conv_3", "max_pool_3"), nodes=2, dim=8)
TRUE = Cost(3.0, 0.5, {"zero": 0.0, "std_conv_3": 2.0, "max_pool_3": 0.25})


@pytest.fixture
def made_up(monkeypatch):
    """Passes take what ``TRUE`` says; gives the settings of the last measurement."""
    asked = {}

    def measure(models, **settings):
        asked.update(settings, modules=models)
        return {name: Timing(TRUE.of(m.found), 0.0, 1) for name, m in models.items()}

    def remember(config):
        module = build(config)
        module.found = ops.Architecture.from_dict(config.architecture)
        return module

    build = ops.AdaBertForSequenceClassification
    monkeypatch.setattr(ops, "AdaBertForSequenceClassification", remember)
    monkeypatch.setattr(ops, "measure", measure)
    return asked


def test_the_parts_of_a_students_time_are_solved_for(made_up):
    times = measure_ops(SPACE, Size(4, 16, 50), threads=2)
    assert (times.cost.fixed, times.cost.cell) == (3.0, 0.5)
    assert times.cost.ops == pytest.approx(TRUE.ops)
    assert (made_up["batch"], made_up["length"], made_up["threads"]) == (4, 16, 2)
    assert made_up["sep_token_id"] is None


def test_a_pair_has_a_separator_that_the_students_know(made_up):
    measure_ops(SPACE, Size(4, 16, 50, pair=True))
    assert made_up["sep_token_id"] == 2
    assert {m.config.sep_token_id for m in made_up["modules"].values()} == {2}


def test_a_real_measurement_gives_a_time_per_op(monkeypatch):
    monkeypatch.setattr(ops, "TURN_SECONDS", 0.0)
    times = measure_ops(SPACE, Size(1, 8, 50), threads=1, repetitions=1)
    assert set(times.cost.ops) == set(SPACE.ops)
    assert times.cost.ops["zero"] == 0.0
    assert all(ms >= 0 for ms in (times.cost.fixed, times.cost.cell, *times.cost.ops.values()))


def test_a_table_round_trips_and_takes_the_order_of_the_space(tmp_path):
    Times(Size(4, 16, 50, pair=True), 2, TRUE).save(tmp_path / "t.json")
    found = Times.load(tmp_path / "t.json", ["max_pool_3", "zero"])
    assert (found.size, found.threads) == (Size(4, 16, 50, pair=True), 2)
    assert list(found.cost.ops.items()) == [("max_pool_3", 0.25), ("zero", 0.0)]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"format": "x"}, "no table of op times"),
        ({"version": 2}, "no table of op times"),
        ({"threads": "many"}, "threads"),
        ({"cost": {"fixed": 1, "cell": 1, "ops": {"zero": 0, "std_conv_3": -1}}}, "std_conv_3 -1"),
        ({"cost": {"fixed": 1, "cell": 1, "ops": {"zero": 0, "std_conv_3": 0}}}, "only zeros"),
        ({"cost": {"fixed": 1, "cell": 1, "ops": {"zero": 0}}}, "no time of std_conv_3"),
    ],
)
def test_a_wrong_table_is_refused_with_its_path(tmp_path, change, said):
    path = tmp_path / "t.json"
    Times(Size(), 1, TRUE).save(path)
    write_json(path, {**read_json(path), **change})
    with pytest.raises(AdaBertError, match=rf"t\.json: .*{said}"):
        Times.load(path, ["zero", "std_conv_3"])
