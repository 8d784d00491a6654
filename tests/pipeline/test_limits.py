"""Facts of what a search may spend: nothing measured unasked, refused before training, kept on resuming."""

import pytest

from adabert_nni import AdaBertError
from adabert_nni.benchmark.ops import Size, Times
from adabert_nni.config import Config
from adabert_nni.data.tasks import TASKS
from adabert_nni.pipeline import limits
from adabert_nni.search.targets import Cost
from adabert_nni.spaces import SpaceConfig

SPACE = SpaceConfig(ops=("std_conv_3", "zero"), nodes=2, dim=16, max_depth=2)
TIMES = Cost(2.0, 0.5, {"std_conv_3": 4.0, "zero": 0.0})


@pytest.fixture
def set_limits(tiny_teacher_dir, tmp_path, monkeypatch):
    """Sets limits on a machine whose times are ``TIMES``; gives the number of measurements as well."""
    measured = []

    def measure(space, size, threads):
        measured.append(size)
        return Times(size, 1, TIMES)

    monkeypatch.setattr(limits, "measure_ops", measure)
    monkeypatch.setattr(limits, "student_ms", lambda models, *_, **__: dict.fromkeys(models, 7.0))

    def build(**settings):
        config = Config.from_mapping({"teacher": str(tiny_teacher_dir), **settings}, "test")
        return limits.set_limits(config, SPACE, TASKS["mini-claims"], tmp_path), measured

    return build


def test_without_settings_nothing_is_measured_and_the_papers_costs_hold(set_limits):
    found, measured = set_limits()
    assert (found.costs, found.targets, found.measured, measured) == (None, [], None, [])


def test_measured_costs_are_kept_beside_the_run_so_that_resuming_searches_by_the_same(set_limits):
    first, _ = set_limits(cost="measured", latency_batch=4, max_length=64)
    again, measured = set_limits(cost="measured", latency_batch=4, max_length=64)
    assert first.costs == again.costs == TIMES.ops
    assert [(size.batch, size.length, size.pair) for size in measured] == [(4, 64, True)]
    assert first.targets == [] and first.measured is None


def test_a_target_of_latency_alone_leaves_the_papers_costs_and_checks_what_is_found(set_limits):
    found, _ = set_limits(max_latency_ms=9)
    assert found.costs is None
    assert [(t.key, t.limit, t.cost) for t in found.targets] == [("max_latency_ms", 9.0, TIMES)]
    assert found.measured(object()) == 7.0


def test_the_times_of_another_machine_are_taken_as_they_are(set_limits, tmp_path):
    Times(Size(), 1, TIMES).save(tmp_path / "phone.json")
    found, measured = set_limits(cost=str(tmp_path / "phone.json"), max_latency_ms=9)
    assert found.costs == TIMES.ops
    assert found.measured is None and measured == []


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"max_params": 1000}, r"max_params: got 1,000, but the smallest student .* has \d"),
        ({"max_latency_ms": 6.5}, r"max_latency_ms: got 6.5, but .* has 6.5, 2 of it outside"),
        ({"cost": "nowhere.json"}, "nowhere.json"),
    ],
)
def test_what_cannot_be_met_or_read_is_refused_before_any_training(set_limits, settings, said):
    with pytest.raises(AdaBertError, match=said):
        set_limits(**settings)
