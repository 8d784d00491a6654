"""bfloat16: chosen only where it is faster, in products alone, and close to float32."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import precision
from adabert_nni.benchmark import peers
from adabert_nni.benchmark.timing import settled
from adabert_nni.config import Config, SearchConfig
from adabert_nni.pipeline import run
from adabert_nni.precision import computing, native_bf16, plain_float32, resolve
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.search import supernet
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.student import train
from adabert_nni.teacher import finetune, hidden

CPU = torch.device("cpu")
CPU_IDS = torch.tensor([1, 1])


def test_within_bf16_products_round_to_eight_bits_and_weights_stay():
    layer, x = nn.Linear(64, 8), torch.randn(5, 64)
    plain = layer(x)
    with computing("float32", CPU):
        assert torch.equal(layer(x), plain)
    with computing("bf16", CPU):
        rounded = layer(x)
    assert rounded.dtype == torch.bfloat16
    assert not torch.equal(rounded.float(), plain)
    assert torch.allclose(rounded.float(), plain, atol=0.05)
    rounded.float().sum().backward()
    assert layer.weight.dtype == layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("amx", "avx512", "found"),
    [(False, False, "float32"), (True, False, "bf16"), (False, True, "bf16")],
)
def test_auto_is_bf16_where_the_processor_has_such_products(monkeypatch, amx, avx512, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert native_bf16() == (found == "bf16")
    assert resolve("auto") == found
    assert resolve("float32") == "float32"
    assert resolve("bf16") == "bf16"


def test_auto_keeps_a_run_s_name_on_every_machine_and_a_precision_asked_for_changes_it(monkeypatch):
    def told(machine, **settings):
        monkeypatch.setattr(precision, "native_bf16", lambda device="cpu": machine)
        config = Config.from_mapping(settings, "test")
        return config.precision, config.deciding()

    (half, here), (full, there) = told(True), told(False)
    assert (half, full) == ("bf16", "float32")
    assert here == there
    assert "precision" not in here
    assert told(True, precision="float32") == ("float32", {**here, "precision": "float32"})


@pytest.mark.parametrize("asked", ["float32", "bf16"])
def test_every_stage_computes_in_the_precision_asked_for(
    asked, tiny_teacher_dir, monkeypatch, tmp_path
):
    seen = {}
    for room in (finetune, hidden, supernet, train):
        told, real = seen.setdefault(room.__name__, set()), room.computing
        spy = lambda found, device, told=told, real=real: (  # noqa: E731
            told.add(found) or real(found, device)
        )
        monkeypatch.setattr(room, "computing", spy)
    short = {"teacher_epochs": 1, "probe_epochs": 1, "search_epochs": 1, "student_epochs": 1}
    rows = {"task": "mini-reviews", "train_rows": 100, "max_length": 48, "space": "small"}
    own = {"teacher": str(tiny_teacher_dir), "cache": str(tmp_path / "cache"), "repetitions": 1}
    flat = {**short, **rows, **own, "precision": asked}
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    monkeypatch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
    run.compress(Config.from_mapping(flat, "test"), tmp_path / "run")
    scored = {"float32"}  # a search is, between its epochs
    assert seen.pop(supernet.__name__) == {asked} | scored
    assert list(seen.values()) == [{asked}] * 3


def test_float32_is_no_tf32_where_scores_and_times_are_taken():
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    assert before  # torch's default, for convolutions alone
    with plain_float32():
        assert not cudnn.allow_tf32
    with settled([]):
        assert not cudnn.allow_tf32
    assert cudnn.allow_tf32


def test_a_searchs_selection_scores_are_no_tf32(monkeypatch):
    module = SearchModule.of(SearchConfig(), 1, CLASSIFICATION)
    seen = []

    def logits(ids, mask):
        seen.append(torch.backends.cudnn.allow_tf32)
        return torch.tensor([[0.0, 1.0], [1.0, 0.0]])

    monkeypatch.setattr(SearchModule, "model", staticmethod(logits))
    module.on_validation_epoch_start()
    module.validation_step(dict.fromkeys(("input_ids", "attention_mask", "labels"), CPU_IDS), 0)
    assert seen == [False]
    assert module.selection_score() == 0.5
