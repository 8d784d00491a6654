"""What ``adabert benchmark`` leaves behind and says."""

import torch

from adabert_nni import cli
from adabert_nni.benchmark import peers
from adabert_nni.benchmark.ops import Times
from adabert_nni.files import read_json
from adabert_nni.spaces import SpaceConfig


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


def test_the_times_of_ops_are_written_as_a_table_that_a_search_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    output = tmp_path / "times.json"
    words = ["benchmark", "ops", "--space", "small", "--batch", "1", "--length", "8", "--quick"]
    assert cli.main([*words, "--threads", "1", "--output", str(output)]) == cli.OK
    space = SpaceConfig.load("small")
    assert set(Times.load(output, space.ops).cost.ops) == set(space.ops)
    assert "| max_pool_3 " in capsys.readouterr().out
