"""Facts of the comparison in a run's report; the clock is made up and moves only while a model runs."""

import pytest
import torch

from adabert_nni.benchmark import peers
from adabert_nni.benchmark.speedup import speedups
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification


def test_a_speedup_is_the_ratio_of_the_medians(clock, fake, monkeypatch: pytest.MonkeyPatch):
    builders = {"bert-base": lambda labels: fake("bert", 10.0)}
    monkeypatch.setattr(peers, "PEERS", builders)
    student, teacher = fake("student", 1.0), fake("teacher", 4.0)
    result = speedups(student, teacher, batch=2, length=8, repetitions=1, clock=clock)
    assert result["speedup_vs_teacher"] == pytest.approx(4.0)
    assert result["speedup_vs_bert_base"] == pytest.approx(10.0)
    assert [result[f"{name}_ms"] for name in ("student", "teacher", "bert_base")] == [
        pytest.approx(1000 * seconds) for seconds in (1.0, 4.0, 10.0)
    ]
    assert (result["batch"], result["length"], result["dtype"]) == (2, 8, "float32")


def test_a_length_that_a_model_would_cut_is_refused(clock, fake):
    with pytest.raises(AdaBertError, match="length is 65; the student takes at most 64"):
        speedups(fake("s", 1.0), fake("t", 1.0), length=65, peers=())


def test_an_unknown_peer_is_refused_with_the_known_ones(clock, fake):
    with pytest.raises(AdaBertError, match=r"bert-large.*bert-base"):
        speedups(fake("s", 1.0), fake("t", 1.0), peers=("bert-large",))


@pytest.mark.parametrize("sep_token_id", [None, 3])
def test_student_and_half_precision_teacher_are_timed_in_float32(tiny, monkeypatch, sep_token_id):
    seen: list[torch.dtype] = []
    monkeypatch.setitem(peers.PEERS, "bert-base", tiny)
    edges = {"0_2": "std_conv_3", "1_2": "max_pool_3"}
    config = AdaBertConfig(
        architecture=Architecture(depth=2, nodes=1, edges=edges).to_dict(),
        vocab_size=50,
        dim=8,
        sep_token_id=sep_token_id,
        pair_layout="separate",
    )
    teacher = tiny(2).half()
    teacher.register_forward_hook(lambda module, args, output: seen.append(output.logits.dtype))
    result = speedups(
        AdaBertForSequenceClassification(config), teacher, batch=2, length=16, repetitions=1
    )
    assert set(seen) == {torch.float32}
    assert next(teacher.parameters()).dtype == torch.float16  # the caller's is left as it was
    assert result["speedup_vs_teacher"] == result["teacher_ms"] / result["student_ms"] > 0
