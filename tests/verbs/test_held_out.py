"""A finished student is scored on rows that its run held out, or on others, never on some that it learnt."""

import csv
import shutil

import pytest

from adabert_nni import cli
from adabert_nni.config import DataConfig
from adabert_nni.data.embedded import generate
from adabert_nni.data.loading import load_splits
from adabert_nni.files import read_json, write_json
from adabert_nni.pipeline.rows import HELD_OUT, name_of, read_rows

NAMES = ("negative", "positive")


def written(path, part):
    with path.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(["text", "label"])
        write.writerows([texts[0], NAMES[label]] for texts, label in part)
    return str(path)


@pytest.fixture
def train(tmp_path):
    return written(tmp_path / "train.csv", generate("mini-reviews")["train"][:60])


@pytest.fixture
def student(finished, train, tmp_path):
    """A student of a run with ``train``, from which its validation rows were split off."""
    folder = shutil.copytree(finished / "student", tmp_path / "run" / "student")
    (folder / "manifest.json").unlink()
    held = name_of(read_rows(DataConfig(train=train)).validation)
    write_json(folder / "config.json", {**read_json(folder / "config.json"), HELD_OUT: held})
    write_json(folder.parent / "settings.json", {"settings": {"train": train}})
    return str(folder)


def test_a_student_knows_the_rows_that_its_run_held_out(finished):
    rows = load_splits("mini-reviews").validation
    assert read_json(finished / "student" / "config.json")[HELD_OUT] == name_of(rows)
    assert name_of(rows) != name_of(rows.take(list(range(1, len(rows)))))


def test_rows_that_were_added_since_are_not_split_anew(student, train, tmp_path, capsys):
    assert cli.main(["evaluate", student]) == cli.OK
    exporting = ["export", student, "--format", "folded", "--train", train]
    assert cli.main([*exporting, "--output", str(tmp_path / "one")]) == cli.OK
    written(tmp_path / "train.csv", generate("mini-reviews")["train"][:80])
    for words in (["evaluate", student], [*exporting, "--output", str(tmp_path / "two")]):
        assert cli.main(words) == cli.MISUSED
        told = capsys.readouterr().err
        assert train in told and "may have learnt some of them" in told and "--rows" in told
    assert not (tmp_path / "two").exists()


def test_other_validation_rows_are_scored_whatever_the_run_held_out(student, train, tmp_path):
    other = written(tmp_path / "other.csv", generate("mini-reviews")["validation"][:30])
    scores = str(tmp_path / "scores.json")
    words = ["evaluate", student, "--train", train, "--validation", other, "--output", scores]
    assert cli.main(words) == cli.OK
    assert read_json(tmp_path / "scores.json")["rows"] == 30
