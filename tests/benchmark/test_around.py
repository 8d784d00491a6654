"""The share around the arithmetic is taken from a real search, from its loop and its steps."""

from adabert_nni.benchmark import around
from adabert_nni.spaces import SpaceConfig


def test_a_profile_tells_the_loop_its_steps_and_what_is_left(monkeypatch):
    monkeypatch.setattr(around, "VOCABULARY", 50)
    space = SpaceConfig(ops=("std_conv_3", "skip_connect"), nodes=1, max_depth=1, dim=8)
    found = around.profile_search(space, "exact", batch=4)
    assert (found["estimator"], found["batch"]) == ("exact", 4)
    assert 0 < found["training_step"] < found["loop"]
    assert 0 < found["validation_step"] < found["loop"]
    steps = found["training_step"] + found["validation_step"]
    assert found["around_share"] == 1 - steps / found["loop"]
    assert 0 < found["around_share"] < 1
