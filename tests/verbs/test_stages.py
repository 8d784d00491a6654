"""One stage at a time: each verb leaves and tells what the whole run would, and starts from what is there."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from adabert_nni import Architecture, cli, derive, judge
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.pipeline import inputs, searching
from adabert_nni.pipeline import judge as judging
from adabert_nni.student.derive import student_weights
from adabert_nni.student.train import evaluate


def said(capsys, *words):
    """What a command that succeeds prints."""
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == cli.OK
    return capsys.readouterr().out


def test_a_search_alone_is_what_compress_goes_on_from(finished):
    found = Architecture.load(finished / "architecture.json")
    assert found == Architecture.load(finished / "search" / "architecture.json")
    assert (finished / "metrics.json").is_file()  # the fixture compared the times of the supernet


def test_the_scalars_of_a_search_lie_where_nni_looks_for_them(finished):
    assert [p.name for p in (finished / "tensorboard").iterdir()] == ["events.out.tfevents.search"]


def test_teacher_and_probe_tell_the_cached_ones_and_build_nothing(
    finished, options, capsys, monkeypatch
):
    for stage in ("finetune_teacher", "build_probes"):
        monkeypatch.setattr(inputs, stage, lambda *a, **k: pytest.fail("built again"))
    told = said(capsys, "teacher", *options)
    folder = told.split("teacher: ")[1].strip()
    accuracy = read_json(f"{folder}/metrics.json")["validation"]["accuracy"]
    assert f"validation: accuracy {100 * accuracy:.2f} %" in told
    assert read_json(finished / "teacher.json")["folder"] == folder
    told = said(capsys, "probe", *options)
    record = read_json(f"{told.split('probes: ')[1].strip()}/probes.json")
    for layer, share in enumerate(record["selection_accuracy"], start=1):  # of 3 layers
        assert f"| {layer} | {100 * share:.2f} % |" in told
    assert f"| teacher | {100 * record['teacher_selection_accuracy']:.2f} % |" in told


def test_a_derived_student_has_the_supernets_weights(finished, options, capsys, tmp_path):
    cache = options[options.index("--cache") :][:2]
    told = said(capsys, "derive", finished, "--output", tmp_path / "raw", *cache)
    assert str(tmp_path / "raw") in told
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path / "raw")
    architecture = Architecture.load(finished / "architecture.json")
    weights = load_file(finished / "search" / "supernet.safetensors")
    wanted = student_weights(architecture, weights)
    body = student.body.state_dict()
    assert all(torch.equal(body[name], wanted[name]) for name in body)
    scores = read_json(tmp_path / "raw" / "scores.json")["validation"]
    assert f"validation: accuracy {100 * scores['accuracy']:.2f} %" in told


@pytest.mark.parametrize("verb", ["judge", "derive"])
def test_a_collected_trial_has_no_supernet_and_says_so(verb, capsys, tmp_path):
    (tmp_path / "best" / "search").mkdir(parents=True)
    (tmp_path / "best" / "search" / "search.json").write_text("{}")
    assert cli.main([verb, str(tmp_path / "best")]) == cli.MISUSED
    assert "keeps its search without the supernet; give the folder of" in capsys.readouterr().err


def test_a_derived_student_may_start_fresh(finished, options, capsys, tmp_path):
    cache = options[options.index("--cache") :][:2]
    fresh = ["--student-start", "fresh", "--output", tmp_path / "raw"]
    said(capsys, "derive", finished / "search", *fresh, *cache)
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path / "raw")
    weights = load_file(finished / "search" / "supernet.safetensors")
    readout = next(name for name in student.body.state_dict() if name.startswith("readouts"))
    assert not torch.equal(student.body.state_dict()[readout], weights[readout])


def test_a_search_has_students_of_other_settings(finished, options, capsys, tmp_path):
    run, cache = tmp_path / "run", options[options.index("--cache") :]
    words = ("derive", finished, "--fine-tune", "--output", run, *cache)
    assert "student" in said(capsys, *words)
    same, weights = read_json(finished / "metrics.json"), "student/model.safetensors"
    assert (run / weights).read_bytes() == (finished / weights).read_bytes()
    assert read_json(run / "metrics.json")["student_accuracy"] == same["student_accuracy"]
    assert cli.main([str(w) for w in (*words, "--student-lr", "0.1")]) == cli.MISUSED
    assert "student_lr is" in capsys.readouterr().err
    other = derive(finished, tmp_path / "other", fine_tune=True, student_lr=0.1, cache=cache[1])
    assert other["student_params"] == same["student_params"]
    assert (tmp_path / "other" / weights).read_bytes() != (finished / weights).read_bytes()
    made = read_json(tmp_path / "other" / "settings.json")["settings"]
    assert made["student_lr"] == 0.1
    with pytest.raises(AdaBertError, match="got beta, but the search is finished"):
        derive(finished, tmp_path / "third", fine_tune=True, beta=8, cache=cache[1])


def test_compress_with_other_settings_of_the_student_says_how_to_keep_the_search(
    finished, options, capsys
):
    words = ("compress", *options, "--output", finished, "--student-lr", "0.1")
    assert cli.main([str(word) for word in words]) == cli.MISUSED
    wanted = f"`adabert derive {finished} --fine-tune --student-lr 0.1 --output NEW`"
    assert wanted in capsys.readouterr().err


def test_a_search_is_judged_by_its_own_supernet(finished, options, capsys):
    cache = options[options.index("--cache") :][:2]
    told = judge(finished, draws=2, cache=cache[1])
    found = Architecture.load(finished / "architecture.json")
    assert set(told["choices"]) == {*found.edges, "depth"}
    for edge, choice in told["choices"].items():
        assert choice["loss"] == told["found"]["loss"]
        assert choice["best_loss"] <= choice["loss"]
        assert choice["of"] == (2 if edge == "depth" else 3)  # K_max, ops
    assert told["alike"]["deviation"]["loss"] >= 0
    text = said(capsys, "judge", finished, "--draws", "2", "--gradients", "3", *cache)
    assert [
        line.split(" | ")[:2] for line in text.splitlines() if "gumbel" in line or "mean |" in line
    ] == [["| gumbel", "1.00"], ["| gumbel", "0.45"], ["| gumbel", "0.20"], ["| mean", ""]]
    assert f"mean rank of the ops {told['rank']:.1f} of 3; chance gives 2.0" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["derive", "nowhere"], ["nowhere", "adabert search"]),
        (["judge", "nowhere"], ["nowhere", "adabert search"]),
        (["judge", "nowhere", "--draws", "1"], ["draws is 1", "2 or more"]),
        (["teacher", "--task", "mini-review"], ["mini-review", "mini-reviews"]),
        (["probe", "--teacher", "./gone"], ["gone"]),
        (["search", "--space", "papre"], ["papre", "paper"]),
    ],
)
def test_a_mistake_is_one_sentence(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == cli.MISUSED
    error = capsys.readouterr().err
    assert all(word in error for word in told)
    assert "Traceback" not in error
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []


def test_what_is_judged_is_recounted_on_training_rows_and_scored_on_rows_to_select_by(
    finished, options, monkeypatch
):
    cache = options[options.index("--cache") + 1]
    scored, counted, predict, recount = [], [], judging.predict, judging.recount

    def scoring(student, rows, size):
        scored.append((student, rows))
        return predict(student, rows, size)

    def counting(student, batches):
        counted.append((student, {i for batch in batches for i in batch["ids"].tolist()}))
        recount(student, batches)

    monkeypatch.setattr(judging, "predict", scoring)
    monkeypatch.setattr(judging, "recount", counting)
    judge(finished, draws=2, cache=cache)
    _, search = searching.reopen(finished, {"cache": cache})
    selection = search.inputs.selection.ids
    assert all(torch.equal(rows.ids, selection) for _, rows in scored)
    assert [id(student) for student, _ in counted] == [id(student) for student, _ in scored]
    assert all(ids <= set(search.inputs.searched.ids.tolist()) for _, ids in counted)


def test_a_derived_student_tells_its_scores_on_each_kind_of_rows(finished, options, tmp_path):
    cache = options[options.index("--cache") + 1]
    told = derive(finished, tmp_path / "raw", cache=cache)
    student = AutoModelForSequenceClassification.from_pretrained(tmp_path / "raw")
    _, search = searching.reopen(finished, {"cache": cache})
    for name in ("selection", "validation"):
        rows = getattr(search.inputs, name)
        assert told[name] == evaluate(student, rows, ("accuracy",))
