"""A student answers every text once, in order, whatever it came in and goes out by."""

import csv
import gzip
import io
import json
import os
from types import SimpleNamespace

import pytest
import torch

from adabert_nni import cli
from adabert_nni.data.embedded import generate
from adabert_nni.files import read_json
from adabert_nni.student import predict
from adabert_nni.student.stored import load_student

TEXTS = ["a superb plot .", "the soup was not at all dull , but the wine was", "bad", ""]


@pytest.fixture
def student(finished):
    return finished / "student"


@pytest.fixture
def alone(student):
    """What the student says of one text by itself: label and probability."""
    model, tokenizer = load_student(student)

    def ask(text):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        share, best = logits.softmax(-1).max(-1)
        return model.config.id2label[int(best)], pytest.approx(share.item(), abs=1e-5)

    return ask


def said(capsys, *words):
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == cli.OK
    return capsys.readouterr().out


def parsed(text):
    return [json.loads(line) for line in text.splitlines()]


def test_texts_of_the_command_line_are_answered_as_each_alone_would_be(student, alone, capsys):
    found = parsed(said(capsys, "predict", student, *TEXTS))
    assert [row["text"] for row in found] == TEXTS
    assert [(row["label"], row["probability"]) for row in found] == [alone(t) for t in TEXTS]


def test_texts_may_follow_options(student, capsys):
    first = said(capsys, "predict", student, "fine", "a dull film", "--format", "csv")
    assert said(capsys, "predict", student, "fine", "--format", "csv", "a dull film") == first
    assert said(capsys, "predict", student, "--format", "csv", "fine", "a dull film") == first


def test_the_order_stays_over_batches_and_windows(student, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "WINDOW", 2)  # of 2 x 3 rows
    texts = [" ".join(["dull"] * (1 + 7 * i % 11)) for i in range(20)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    told = said(capsys, "predict", student, "--input", tmp_path / "rows.jsonl", "--batch", "3")
    assert [row["text"] for row in parsed(told)] == texts


def test_no_more_than_a_window_is_read_ahead(student):
    read = []

    def endless():
        while True:
            read.append(None)
            yield ("good",)

    answers = predict.predictions(predict.load_classifier(student), endless(), batch=2)
    next(answers)
    assert len(read) == 2 * predict.WINDOW


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_a_column_of_a_file_without_labels_is_answered(
    student, capsys, tmp_path, suffix, separator, packed
):
    data = f"id{separator}review\n1{separator}fine\n2{separator}awful\n".encode()
    path = tmp_path / f"rows{suffix}{packed}"
    path.write_bytes(gzip.compress(data) if packed else data)
    told = said(capsys, "predict", student, "--input", path, "--text", "review")
    assert [row["text"] for row in parsed(told)] == ["fine", "awful"]


def test_lines_of_the_standard_input_are_rows(student, capsys, monkeypatch):
    lines = "gut\nschön , wirklich\n".encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert [row["text"] for row in parsed(said(capsys, "predict", student))] == [
        "gut",
        "schön , wirklich",
    ]


def test_csv_and_jsonl_files_hold_the_same_answers(student, capsys, tmp_path):
    for name in ("a.csv", "a.jsonl"):
        said(capsys, "predict", student, 'say "no", he', "yes", "--output", tmp_path / name)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    other = parsed((tmp_path / "a.jsonl").read_text())
    assert [(r["text"], r["label"], float(r["probability"])) for r in rows] == [
        (r["text"], r["label"], r["probability"]) for r in other
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_texts_with_line_breaks_and_empty_ones_stay_rows_of_their_own(
    student, capsys, tmp_path, form
):
    texts = ["a fine film .\nbut dull", "", "c\rd", 'e,"f"']
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    place = tmp_path / f"out.{form}"
    said(capsys, "predict", student, "--input", tmp_path / "in.csv", "--output", place)
    with place.open(newline="") as file:
        rows = list(csv.DictReader(file)) if form == "csv" else parsed(file.read())
    assert [row["text"] for row in rows] == texts
    assert {row["label"] for row in rows} <= {"negative", "positive"}


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_number_of_rows_is_told_whatever_the_file_is_called(student, capsys, tmp_path, form):
    place = tmp_path / "a.csv"
    told = said(capsys, "predict", student, *TEXTS, "--format", form, "--output", place)
    assert told == f"{len(TEXTS)} rows: {place}\n"


def test_a_broken_input_leaves_no_output_behind(student, capsys, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "fine"}\n{"text": 3}\n')
    words = ["--input", str(tmp_path / "rows.jsonl"), "--output", str(tmp_path / "out.jsonl")]
    assert cli.main(["predict", str(student), *words]) == cli.MISUSED
    assert "line 2" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_evaluate_takes_the_rows_of_its_own_run_and_gives_its_score(
    finished, student, capsys, tmp_path
):
    told = said(capsys, "evaluate", student, "--output", tmp_path / "scores.json")
    wanted = read_json(finished / "metrics.json")["student_accuracy"]
    found = read_json(tmp_path / "scores.json")
    assert found["accuracy"] == wanted
    assert (found["task"], found["rows"]) == ("mini-reviews", 600)
    assert f"accuracy {100 * wanted:.2f} %" in told


def test_an_export_is_evaluated_as_its_student(finished, student, capsys, tmp_path):
    said(capsys, "export", student, "--format", "folded", "--output", tmp_path / "folded")
    said(
        capsys, "evaluate", tmp_path / "folded", "--task", "mini-reviews",
        "--output", tmp_path / "s.json",
    )  # fmt: skip
    wanted = read_json(finished / "metrics.json")["student_accuracy"]
    assert read_json(tmp_path / "s.json")["accuracy"] == pytest.approx(wanted, abs=1 / 600)


def test_evaluate_scores_all_rows_of_a_file_by_the_names_of_classes(student, capsys, tmp_path):
    rows = generate("mini-reviews")["validation"][:50]
    names = ("negative", "positive")
    lines = [f"{texts[0]}\t{names[label]}" for texts, label in rows]
    (tmp_path / "more.tsv").write_text("\n".join(["review\tstars", *lines]) + "\n")
    answers = parsed(said(capsys, "predict", student, *(texts[0] for texts, _ in rows)))
    right = sum(row["label"] == names[label] for row, (_, label) in zip(answers, rows, strict=True))
    words = ["--rows", tmp_path / "more.tsv", "--text", "review", "--label", "stars"]
    assert "50 rows in" in (told := said(capsys, "evaluate", student, *words))
    assert f"accuracy {100 * right / 50:.2f} %" in told
    with (tmp_path / "more.tsv").open("a") as file:
        file.write("without a label\t\n")
    guessed = said(capsys, "evaluate", student, "--rows", tmp_path / "more.tsv")
    assert "50 rows in" in guessed and f"accuracy {100 * right / 50:.2f} %" in guessed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "nowhere", "x"], ["nowhere", "student"]),
        (["predict", "STUDENT", "--input", "gone.csv"], ["gone.csv"]),
        (["predict", "STUDENT", "--input", "rows.txt"], ["rows.txt", ".jsonl"]),
        (["predict", "STUDENT", "--input", "rows.csv", "--text", "txt"], ["txt", "text"]),
        (["predict", "STUDENT", "--input", "rows.csv", "--text-pair", "b"], ["2 text", "--text-pair"]),
        (["predict", "STUDENT", "x", "--format", "xml"], ["xml", "jsonl"]),
        (["predict", "STUDENT", "x", "--output", "a.xml"], ["xml", "jsonl"]),
        (["predict", "STUDENT", "x", "--input", "rows.csv"], ["--input", "one of them"]),
        (["predict", "STUDENT", "--text", "b"], ["--text-pair name columns of --input"]),
        (["predict", "STUDENT", "x", "--batch", "0"], ["'0'"]),
        (["predict", "STUDENT", "x", "--fromat", "csv"], ["--fromat", "did you mean '--format'"]),
        (["evaluate", "STUDENT", "more"], ["'more'", "evaluate --help"]),
        (["evaluate", "nowhere"], ["nowhere"]),
        (["evaluate", "STUDENT", "--task", "mini-claims"], ["entailment", "positive"]),
        (["evaluate", "STUDENT", "--rows", "rows.csv", "--task", "sst2"], ["task", "label"]),
        (["evaluate", "STUDENT", "--rows", "rows.csv", "--label", "b"], ["line 2", "'2'", "negative"]),
        (["evaluate", "STUDENT", "--task", "x"], ["'x'", "mini-claims"]),
        (["evaluate", "STUDENT", "--max-length", "9"], ["--max-length"]),
        (["export", "STUDENT", "--format", "onnx", "--max-length", "9"], ["--max-length"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(student, capsys, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("text,b\nfine,2\n")
    try:
        code = cli.main([str(student) if word == "STUDENT" else word for word in words])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == cli.MISUSED, error
    assert all(word in error for word in told), error
    assert os.listdir(tmp_path) == ["rows.csv"]
