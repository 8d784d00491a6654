"""Regression through the command line: a student answers with values, in the unit of its labels."""

import csv
import io
import json
import runpy
from pathlib import Path

import pytest
import torch

from adabert_nni import AdaBertError, cli, evaluate, predict
from adabert_nni.data.embedded import generate
from adabert_nni.files import read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.export import save_student
from adabert_nni.student.stored import load_student

TEXTS = ["the room was good .", "bad", "the plot was dull , but the wine was not ."]
COLUMNS = ["--text", "review", "--label", "stars"]


@pytest.fixture(scope="module")
def student(tiny_tokenizer, tmp_path_factory):
    """An untrained student of one value."""
    folder = tmp_path_factory.mktemp("run") / "student"
    folder.mkdir()
    torch.manual_seed(0)
    config = AdaBertConfig(
        Architecture(1, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"}).to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=8,
        num_labels=1,
        id2label={0: "stars"},
        problem_type="regression",
    )
    model = AdaBertForSequenceClassification(config).eval()
    save_student(model, tiny_tokenizer, folder, scores={}, history=[], seconds=0.0)
    return folder


@pytest.fixture(scope="module")
def values(student):
    """What the student's model says of each of ``TEXTS`` by itself."""
    model, tokenizer = load_student(student)
    with torch.no_grad():
        return [model(**tokenizer(text, return_tensors="pt")).logits.item() for text in TEXTS]


def said(capsys, *words):
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == cli.OK
    return capsys.readouterr().out


def near(values):
    return pytest.approx(values, abs=1e-5)


def rows_file(path, labels):
    lines = [json.dumps({"review": t, "stars": v}) for t, v in zip(TEXTS, labels, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_predict_gives_the_models_values(student, values, capsys):
    assert [row["value"] for row in predict(student, TEXTS, batch=2)] == near(values)
    told = [json.loads(line) for line in said(capsys, "predict", student, *TEXTS).splitlines()]
    assert [row["value"] for row in told] == near(values)
    assert all(set(row) == {"text", "value"} for row in told)
    table = csv.DictReader(io.StringIO(said(capsys, "predict", student, *TEXTS, "--format", "csv")))
    assert [float(row["value"]) for row in table] == near(values)


def test_evaluate_scores_the_values_of_a_file(student, values, tmp_path):
    # Labels one above and one below what is said in turn: every error is 1, so is its root mean square.
    labels = [value + sign for value, sign in zip(values, (1, -1, 1), strict=True)]
    found = evaluate(student, rows_file(tmp_path / "a.jsonl", labels), text="review", label="stars")
    assert found["rmse"] == near(1.0)
    mean = sum(labels) / 3
    assert found["r2"] == pytest.approx(1 - 3 / sum((v - mean) ** 2 for v in labels), abs=1e-4)
    some = rows_file(tmp_path / "b.jsonl", [labels[0], None, labels[2]])
    assert evaluate(student, some, text="review", label="stars")["rows"] == 2
    with pytest.raises(AdaBertError, match="no row has a label in column 'stars'"):
        none = rows_file(tmp_path / "c.jsonl", [None, None, None])
        evaluate(student, none, text="review", label="stars")


def test_an_export_tells_no_agreement_of_classes_and_is_served_as_values(
    student, values, capsys, tmp_path
):
    pytest.importorskip("onnxruntime")
    told = said(capsys, "export", student, "--format", "onnx", "--output", tmp_path / "onnx")
    assert "largest difference" in told
    assert "same class" not in told
    example = Path(__file__).parents[2] / "examples" / "serve_onnx.py"
    classify = runpy.run_path(str(example))["Classifier"](tmp_path / "onnx")
    assert [row["value"] for row in classify(TEXTS)] == near(values)


def test_single_stages_tell_r2_and_a_derived_student_scores_what_derive_said(
    options, capsys, tmp_path
):
    with open(tmp_path / "rows.csv", "w", newline="", encoding="utf-8") as file:
        write = csv.writer(file).writerow
        write(["review", "stars"])
        for number, ((text,), label) in enumerate(generate("mini-reviews")["train"][:300]):
            write([text, f"{3 * label + 20 + number % 7 / 10:.1f}"])
    words = [*options, "--train", tmp_path / "rows.csv", *COLUMNS, "--output", tmp_path / "run"]
    assert "selection r2 in the supernet: " in said(capsys, "search", *words)
    assert "%" not in said(capsys, "probe", *words)
    derived = tmp_path / "derived"
    told = said(capsys, "derive", tmp_path / "run", "--output", derived)
    assert "%" not in told
    scores = read_json(derived / "scores.json")["validation"]
    data = {"train": str(tmp_path / "rows.csv"), "text": "review", "label": "stars"}
    again = evaluate(derived, **data)
    assert {name: again[name] for name in scores} == {k: near(v) for k, v in scores.items()}
    assert scores["rmse"] < 5  # around 22, where the labels are: in their unit, not in deviations
