"""In Python the verbs have the names and keys of the command line, and give plain numbers."""

import inspect
import json
from functools import partial

import pytest

import adabert_nni
from adabert_nni import AdaBertError, api, cli
from adabert_nni.files import read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.export import save_student


@pytest.fixture(scope="module")
def student(tiny_tokenizer, tmp_path_factory):
    """An untrained student for mini-reviews."""
    folder = tmp_path_factory.mktemp("student")
    names = {0: "negative", 1: "positive"}
    config = AdaBertConfig(
        Architecture(1, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"}).to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=8,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    model = AdaBertForSequenceClassification(config).eval()
    save_student(model, tiny_tokenizer, folder, scores={}, history=[], seconds=0.0)
    return folder


def test_every_function_is_a_verb_and_those_that_are_no_folders_are_the_packages(monkeypatch):
    assert set(api.__all__) <= set(cli.VERBS)
    for name in set(api.__all__) - {"search", "teacher"}:
        assert getattr(adabert_nni, name) is getattr(api, name)
    with pytest.raises(AttributeError, match="compres"):
        adabert_nni.compres  # noqa: B018


@pytest.mark.parametrize("name", ["compress", "search", "teacher", "probe"])
def test_settings_are_those_of_the_options_and_a_misspelt_one_is_refused(name):
    with pytest.raises(AdaBertError, match=r"unknown key 'betta' \(did you mean 'beta'\?\)"):
        getattr(api, name)(betta=4)
    with pytest.raises(AdaBertError, match=r"known are .*mini-reviews"):
        getattr(api, name)(task="mini-review")


def test_a_yaml_file_is_taken_and_keywords_win(tmp_path, tiny_teacher_dir):
    (tmp_path / "mine.yml").write_text("train_rows: 100\nteacher_epochs: 0\ntask: gone\n")
    cache = tmp_path / "cache"
    given = {"task": "mini-reviews", "teacher": str(tiny_teacher_dir), "cache": cache}
    found = api.teacher(tmp_path / "mine.yml", **given)
    assert found["rows"]["train"] == 100
    assert found["folder"].startswith(str(cache))
    json.dumps(found, allow_nan=False)


def test_predict_gives_a_row_for_a_row(student):
    found = adabert_nni.predict(student, ["good", "bad and dull"], batch=1)
    assert [set(row) for row in found] == [{"label", "probability"}] * 2
    assert all(0.5 <= row["probability"] <= 1 for row in found)  # the larger of two
    with pytest.raises(AdaBertError, match="2 text"):
        adabert_nni.predict(student, [("good", "bad")])


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ("one text", "got the text 'one text'; give a list"),
        (["fine", None], "row 2: got None"),
        ([3], "row 1: got 3"),
        ([("fine", None)], "row 1: got None"),
        ([()], r"got 0 text\(s\) in a row"),
        (["half \ud800"], "row 1: half a surrogate"),
        ([("one", "two")], r"got 2 text\(s\) in a row"),
    ],
)
def test_predict_refuses_what_is_no_text(student, texts, told):
    with pytest.raises(AdaBertError, match=told):
        api.predict(student, texts)


def test_evaluate_and_export_agree_on_the_score(student, tmp_path):
    found = adabert_nni.evaluate(student, task="mini-reviews")
    made = adabert_nni.export(student, "folded", tmp_path / "folded", task="mini-reviews")
    assert found["rows"] == 600
    assert made["student_accuracy"] == found["accuracy"]
    assert read_json(tmp_path / "folded" / "export.json") == made


@pytest.mark.parametrize("ask", [api.evaluate, partial(api.export, format="folded")])
def test_how_much_of_a_row_is_read_is_the_students_own(ask, student):
    with pytest.raises(AdaBertError, match="max_length: got 9, but a finished student reads"):
        ask(student, task="mini-reviews", max_length=9)


def test_every_function_says_what_it_gives():
    assert all(inspect.getdoc(getattr(api, name)) for name in api.__all__)
