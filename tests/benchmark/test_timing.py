"""Facts of the side-by-side timing; the clock is made up and moves only while a model runs."""

import pytest
import torch
from torch import Tensor, nn

from adabert_nni.benchmark import timing
from adabert_nni.benchmark.timing import measure, peak_gflops, random_ids
from adabert_nni.errors import AdaBertError


def test_models_alternate_after_one_uncounted_pass_each(clock, fake):
    models = {name: fake(name, 1.0) for name in "ABC"}
    timings = measure(models, batch=1, length=4, vocab_size=50, repetitions=2, clock=clock)
    assert "".join(clock.log) == "ABC" + "ABC" * 2
    assert [timing.passes for timing in timings.values()] == [2, 2, 2]


def test_the_median_and_the_quartiles_are_those_of_the_counted_passes(clock, fake):
    model = fake("A", 90.0, 1.0, 10.0, 3.0)  # the first one is the warm-up
    timing = measure({"A": model}, batch=1, length=4, vocab_size=50, repetitions=3, clock=clock)[
        "A"
    ]
    assert timing.ms == pytest.approx(3000)  # the middle of 1, 3, 10 s
    # quartiles halfway between neighbours: (1 + 3) / 2 = 2 and (3 + 10) / 2 = 6.5
    assert timing.spread == pytest.approx(4500)


def test_a_fast_model_passes_again_until_its_turn_is_filled(clock, fake):
    models = {"fast": fake("f", 0.25), "slow": fake("S", 2.0)}
    measure(models, batch=1, length=4, vocab_size=50, repetitions=2, turn_seconds=1.0, clock=clock)
    assert "".join(clock.log) == "fS" + "ffffS" * 2  # 1.0 / 0.25 = 4 passes a turn


def test_no_round_starts_when_the_seconds_are_up(clock, fake):
    models = {name: fake(name, 1.0) for name in "AB"}
    timings = measure(
        models, batch=1, length=4, vocab_size=50, repetitions=9, seconds=3.0, clock=clock
    )
    assert timings["A"].passes == 2  # after round 1: 2 s of 3; after round 2: 4 s


def test_a_model_that_takes_seconds_may_start_cold(clock, fake):
    models = {name: fake(name, 1.0) for name in "AB"}
    measure(models, batch=1, length=4, vocab_size=50, repetitions=1, cold=["B"], clock=clock)
    assert "".join(clock.log) == "A" + "AB"  # A warms up, then both are timed


def test_models_run_in_eval_and_inference_mode_on_one_full_batch(clock, fake):
    first, second = fake("A", 1.0), fake("B", 1.0)
    measure({"A": first, "B": second}, batch=3, length=8, vocab_size=50, threads=1, clock=clock)
    ids, mask, training, inference, threads = first.seen[0]
    assert ids.shape == mask.shape == (3, 8)
    assert mask.eq(1).all() and ids.min() >= 1 and ids.max() < 50
    assert (training, inference, threads) == (False, True, 1)
    assert torch.equal(ids, second.seen[0][0])


def test_modes_and_threads_are_put_back_even_after_a_failure():
    class Broken(nn.Sequential):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> None:
            raise RuntimeError

    broken = Broken(nn.Dropout(), nn.Dropout().eval()).train(True)
    broken[1].eval()
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        measure({"A": broken}, batch=1, length=4, vocab_size=50, threads=before + 1)
    assert torch.get_num_threads() == before
    assert [broken.training, broken[0].training, broken[1].training] == [True, True, False]


@pytest.mark.parametrize("key", ["batch", "length", "repetitions", "threads"])
def test_a_setting_below_one_is_refused(key: str):
    settings = {"batch": 1, "length": 4, "vocab_size": 50, key: 0}
    with pytest.raises(AdaBertError, match=f"{key} is 0"):
        measure({}, **settings)


def test_a_pair_has_its_separators_at_the_end_of_each_half_only():
    ids = random_ids(4, 8, vocab_size=5, sep_token_id=3)
    assert ids.eq(3).nonzero()[:, 1].tolist() == [3, 7] * 4


def test_the_peak_is_measured():
    assert peak_gflops(size=64, repetitions=2, threads=1) > 0


def test_the_peak_is_that_of_the_fastest_product(monkeypatch):
    times = iter([0.5, 0.1, 0.3])
    monkeypatch.setattr(timing, "seconds_of", lambda *_: next(times))
    assert peak_gflops(size=100, repetitions=3) == pytest.approx(2 * 100**3 / 0.1 / 1e9)
