"""A baseline's run: the teacher and the rows of every other run, the same numbers, and no second training."""

from dataclasses import replace

import pytest
import torch

from adabert_nni.config import Config
from adabert_nni.data.tasks import TASKS
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.paper import baseline
from adabert_nni.paper.baseline import train_baseline
from adabert_nni.paper.cells import Asked
from adabert_nni.paper.run import RUNNERS, run_cell
from adabert_nni.paper.tables import TABLES
from adabert_nni.pipeline import inputs
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.student.draw import draw_any

TASK = {"task": "mini-reviews"}


def test_a_baseline_shares_the_teacher_and_is_not_trained_twice(
    tiny_settings, small_base, tmp_path, monkeypatch
):
    settings = {**tiny_settings, **TASK, "seed": 5}
    config = Config.from_mapping(settings, "test")
    first = train_baseline(config, "bilstm-soft", tmp_path / "lstm")
    monkeypatch.setattr(inputs, "finetune_teacher", lambda *a, **k: pytest.fail("a second teacher"))
    got = train_baseline(config, "bert-pkd-half", tmp_path / "pkd")
    assert got["teacher_accuracy"] == first["teacher_accuracy"]
    assert got["student_params"] < got["teacher_params"]
    assert got == read_json(tmp_path / "pkd" / "metrics.json")
    monkeypatch.setattr(baseline, "run_baseline", lambda *a, **k: pytest.fail("ran again"))
    again = train_baseline(config, "bert-pkd-half", tmp_path / "pkd")
    assert again["student_accuracy"] == got["student_accuracy"]
    other = Config.from_mapping({**settings, "baseline_epochs": 2}, "test")
    with pytest.raises(AdaBertError, match="epochs is 1, wanted 2"):
        train_baseline(other, "bert-pkd-half", tmp_path / "pkd")


def test_an_unknown_baseline_is_refused_before_anything_is_built(tiny_settings, tmp_path):
    config = Config.from_mapping({**tiny_settings, **TASK}, "test")
    with pytest.raises(AdaBertError, match="known are bert-pkd-half"):
        train_baseline(config, "bert", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_every_kind_of_cell_runs_for_real(tiny_settings, small_base, tmp_path):
    asked = Asked(tasks=["mini-reviews"], overrides=tiny_settings)
    crossed = {cell.kind: cell for cell in TABLES["table3"](asked)}
    found = [*TABLES["table1"](asked)[:3], *crossed.values()]
    assert {cell.kind for cell in found} == RUNNERS.keys()
    places = tmp_path / "runs", tmp_path / "results"
    records = {cell.kind: run_cell(cell, *places, tiny_settings) for cell in found}
    for kind, record in records.items():
        assert 0 <= record["value"] <= 1
        assert record["params"] > 0
        assert record["speedup"] > 0
        assert record["teacher_scores"] == records["teacher"]["scores"], kind
    assert records["fixed"]["architecture"] == records["compress"]["architecture"]
    assert records["random"]["architecture"] != records["compress"]["architecture"]
    assert records["random"]["depth"] == records["compress"]["depth"]
    drawn = draw_any(("std_conv_3", "max_pool_3", "skip_connect"), 2, 2, crossed["uniform"].seed)
    assert records["uniform"]["architecture"] == drawn.to_dict()


def test_every_kind_of_cell_computes_with_the_threads_that_are_asked_for(
    tiny_settings, small_base, tmp_path, monkeypatch
):
    before, used = torch.get_num_threads(), {}
    train = inputs.finetune_teacher

    def watched(*args, **more):
        used[kind] = torch.get_num_threads()
        return train(*args, **more)

    monkeypatch.setattr(inputs, "finetune_teacher", watched)
    settings = {**tiny_settings, "threads": 1}
    asked = Asked(tasks=["mini-reviews"], overrides=settings)
    cells = [*TABLES["table1"](asked)[:3], *TABLES["table3"](asked)]
    try:
        for kind, cell in {cell.kind: cell for cell in cells if cell.source is None}.items():
            torch.set_num_threads(2)
            own = replace(cell, settings={**cell.settings, "cache": str(tmp_path / kind)})
            RUNNERS[kind](own, tmp_path / "runs" / kind)
    finally:
        torch.set_num_threads(before)
    assert used == dict.fromkeys(("teacher", "compress", "baseline", "uniform"), 1)


def test_a_baseline_is_timed_with_the_tokens_that_a_student_is(tiny_settings, small_base, tmp_path):
    flat = {**tiny_settings, **TASK, "max_length": 32, "baseline_epochs": 1}
    config = Config.from_mapping(flat, "test")
    assert baseline.train_baseline(config, "bilstm-soft", tmp_path / "run")["length"] == 32


def test_rows_with_numbers_are_refused_before_the_teacher_is_trained(tmp_path, monkeypatch):
    (tmp_path / "rows.csv").write_text(
        "text,stars\n" + "".join(f"row {i},{i + 0.5}\n" for i in range(300))
    )
    monkeypatch.setattr(baseline, "prepare", lambda *_: pytest.fail("the teacher was asked for"))
    config = Config.from_mapping({"train": str(tmp_path / "rows.csv")}, "test")
    with pytest.raises(AdaBertError, match=r"tinybert: the labels of .* are numbers"):
        baseline.train_baseline(config, "tinybert", tmp_path / "run")


def test_a_task_is_chosen_by_its_first_metric_and_may_have_a_loss_of_its_own(
    tiny_settings, small_base, tmp_path, monkeypatch
):
    own = replace(CLASSIFICATION, task_loss=lambda logits, labels: logits.square().mean())
    task = replace(TASKS["mini-reviews"], metrics=("f1", "accuracy"), problem=own)
    monkeypatch.setitem(TASKS, "mini-reviews", task)
    cells = TABLES["table1"](Asked(tasks=["mini-reviews"], overrides=tiny_settings))
    for cell in cells:
        if cell.system in ("teacher", "adabert", "bilstm-soft"):
            record = run_cell(cell, tmp_path / "runs", tmp_path / "results", {})
            assert (record["metric"], list(record["scores"])) == ("f1", ["f1", "accuracy"])
            assert 0 <= record["selection_f1"] <= 1


def test_what_is_asked_for_wins_over_a_baselines_own_recipe(tiny_settings, tmp_path, monkeypatch):
    seen = []

    def look(*given, **recipe):
        seen.append(recipe)
        raise AdaBertError("far enough")

    monkeypatch.setattr(baseline, "run_baseline", look)
    own = {"baseline_epochs": 3, "baseline_lr": 0.25, "baseline_batch": 7, "seed": 9}
    for number, more in enumerate(({}, own)):
        flat = {k: v for k, v in tiny_settings.items() if k != "baseline_epochs"}
        config = Config.from_mapping({**flat, **TASK, **more}, "test")
        with pytest.raises(AdaBertError, match="far enough"):
            train_baseline(config, "tinybert", tmp_path / str(number))
    keys = ("epochs", "lr", "batch_size", "seed")
    assert [tuple(told[key] for key in keys) for told in seen] == [
        (8, 3e-4, 32, 0),
        (3, 0.25, 7, 9),
    ]
