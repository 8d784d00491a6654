"""A handful of strange rows is a whole run; a million rows are read in bounded memory."""

import json
import logging
import multiprocessing
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from adabert_nni.benchmark.memory import PeakMemory
from adabert_nni.config import Config
from adabert_nni.data.files_in import read_table
from adabert_nni.pipeline import run

SPAWN = multiprocessing.get_context("spawn")  # a process whose memory is its own
ODD = [
    "word " * 200_000,  # a megabyte
    "",
    "a\x00b",
    "\u05e9\u05dc\u05d5\u05dd",
    "\U0001f600\U0001f600",
    "\u202egood",
    "null",
    "\u00ad",  # no token at all
]


@pytest.mark.parametrize("batch", [128, 4])  # more than there are rows; a last batch of one
def test_a_run_on_a_few_odd_rows_ends_with_finite_logits(settings, quick, tmp_path, caplog, batch):
    lines = [{"text": text, "label": i % 2} for i, text in enumerate(ODD)]
    lines += [{"text": f"text {i}", "label": i % 2} for i in range(12)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    flat = {**settings, "train": str(tmp_path / "rows.jsonl"), "cache": str(tmp_path / "cache")}
    sizes = dict.fromkeys(("teacher_batch", "search_batch", "student_batch"), batch)
    config = Config.from_mapping({**flat, **sizes, "validation": None}, "test")
    caplog.set_level(logging.INFO, "adabert_nni")
    metrics = run.compress(config, tmp_path / "run")
    # 20 rows, of which 2 are held out and half of the others select: 9 = 4 + 4 + 1 are learnt from
    assert (
        "9 rows to train, 0 of them without a label, 9 to select by, 2 to report on" in caplog.text
    )
    assert "rows have an empty text; kept" in caplog.text
    assert "1 of 9 rows were cut to 32 tokens" in caplog.text
    assert 0 <= metrics["student_accuracy"] <= 1
    folder = tmp_path / "run" / "student"
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ODD:
        given = tokenizer(text, return_tensors="pt", truncation=True)
        assert torch.isfinite(model(**given).logits).all()


def _read(path: Path, pipe) -> None:
    memory = PeakMemory()
    table = read_table(path, ("text",), "label")
    grown = memory.bytes()
    pipe.send((len(table.labels), sum(len(text) for (text,) in table.texts), grown))


def peak(path: Path) -> tuple[int, int, int]:
    """Rows, characters, and the most bytes that reading held at once in a process of its own."""
    mine, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_read, args=(path, theirs))
    process.start()
    found = mine.recv()
    process.join(60)
    return found


def write(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("id,text,label,rest\n")
        for i in range(rows):
            file.write(f"{i},the film number {i} was not at all what we had hoped for,{i % 2},x\n")


@pytest.mark.slow
def test_a_million_rows_cost_their_texts_and_little_more(tmp_path, record_property):
    write(tmp_path / "rows.csv", 1_000_000)
    rows, characters, grown = peak(tmp_path / "rows.csv")
    assert rows == 1_000_000
    record_property("megabytes", f"{characters / 1e6:.0f} of text, {grown / 1e6:.0f} held")
    assert grown > characters  # what was measured is the reading
    # A str is 49 bytes beside its text, its tuple 48 and two references 16; the number of a line 32.
    assert grown < 1.25 * (characters + rows * (49 + 48 + 8 + 8 + 8 + 32))


@pytest.mark.slow
def test_reading_holds_no_column_that_is_not_asked_for(tmp_path):
    path = tmp_path / "wide.csv"
    with path.open("w") as file:
        file.write("text,label,rest\n")
        for i in range(20_000):
            file.write(f"text {i},{i % 2},{'x' * 5000}\n")
    rows, _, grown = peak(path)
    assert rows == 20_000
    assert grown < 0.3 * path.stat().st_size  # 100 MB
