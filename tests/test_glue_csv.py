"""The example that cuts csv files from GLUE: no text twice, sources alike in number, pairs as they stand."""

import csv
import gzip
import runpy
from collections import Counter
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "glue_csv.py"


@pytest.fixture
def glue(tmp_path):
    """Ten rows of each file; every text has its number in it, and all tasks share the text 'same'."""
    columns = {
        "sst2": ["sentence"],
        "mrpc": ["sentence1"],
        "qqp": ["question1"],
        "qnli": ["question", "sentence"],
        "mnli": ["premise", "hypothesis"],
    }
    for task, names in columns.items():
        (tmp_path / task).mkdir()
        for split in ("train", "validation_matched"):
            lines = ["\t".join([*names, "label"])]
            lines += [
                "\t".join(
                    [*(f'{task} "{name}": Row {n}, of {split}!' for name in names), str(n % 3)]
                )
                for n in range(10)
            ]
            lines.append("\t".join([*("The same text in All tasks" for _ in names), "0"]))
            with gzip.open(tmp_path / task / f"{split}.tsv.gz", "wt") as file:
                file.write("\n".join(lines) + "\n")
    return tmp_path


def test_every_text_comes_once_and_every_source_as_often(glue, tmp_path):
    made = runpy.run_path(str(EXAMPLE))
    made["SIZES"].update(train=20, test=10, more=6)
    made["main"](glue, tmp_path / "out")
    parts = {
        name: list(csv.reader((tmp_path / "out" / f"six_{name}.csv").open(newline="")))
        for name in ("train", "test", "more")
    }
    assert {name: len(rows) - 1 for name, rows in parts.items()} == made["SIZES"]
    rows = [tuple(row) for part in parts.values() for row in part[1:]]
    texts = [text for text, _ in rows]
    assert len(set(texts)) == len(texts) == 36
    assert Counter(source for _, source in rows) == dict.fromkeys(made["SOURCES"], 6)
    assert all(text == text.lower() and text.replace(" ", "").isalnum() for text in texts)
    pair = next(csv.DictReader((tmp_path / "out" / "pair_test.csv").open(newline="")))
    assert pair == {
        "premise": 'mnli "premise": Row 0, of validation_matched!',
        "hypothesis": 'mnli "hypothesis": Row 0, of validation_matched!',
        "relation": "follows",
    }


def test_a_text_is_cut_to_its_first_words(glue):
    cut = runpy.run_path(str(EXAMPLE))["cut"]
    assert cut("It's a  Test -- (really) ...") == "it's a test really"
    assert cut("word " * 30) == " ".join(["word"] * 24)
