"""Csv files that this package has never seen, cut from GLUE: the rows of `results/own-data/`.

    python examples/glue_csv.py ../shared/data/glue data

writes `six_train.csv`, `six_test.csv`, `six_more.csv` (`text, source`: which of six sources a text is from) and
`pair_train.csv`, `pair_test.csv` (`premise, hypothesis, relation`). The texts of the sources are cut to 24 words
without capitals and punctuation, which would give most away.
Standard library only; the same files give the same rows.
"""

import csv
import gzip
import random
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

SOURCES = {
    "film review": ("sst2", "sentence"),
    "news": ("mrpc", "sentence1"),
    "forum question": ("qqp", "question1"),
    "quiz question": ("qnli", "question"),
    "encyclopedia": ("qnli", "sentence"),
    "speech or prose": ("mnli", "premise"),
}
RELATIONS = ("follows", "neither", "contradicts")  # MNLI's 0, 1, 2
SIZES = {"train": 5000, "test": 1000, "more": 4800}
FEWEST, MOST = 5, 24  # words of a text


def rows(glue: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of `<task>/<split>.tsv.gz`."""
    with gzip.open(glue / f"{name}.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def cut(text: str) -> str:
    """The first words, in small letters."""
    return " ".join(re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower())[:MOST])


def six(glue: Path) -> Iterator[tuple[str, str]]:
    """As many texts of each source, in a seeded order; no text comes twice."""
    wanted = -(-sum(SIZES.values()) // len(SOURCES))
    found, seen = list[tuple[str, str]](), set[str]()
    for source, (task, column) in SOURCES.items():
        texts = sorted({cut(row[column]) for row in rows(glue, f"{task}/train")} - seen)
        seen |= set(texts)
        long_enough = [text for text in texts if text.count(" ") + 1 >= FEWEST]
        found += [(text, source) for text in random.Random(0).sample(long_enough, wanted)]
    random.Random(0).shuffle(found)
    yield from found


def pairs(glue: Path, split: str, count: int) -> Iterator[tuple[str, str, str]]:
    """The first pairs of MNLI, as they stand."""
    for row, _ in zip(rows(glue, f"mnli/{split}"), range(count), strict=False):
        yield row["premise"], row["hypothesis"], RELATIONS[int(row["label"])]


def write(path: Path, header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> None:
    """A csv file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *lines])


def main(glue: Path, output: Path) -> None:
    """All five files, below ``output``."""
    output.mkdir(parents=True, exist_ok=True)
    texts = six(glue)
    for name, count in SIZES.items():
        part = [next(texts) for _ in range(count)]
        write(output / f"six_{name}.csv", ("text", "source"), part)
    for name, split in (("train", "train"), ("test", "validation_matched")):
        header = ("premise", "hypothesis", "relation")
        write(output / f"pair_{name}.csv", header, pairs(glue, split, SIZES[name]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
