"""Facts of the whole path, on a tiny teacher: artefacts, going on after an end, nothing chosen on validation."""

import json
import shutil

import pytest
import yaml
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import AdaBertError, Architecture
from adabert_nni.benchmark import peers
from adabert_nni.config import Config
from adabert_nni.files import read_json
from adabert_nni.losses import UNLABELLED
from adabert_nni.pipeline import inputs, run, searching, students
from adabert_nni.pipeline.plan import plan
from adabert_nni.pipeline.rows import read_rows

SPACE = {
    "ops": ["std_conv_3", "max_pool_3", "skip_connect", "zero"],
    "nodes": 2,
    "max_depth": 2,
    "dim": 16,
}


@pytest.fixture(scope="module")
def settings(tiny_teacher_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("settings")
    (folder / "space.yml").write_text(yaml.safe_dump(SPACE))
    return {
        "task": "mini-reviews",
        "train_rows": 200,
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 1,
        "probe_epochs": 1,
        "space": str(folder / "space.yml"),
        "search_epochs": 2,
        "search_batch": 50,
        "student_epochs": 1,
        "student_batch": 50,
        "max_length": 48,
        "cache": str(folder / "cache"),
        "repetitions": 1,
    }


@pytest.fixture(scope="module")
def finished(settings, small_peer, tmp_path_factory):
    """One run, its epochs as they were reported, and its folder."""
    output = tmp_path_factory.mktemp("runs") / "one"
    reported = []
    metrics = run.compress(
        Config.from_mapping(settings, "test"), output, lambda epoch, m: reported.append((epoch, m))
    )
    return metrics, reported, output


@pytest.fixture(scope="module", autouse=True)
def small_peer():
    """A small model in the place of BERT-base, whose speed is not what is tested here."""
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
        yield


def test_metrics_hold_what_the_readme_promises(finished):
    metrics, _, output = finished
    promised = {
        *("teacher_accuracy", "student_accuracy", "student_params", "teacher_params", "depth"),
        *("speedup_vs_teacher", "speedup_vs_bert_base"),
    }
    assert promised <= set(metrics)
    assert metrics == read_json(output / "metrics.json")
    assert metrics["speedup_vs_teacher"] == pytest.approx(
        metrics["teacher_ms"] / metrics["student_ms"]
    )


def test_every_artefact_is_there_and_agrees(finished):
    metrics, _, output = finished
    architecture = Architecture.load(output / "architecture.json")
    assert architecture == Architecture.load(output / "search" / "architecture.json")
    assert architecture == Architecture.from_sample(read_json(output / "search" / "sample.json"))
    config = read_json(output / "student" / "config.json")
    assert Architecture.from_dict(config["architecture"]) == architecture
    assert metrics["depth"] == architecture.depth
    assert (output / "cell.svg").read_text().startswith("<svg")
    assert read_json(output / "settings.json")["settings"]["beta"] == 4.0
    for name in ("README.md", "model.safetensors", "tokenizer.json", "modeling.py"):
        assert (output / "student" / name).stat().st_size > 0


def test_each_epoch_reports_numbers_that_the_web_ui_can_draw(finished):
    _, reported, _ = finished
    assert [epoch for epoch, _ in reported] == [0, 1]
    for _, numbers in reported:
        assert {
            "default",
            "loss_ce",
            "loss_kd",
            "loss_e",
            "expected_depth",
            "entropy",
            "tau",
            "free_share",
        } == set(numbers)
        assert all(isinstance(value, float) for value in numbers.values())
        json.dumps(numbers, allow_nan=False)
    assert reported[-1][1]["tau"] == pytest.approx(0.2)  # annealed to its end


def test_a_finished_run_is_not_run_again(settings, finished, monkeypatch):
    metrics, _, output = finished
    for room in (run, students, inputs):
        for stage in {"run_search", "train_student", "finetune_teacher", "build_probes"} & set(
            vars(room)
        ):
            monkeypatch.setattr(room, stage, lambda *a, **k: pytest.fail("ran again"))
    again = run.compress(Config.from_mapping(settings, "test"), output)
    assert again["student_accuracy"] == metrics["student_accuracy"]


def test_a_run_goes_on_from_its_last_finished_stage_and_gives_the_same_student(
    settings, finished, tmp_path
):
    metrics, _, output = finished
    shutil.copytree(output / "search", tmp_path / "killed" / "search")
    again = run.compress(Config.from_mapping(settings, "test"), tmp_path / "killed")
    assert again["student_accuracy"] == metrics["student_accuracy"]
    weights = [
        (path / "student" / "model.safetensors").read_bytes()
        for path in (output, tmp_path / "killed")
    ]
    assert weights[0] == weights[1]


def test_the_same_seed_finds_the_same_architecture_and_weights(settings, finished, tmp_path):
    _, _, output = finished
    run.compress(Config.from_mapping(settings, "test"), tmp_path / "again")
    for name in ("search/architecture.json", "search/search.json"):
        assert (output / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    for name in ("search/supernet.safetensors", "student/model.safetensors"):
        assert (output / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_search_leaves_nothing_of_nnis_behind(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where NNI keeps experiments
    run.compress(Config.from_mapping({**settings, "seed": 1}, "test"), tmp_path / "run")
    left = [path for path in (tmp_path / "home").rglob("*") if "nni" in path.as_posix()]
    assert left == []


def test_a_folder_of_other_settings_is_refused_and_the_key_named(settings, finished):
    _, _, output = finished
    with pytest.raises(AdaBertError, match=r"beta is 4.0, wanted 8.0"):
        run.compress(Config.from_mapping({**settings, "beta": 8}, "test"), output)


def test_search_never_sees_the_validation_rows(settings, monkeypatch, tmp_path):
    seen = []

    def spy(space, search, shape, train, selection, **rest):
        seen.extend([train, selection])
        raise AdaBertError("far enough")

    monkeypatch.setattr(searching, "run_search", spy)
    config = Config.from_mapping(settings, "test")
    with pytest.raises(AdaBertError, match="far enough"):
        run.compress(config, tmp_path / "spied")
    prepared = inputs.prepare(config, 16, read_rows(config.data))
    validation = {tuple(ids.tolist()) for ids in prepared.validation.input_ids}
    for rows in seen:
        assert not validation & {tuple(ids.tolist()) for ids in rows.input_ids}
    assert not (tmp_path / "spied" / "search").exists()  # nothing half-written


def test_augmented_rows_are_learnt_from_in_the_search_and_by_the_student(
    settings, monkeypatch, tmp_path
):
    seen = []

    def spy(room, name, position):
        stage = getattr(room, name)
        monkeypatch.setattr(room, name, lambda *a, **k: seen.append(a[position]) or stage(*a, **k))

    spy(searching, "run_search", 3)
    spy(students, "train_student", 1)
    config = Config.from_mapping({**settings, "augment_copies": 2}, "test")
    run.compress(config, tmp_path / "more")
    for rows in seen:
        assert int((rows.labels != UNLABELLED).sum()) == 200
        assert 200 < int((rows.labels == UNLABELLED).sum()) <= 400
    assert len(seen) == 2
    assert read_json(tmp_path / "more" / "settings.json")["settings"]["augment_copies"] == 2
    epochs = read_json(tmp_path / "more" / "search" / "search.json")["epochs"]
    assert all(0 < epoch["loss_kd"] < 10 and 0 < epoch["loss_ce"] < 10 for epoch in epochs)


def test_a_given_architecture_is_trained_from_fresh_weights_and_its_folder_is_its_own(
    settings, finished, tmp_path
):
    _, _, output = finished
    config, given = Config.from_mapping(settings, "test"), output / "architecture.json"
    metrics = run.train_fixed(config, given, tmp_path / "same")
    trained = Architecture.load(tmp_path / "same" / "architecture.json")
    assert trained == Architecture.load(given)
    assert metrics["depth"] == trained.depth
    with pytest.raises(AdaBertError, match="architecture"):  # a found one is of other settings
        run.train_fixed(config, given, output)


def test_a_run_keeps_its_targets_and_says_so(settings, tmp_path):
    tight = {**settings, "seed": 3, "max_params": 9_000, "max_latency_ms": 1e4, "cost": "measured"}
    metrics = run.compress(Config.from_mapping(tight, "test"), tmp_path / "tight")
    assert metrics["student_params"] <= 9_000
    assert metrics["targets"]["max_params"]["met"]
    assert metrics["targets"]["max_params"]["predicted"] >= metrics["student_params"]
    assert metrics["targets"]["max_latency_ms"]["measured"] > 0
    epoch = read_json(tmp_path / "tight" / "search" / "search.json")["epochs"][-1]
    assert epoch["expected_params"] > 0 and epoch["expected_latency_ms"] > 0


def test_formats_that_are_asked_for_lie_beside_a_finished_student(settings, finished):
    made, _, output = finished
    config = Config.from_mapping({**settings, "export": "onnx, onnx-int8"}, "test")
    metrics = run.compress(config, output)
    assert list(metrics["exports"]) == ["onnx", "onnx-int8"]
    assert metrics["exports"]["onnx"]["accuracy"] == made["student_accuracy"]
    assert run.compress(config, output)["exports"] == metrics["exports"]


def test_a_fresh_student_is_that_of_the_architecture_alone(settings, tmp_path):
    config = Config.from_mapping({**settings, "student_start": "fresh"}, "test")
    run.compress(config, tmp_path / "searched")
    found = tmp_path / "searched" / "architecture.json"
    run.train_fixed(config, found, tmp_path / "trained")
    weights = [
        (tmp_path / run / "student" / "model.safetensors").read_bytes()
        for run in ("searched", "trained")
    ]
    assert weights[0] == weights[1]


def test_the_students_transfer_decides_which_answers_it_is_given(settings, finished, tmp_path):
    _, _, output = finished
    given, seen = output / "architecture.json", []

    def spy(student, train, selection, *rest, **more):
        seen.append(train.teacher)
        raise AdaBertError("far enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(students, "train_student", spy)
        for transfer in ("hierarchical", "last"):
            config = Config.from_mapping({**settings, "transfer": transfer}, "test")
            with pytest.raises(AdaBertError, match="far enough"):
                run.train_fixed(config, given, tmp_path / transfer)
    assert [table.shape[1:] for table in seen] == [(3, 2), (1, 2)]  # J = 3 probes; its own head


def test_nothing_in_a_students_folder_names_a_place_on_this_machine(settings, finished):
    _, _, output = finished
    named = ("teacher", "space", "cache")  # settings that hold folders here
    for file in (output / "student").iterdir():
        data = file.read_bytes()
        assert not [key for key in named if settings[key].encode() in data], file
        assert str(output).encode() not in data, file


def test_a_run_tells_its_p_alpha_by_epoch_and_ends_where_the_search_does(finished):
    _, _, output = finished
    shares = read_json(output / "search" / "p_alpha.json")
    ends = read_json(output / "search" / "search.json")["probs"]
    assert shares.keys() == ends.keys()
    for label, choices in shares.items():
        for choice, by_epoch in choices.items():
            assert len(by_epoch) == 2
            assert by_epoch[-1] == pytest.approx(ends[label][choice], abs=1e-4)


def test_a_run_counts_what_teacher_and_student_got_right(finished):
    metrics, _, output = finished
    told = read_json(output / "evaluation.json")
    for side, counts in told["confusion"].items():
        right = sum(counts[k][k] for k in range(2))
        assert right / told["rows"] == pytest.approx(metrics[f"{side}_accuracy"])
    assert set(told["confusion"]) == {"teacher", "student"}
    assert sum(told["knowledge"]["weights"]) == pytest.approx(1, abs=1e-3)
    assert len(told["knowledge"]["weights"]) == metrics["depth"]
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "Where student and teacher disagree" in page


def test_a_dry_run_sees_that_a_run_is_finished(settings, finished):
    _, _, output = finished
    planned = plan(Config.from_mapping(settings, "test"), output, gflops=1.0)
    states = {step.stage: step.state for step in planned.steps}
    assert (states["search"], states["student"]) == ("done", "done")
