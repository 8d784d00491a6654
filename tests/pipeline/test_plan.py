"""A plan tells what is there and what is not, and counts what a run computes."""

import pytest

from adabert_nni import AdaBertError, cli
from adabert_nni.config import Config
from adabert_nni.data.tasks import TASKS, Rows, Splits
from adabert_nni.folders import write_manifest
from adabert_nni.pipeline import plan
from adabert_nni.spaces import SpaceConfig

SPACE = SpaceConfig(ops=("std_conv_3", "zero"), nodes=1, dim=16, max_depth=3)


def splits(train=10, selection=4, validation=2):
    parts = (Rows([("x",)] * n, [0] * n, list(range(n))) for n in (train, selection, validation))
    return Splits(TASKS["mini-reviews"], *parts)


def costs(**settings):
    config = Config.from_mapping({"teacher": "minilm-l6", **settings}, "test")
    return plan.costs_of(config, SPACE, splits(), 5.0, 1000)


def test_costs_are_those_worked_out_by_hand():
    found = costs(teacher_epochs=2, search_epochs=3, student_epochs=0, repetitions=1)
    # 10, 4 and 2 rows of 5 tokens; 2 FLOP a weight; two epochs of 3 * 10 + 4 rows, then 4 + 2
    assert found["teacher"] == 2000 * 5 * (2 * 34 + 6)
    assert found["probes"] == 2000 * 5 * 14
    # 2 edges; a convolution has 3 * 16 * 16 + 16 = 784 multiply-adds, so all ops 2 * 2 * 784 = 3136
    # a token and cell, a drawn one of two half of it; depth (3 + 1) / 2 = 2 on average.
    # exact: all forward, drawn backward (twice): 3136 + 2 * 1568 = 6272
    assert found["search"] == 3 * 2 * (6272 * 50 + 1568 * 20)
    assert found["student"] == 2 * 1568 * (20 + 10)
    assert found["report"] == 2 * 32 * 128 * (2 * 85e6 + 2000)


def test_copies_cost_what_rows_do_and_the_search_may_leave_them_out():
    plain = costs(search_epochs=3)
    both = costs(search_epochs=3, augment_copies=2)
    student = costs(search_epochs=3, augment_copies=2, augment_for="student")
    assert both["probes"] == 2000 * 5 * (3 * 10 + 4)
    assert both["search"] - plain["search"] == 3 * 2 * 6272 * 2 * 50
    assert student == {**both, "search": plain["search"]}


def test_the_sampled_estimator_computes_only_what_is_drawn():
    sampled = costs(search_epochs=3, estimator="sampled")["search"]
    assert sampled == 3 * 2 * (3 * 1568 * 50 + 1568 * 20)


def test_the_warm_up_and_rows_of_the_weights_alone_cost_only_what_is_drawn():
    warm = costs(search_epochs=3, alpha_warmup=1)["search"]
    assert warm == 2 * (3 * 1568 * 50 + 2 * 6272 * 50 + 3 * 1568 * 20)
    apart = costs(search_epochs=3, alpha_warmup=1, alpha_share=0.2)["search"]  # 2 rows of 10
    weights, alphas = 3 * 3 * 1568 * 40, 2 * 6272 * 10
    assert apart == pytest.approx(2 * (weights + alphas + 3 * 1568 * 20))


@pytest.fixture
def config(tiny_teacher_dir, tmp_path):
    given = {"teacher": str(tiny_teacher_dir), "cache": str(tmp_path / "cache"), "space": "small"}
    return Config.from_mapping({**given, "train_rows": 100}, "test")


def states(made):
    return [step.state for step in made.steps]


def test_what_is_missing_begun_and_finished(config, tmp_path):
    first = plan.plan(config, tmp_path / "run", gflops=1.0)
    assert states(first) == ["missing"] * 5
    assert list(tmp_path.iterdir()) == []  # nothing is written
    assert first.rows == {"train": 100, "selection": 300, "validation": 600}
    assert first.seconds == pytest.approx(sum(step.tflop for step in first.steps) * 1e3 / 0.5)
    teacher, probes, search, *_ = (plan.Path(step.folder) for step in first.steps)
    teacher.mkdir(parents=True)
    write_manifest(teacher, {})
    (probes.with_name(f"{probes.name}.checkpoint") / "000001").mkdir(parents=True)
    search.mkdir(parents=True)
    write_manifest(search, {**config.deciding(), "inputs": probes.name})
    then = plan.plan(config, tmp_path / "run", gflops=1.0)
    assert states(then) == ["cached", "begun", "done", "missing", "missing"]
    assert then.seconds < first.seconds


def test_a_folder_of_other_settings_is_refused_as_a_run_would(config, tmp_path):
    (tmp_path / "run" / "search").mkdir(parents=True)
    write_manifest(tmp_path / "run" / "search", {**config.deciding(), "beta": 1.0})
    with pytest.raises(AdaBertError, match=r"beta is 1.0, wanted 4.0"):
        plan.plan(config, tmp_path / "run", gflops=1.0)


def test_a_teachers_encoder_is_counted_without_its_embeddings(tiny_teacher_dir):
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(tiny_teacher_dir)
    embedded = sum(p.numel() for n, p in model.named_parameters() if "_embeddings" in n)
    whole = sum(p.numel() for p in model.parameters())
    assert plan.encoder_weights(tiny_teacher_dir) == whole - embedded


def test_a_dry_run_tells_folders_and_an_estimate(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    monkeypatch.setattr(plan, "peak_gflops", lambda *a: 100.0)
    options = ["--teacher", config.teacher.teacher, "--cache", str(config.run.cache)]
    words = ["compress", "--dry-run", *options, "--space", "small", "--output", str(tmp_path / "o")]
    assert cli.main(words) == cli.OK
    told = capsys.readouterr().out
    assert "2700 train, 300 selection, 600 validation" in told
    assert str(tmp_path / "o" / "search") in told
    assert "an estimate" in told and "50 GFLOP/s" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("seconds", "told"), [(59, "59 s"), (90, "2 min"), (5000, "83 min"), (7200, "2.0 h")]
)
def test_a_duration_is_told_in_the_unit_that_fits(seconds, told):
    from adabert_nni.verbs.runs import duration

    assert duration(seconds) == told
