"""Facts of the table of inference: who is in it, under which keys, and what its ratios are ratios of."""

import pytest
from torch import nn

from adabert_nni.benchmark import inference, machine, peers
from adabert_nni.benchmark.counting import count_params
from adabert_nni.benchmark.field import Runner, reference_student
from adabert_nni.benchmark.inference import row, run_inference_benchmark
from adabert_nni.benchmark.timing import Timing
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification

KEYS = {"model", "backend", "batch", "length", "params", "bytes", "ms", "speedup_vs_bert_base"}


@pytest.fixture
def student():
    edges = {"0_2": "std_conv_3", "1_2": "max_pool_3"}
    config = AdaBertConfig(
        Architecture(2, 1, edges).to_dict(),
        vocab_size=50,
        hidden_size=8,
        max_position_embeddings=32,
    )
    return AdaBertForSequenceClassification(config).eval()


@pytest.fixture
def small(monkeypatch, tiny):
    """Peers that are built and timed in no time, at two small sizes."""
    for name in peers.PEERS:
        monkeypatch.setitem(peers.PEERS, name, tiny)
    for name in ("SHAPES", "QUICK_SHAPES"):
        monkeypatch.setattr(inference, name, ((1, 4), (3, 8)))
    for module in (inference, machine):
        monkeypatch.setattr(module, "peak_gflops", lambda **_: 100.0)
    monkeypatch.setattr(inference, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(inference, "ROUNDS", 1)


@pytest.mark.parametrize("native", [False, True])
def test_every_form_of_the_student_stands_beside_every_peer(
    small, student, tiny, monkeypatch, native
):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(inference, "native_bf16", lambda device: native)
    found = run_inference_benchmark(student, teacher=tiny(2), threads=1)
    of_peers = {(name, "torch") for name in (*peers.PEERS, "teacher")}
    of_students = {
        *{("student", "torch"), ("student-folded", "torch"), ("student-bf16", "torch-bf16")},
        *{("student-onnx", "onnxruntime"), ("student-onnx-int8", "onnxruntime-int8")},
    }
    base = {("bert-base", "onnxruntime"), ("bert-base", "onnxruntime-int8")}
    base |= {("bert-base", "torch-bf16")} if native else set()
    rows = {(r["batch"], r["length"], r["model"], r["backend"]): r for r in found["rows"]}
    expected = of_peers | of_students | base
    assert set(rows) == {(*size, *who) for size in ((1, 4), (3, 8)) for who in expected}
    assert set(rows[1, 4, "student", "torch"]) >= KEYS
    for (batch, length, model, backend), found_row in rows.items():
        peer = rows[batch, length, "bert-base", "torch"]["ms"]
        assert found_row["speedup_vs_bert_base"] == peer / found_row["ms"]
        same = rows.get((batch, length, "bert-base", backend))
        wanted = same["ms"] / found_row["ms"] if same else None
        assert found_row["speedup_vs_bert_base_same_backend"] == wanted
        assert (wanted is None) == (backend == "torch-bf16" and not native)
        assert found_row["bytes"] > 0 < found_row["gflop"], model
    assert {"threads", "peak_gflops", "commit", "versions", "device"} <= set(found["settings"])


def test_what_is_not_in_the_table_is_said(small, student, monkeypatch):
    from adabert_nni.student import onnx_graph

    monkeypatch.setattr(onnx_graph, "find_spec", lambda package: None)
    found = run_inference_benchmark(student, quick=True, threads=1)
    told = " | ".join(found["left_out"])
    for word in ("teacher: ", "student-onnx: ", "student-onnx-int8: ", "--quick", "tokenisation: "):
        assert word in told
    assert not [r for r in found["rows"] if r["backend"].startswith("onnx")]


def test_the_figures_of_a_row_follow_from_its_time():
    one = Runner("student-onnx", "onnxruntime", nn.Identity(), 7, 28, nn.Identity())
    timings = {
        "student-onnx in onnxruntime": Timing(ms=20.0, spread=1.0, passes=3),
        "bert-base in torch": Timing(ms=1000.0, spread=1.0, passes=3),
        "bert-base in onnxruntime": Timing(ms=800.0, spread=1.0, passes=3),
    }
    found = row(one, 4, 16, timings, gflop=1.0, peak=100.0)
    assert found["speedup_vs_bert_base"] == pytest.approx(50.0)  # 1000 / 20
    assert found["speedup_vs_bert_base_same_backend"] == pytest.approx(40.0)  # 800 / 20
    assert found["texts_per_s"] == pytest.approx(200.0)  # 4 in 20 ms
    assert found["gflop_per_s"] == pytest.approx(50.0)  # 1 in 20 ms
    assert found["share_of_peak"] == pytest.approx(0.5)  # 50 of 100
    assert found["floor_ms"] == pytest.approx(10.0)  # 1 at 100 a second


def test_a_size_beyond_the_students_positions_is_left_out(small, student, monkeypatch):
    monkeypatch.setattr(inference, "QUICK_SHAPES", ((1, 4), (1, 33)))  # there are 32 positions
    found = run_inference_benchmark(student, quick=True, threads=1)
    assert {r["length"] for r in found["rows"]} == {4}


def test_no_size_is_begun_when_the_time_is_up(small, student, monkeypatch):
    monkeypatch.setattr(inference, "QUICK_SECONDS", -1.0)
    found = run_inference_benchmark(student, quick=True, threads=1)
    assert found["rows"] == []
    assert "batch 3, length 8: the time was up" in found["left_out"]


def test_the_reference_is_three_cells_of_nine_convolutions():
    student = reference_student()
    assert len(student.body.cells) == 3
    assert [len(cell.edges) for cell in student.body.cells] == [9, 9, 9]
    # per cell nine of 3 taps with a norm, three node weights and a norm; the two tables and their
    # norm; the readout's score and head
    cell = 9 * (3 * 128 * 128 + 2 * 128) + 3 + 2 * 128
    expected = 3 * cell + (30522 + 128) * 128 + 2 * 128 + 128 + (128 * 2 + 2)
    assert count_params(student) == expected


def test_how_long_a_size_takes_is_told_by_the_one_before(small, student, monkeypatch):
    for module in (inference, machine):
        monkeypatch.setattr(module, "peak_gflops", lambda **_: 1e-9)  # far below what it reaches
    monkeypatch.setattr(inference, "QUICK_SECONDS", 1e9)
    found = run_inference_benchmark(student, quick=True, threads=1)["rows"]
    at_the_peak = sum(line["floor_ms"] / 1000 for line in found) / inference.USUAL_SHARE
    # A quarter is enough for the first size, 1 x 4 tokens, and at that peak not for the second, 3 x 8.
    monkeypatch.setattr(inference, "QUICK_SECONDS", at_the_peak / 4)
    again = run_inference_benchmark(student, quick=True, threads=1)["rows"]
    assert {line["batch"] for line in found} == {line["batch"] for line in again} == {1, 3}
