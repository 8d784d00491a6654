"""Facts of the side-by-side timing; the clock is made up and moves only while a model runs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.report import benchmark
from adabert_nni.report.benchmark import (
    bert_base,
    count_params,
    flops,
    measure,
    peak_gflops,
    random_ids,
    share_of_peak,
    speedups,
)


class Clock:
    """Tells the time that the fake models have spent."""

    def __init__(self) -> None:
        self.now, self.log = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now


class Fake(nn.Module):
    """Takes the given seconds for its passes, the last of them for all further ones."""

    def __init__(self, clock: Clock, name: str, *seconds: float, **config: int) -> None:
        super().__init__()
        self.clock, self.name, self.left = clock, name, list(seconds)
        self.config = BertConfig(vocab_size=50, max_position_embeddings=64, **config)
        self.seen: list[tuple[Tensor, Tensor, bool, bool, int]] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> None:
        state = (self.training, torch.is_inference_mode_enabled(), torch.get_num_threads())
        self.seen.append((input_ids, attention_mask, *state))
        self.clock.log.append(self.name)
        self.clock.now += self.left.pop(0) if len(self.left) > 1 else self.left[0]


def tiny_bert(num_labels: int) -> nn.Module:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    config = BertConfig(num_hidden_layers=1, vocab_size=50, max_position_embeddings=64, **sizes)
    config.num_labels = num_labels
    return BertForSequenceClassification(config)


def test_models_alternate_after_one_uncounted_pass_each():
    clock = Clock()
    models = {name: Fake(clock, name, 1.0) for name in "ABC"}
    timings = measure(models, batch=1, length=4, vocab_size=50, repetitions=2, clock=clock)
    assert "".join(clock.log) == "ABC" + "ABC" * 2
    assert [timing.passes for timing in timings.values()] == [2, 2, 2]


def test_the_median_and_the_quartiles_are_those_of_the_counted_passes():
    clock = Clock()
    model = Fake(clock, "A", 90.0, 1.0, 10.0, 3.0)  # the first one is the warm-up
    timing = measure({"A": model}, batch=1, length=4, vocab_size=50, repetitions=3, clock=clock)[
        "A"
    ]
    assert timing.ms == pytest.approx(3000)  # the middle of 1, 3, 10 s
    # quartiles halfway between neighbours: (1 + 3) / 2 = 2 and (3 + 10) / 2 = 6.5
    assert timing.spread == pytest.approx(4500)


def test_a_fast_model_passes_again_until_its_turn_is_filled():
    clock = Clock()
    models = {"fast": Fake(clock, "f", 0.25), "slow": Fake(clock, "S", 2.0)}
    measure(models, batch=1, length=4, vocab_size=50, repetitions=2, turn_seconds=1.0, clock=clock)
    assert "".join(clock.log) == "fS" + "ffffS" * 2  # 1.0 / 0.25 = 4 passes a turn


def test_no_round_starts_when_the_seconds_are_up():
    clock = Clock()
    models = {name: Fake(clock, name, 1.0) for name in "AB"}
    timings = measure(
        models, batch=1, length=4, vocab_size=50, repetitions=9, seconds=3.0, clock=clock
    )
    assert timings["A"].passes == 2  # after round 1: 2 s of 3; after round 2: 4 s


def test_models_run_in_eval_and_inference_mode_on_one_full_batch():
    clock = Clock()
    first, second = Fake(clock, "A", 1.0), Fake(clock, "B", 1.0)
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


def test_a_speedup_is_the_ratio_of_the_medians(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    builders = {"bert_base": lambda labels: Fake(clock, "bert", 10.0)}
    monkeypatch.setattr(benchmark, "PEERS", builders)
    student, teacher = Fake(clock, "student", 1.0), Fake(clock, "teacher", 4.0)
    result = speedups(student, teacher, batch=2, length=8, repetitions=1, clock=clock)
    assert result["speedup_vs_teacher"] == pytest.approx(4.0)
    assert result["speedup_vs_bert_base"] == pytest.approx(10.0)
    assert [result[f"{name}_ms"] for name in ("student", "teacher", "bert_base")] == [
        pytest.approx(1000 * seconds) for seconds in (1.0, 4.0, 10.0)
    ]
    assert (result["batch"], result["length"], result["dtype"]) == (2, 8, "float32")


def test_a_length_that_a_model_would_cut_is_refused():
    clock = Clock()
    with pytest.raises(AdaBertError, match="length is 65; the student takes at most 64"):
        speedups(Fake(clock, "s", 1.0), Fake(clock, "t", 1.0), length=65, peers=())


def test_an_unknown_peer_is_refused_with_the_known_ones():
    clock = Clock()
    with pytest.raises(AdaBertError, match=r"bert_large.*bert_base"):
        speedups(Fake(clock, "s", 1.0), Fake(clock, "t", 1.0), peers=("bert_large",))


@pytest.mark.parametrize("sep_token_id", [None, 3])
def test_a_real_student_and_a_half_precision_teacher_are_timed_in_float32(
    monkeypatch: pytest.MonkeyPatch, sep_token_id: int | None
):
    seen: list[torch.dtype] = []
    build: Callable[[int], nn.Module] = tiny_bert
    monkeypatch.setattr(benchmark, "PEERS", {"bert_base": build})
    edges = {"0_2": "std_conv_3", "1_2": "max_pool_3"}
    config = AdaBertConfig(
        architecture=Architecture(depth=2, nodes=1, edges=edges).to_dict(),
        vocab_size=50,
        dim=8,
        sep_token_id=sep_token_id,
        pair_layout="separate",
    )
    teacher = tiny_bert(2).half()
    teacher.register_forward_hook(lambda module, args, output: seen.append(output.logits.dtype))
    result = speedups(
        AdaBertForSequenceClassification(config), teacher, batch=2, length=16, repetitions=1
    )
    assert set(seen) == {torch.float32}
    assert next(teacher.parameters()).dtype == torch.float16  # the caller's is left as it was
    assert result["speedup_vs_teacher"] == result["teacher_ms"] / result["student_ms"] > 0


def test_bert_base_has_its_known_size_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = bert_base(num_labels=2)
    assert torch.equal(torch.rand(3), expected)
    embeddings = (30522 + 512 + 2) * 768 + 2 * 768
    layer = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    head = 768 * 768 + 768 + 768 * 2 + 2
    assert count_params(model) == embeddings + 12 * layer + head == 109_483_778


def test_a_shared_parameter_counts_once():
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    assert count_params(nn.Sequential(first, second)) == 9


def test_flops_are_two_per_multiply_add_with_attention_counted():
    batch, length, width, inner = 2, 8, 16, 24
    layer = batch * length * (4 * width * width + 2 * width * inner)
    attention = 2 * batch * length * length * width  # scores, and the sum they weigh
    head = batch * (width * width + width * 2)
    expected = 2 * (layer + attention + head) / 1e9
    assert flops(tiny_bert(2), batch, length) == pytest.approx(expected)


def test_the_share_of_peak_is_work_over_what_the_time_allows():
    assert share_of_peak(gflop=5.0, ms=100.0, peak=200.0) == pytest.approx(0.25)  # 50 of 200 a s
    assert peak_gflops(size=64, repetitions=2, threads=1) > 0
