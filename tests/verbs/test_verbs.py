"""What ``adabert benchmark`` and ``adabert export`` leave behind and say."""

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import cli
from adabert_nni.benchmark import inference, machine, peers
from adabert_nni.benchmark.ops import Times
from adabert_nni.config import SpaceConfig
from adabert_nni.files import read_json, write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.export import save_student


@pytest.fixture
def run_folder(tiny_tokenizer, tiny_teacher_dir, tmp_path, monkeypatch):
    """A run's folder with a student and the name of its teacher; peers are small."""
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    small = BertConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    for name in peers.PEERS:
        monkeypatch.setitem(peers.PEERS, name, lambda _: BertForSequenceClassification(small))
    for module in (inference, machine):
        monkeypatch.setattr(module, "peak_gflops", lambda **_: 100.0)
    monkeypatch.setattr(inference, "QUICK_SHAPES", ((2, 8),))
    monkeypatch.setattr(inference, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(inference, "ROUNDS", 1)
    folder = tmp_path / "run" / "student"
    folder.mkdir(parents=True)
    config = AdaBertConfig(
        Architecture(1, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"}).to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=8,
    )
    student = AdaBertForSequenceClassification(config).eval()
    save_student(student, tiny_tokenizer, folder, scores={}, history=[], seconds=0.0)
    write_json(folder.parent / "teacher.json", {"folder": str(tiny_teacher_dir), "params": 1})
    return folder.parent


def test_the_benchmark_writes_json_and_a_table_with_the_runs_teacher(run_folder, capsys):
    output, before = run_folder / "benchmark.json", torch.get_num_threads()
    words = ["benchmark", "inference", "--student", str(run_folder / "student"), "--quick"]
    assert cli.main([*words, "--threads", "2", "--output", str(output)]) == cli.OK
    found = read_json(output)
    rows = {row["model"]: row for row in found["rows"]}
    assert set(rows) >= {*peers.PEERS, "teacher", "student", "student-folded"}
    size = (run_folder / "student" / "model.safetensors").stat().st_size
    assert rows["student"]["bytes"] == size
    assert (found["settings"]["threads"], torch.get_num_threads()) == (2, before)
    assert [row["length"] for row in found["tokenisation"]] == [8]
    table = output.with_suffix(".md").read_text()
    assert table.count("\n| ") >= len(found["rows"])
    assert table in capsys.readouterr().out


def test_an_export_goes_beside_the_student_and_tells_what_it_lost(run_folder, capsys):
    assert cli.main(["export", str(run_folder / "student"), "--format", "folded"]) == cli.OK
    told = capsys.readouterr().out
    assert "same class as the student: 100.00 %" in told
    assert (run_folder / "student-folded" / "folded.safetensors").is_file()
    record = read_json(run_folder / "student-folded" / "export.json")
    assert record["largest_difference"] <= record["bound"]


def test_an_export_with_rows_tells_the_accuracy(run_folder, capsys):
    words = ["export", str(run_folder / "student"), "--format", "bf16", "--prune-vocabulary"]
    assert cli.main([*words, "--task", "mini-reviews"]) == cli.OK
    assert "accuracy: " in capsys.readouterr().out
    record = read_json(run_folder / "student-bf16" / "export.json")
    assert record["vocabulary"] < AdaBertConfig.from_pretrained(run_folder / "student").vocab_size
    assert 0 <= record["accuracy"] <= 1


def test_the_times_of_ops_are_written_as_a_table_that_a_search_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    output = tmp_path / "times.json"
    words = ["benchmark", "ops", "--space", "small", "--batch", "1", "--length", "8", "--quick"]
    assert cli.main([*words, "--threads", "1", "--output", str(output)]) == cli.OK
    space = SpaceConfig.load("small")
    assert set(Times.load(output, space.ops).cost.ops) == set(space.ops)
    assert "| max_pool_3 " in capsys.readouterr().out
