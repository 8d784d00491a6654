"""Facts of the stage that writes augmented rows: what it writes, and that a killed one ends as any other."""

import json

import pytest

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.loading import load_splits
from adabert_nni.data.tasks import TASKS, Rows, Splits
from adabert_nni.teacher import augmented
from adabert_nni.teacher.augmented import build_augmented, read_augmented, summary
from adabert_nni.teacher.proposals import find_sources


@pytest.fixture(scope="module")
def splits():
    return load_splits("mini-claims", train_rows=60)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(augmented, "CHUNK", 16)  # four of 60 rows


@pytest.fixture
def build(splits, tiny_teacher_dir, tmp_path):
    def run(name: str, kept: Checkpoint | None = None) -> dict:
        (tmp_path / name).mkdir()
        settings = {"copies": 3, "replace": 0.4, "cut": 0.2, "neighbours": 5, "seed": 0}
        sources = find_sources("teacher", tiny_teacher_dir)
        return build_augmented(splits, sources, **settings, folder=tmp_path / name, checkpoint=kept)

    return run


def test_the_file_holds_every_row_with_its_source_and_copy(build, splits, tmp_path):
    report, found = build("a"), read_augmented(tmp_path / "a")
    assert (report["sources"], report["copies"], report["rows"]) == (60, 180, len(found))
    assert 100 < len(found) <= 180
    assert len(set(found.ids)) == len(found)
    assert {number % 2**32 for number in found.ids} <= set(splits.train.ids)
    assert json.loads((tmp_path / "a" / "augmented.json").read_text()) == report


def test_no_augmented_row_comes_from_or_repeats_a_row_that_is_held_out(build, splits, tmp_path):
    build("a")
    found = read_augmented(tmp_path / "a")
    for held in (splits.selection, splits.validation):
        assert not set(held.texts) & set(found.texts)
    assert not {number % 2**32 for number in found.ids} & set(splits.selection.ids)


@pytest.mark.parametrize("saves", [1, 2, 4])
def test_a_killed_one_goes_on_to_the_same_file(build, tmp_path, kill_after, saves, monkeypatch):
    expected = build("whole")
    kill_after(saves)
    with pytest.raises(RuntimeError, match="killed"):
        build("killed", Checkpoint(tmp_path / "kept", {}))
    again, changed = kill_after(0), []
    augment = augmented.augment
    monkeypatch.setattr(
        augmented,
        "augment",
        lambda rows, *a, **k: changed.append(len(rows)) or augment(rows, *a, **k),
    )
    report = build("again", Checkpoint(tmp_path / "kept", {}))
    assert len(again) == len(changed) == 4 - saves  # nothing was done twice
    name = "augmented.jsonl.gz"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {**report, "seconds": 0} == {**expected, "seconds": 0}


def test_the_summary_shows_sources_with_their_copies_below(build, splits, tmp_path):
    build("a")
    lines = summary(splits, tmp_path / "a", 2).splitlines()
    rows = [index for index, line in enumerate(lines) if line.startswith("row ")]
    assert len(rows) == 2
    for index in rows:
        texts = splits.train.texts[splits.train.ids.index(int(lines[index].split()[1]))]
        assert lines[index + 1].strip() == " | ".join(texts)
    assert "of 180 copies of 60 rows" in lines[-1]


@pytest.fixture
def vectors(tmp_path):
    """Vectors by which great stands for good and slow for dull."""
    (tmp_path / "v.txt").write_text("good 1 0\ngreat 1 0.1\ndull 0 1\nslow 0.1 1\n")
    return find_sources(f"glove:{tmp_path / 'v.txt'}", tmp_path)


def rows(*texts: str) -> Rows:
    return Rows([(text,) for text in texts], [0] * len(texts), list(range(len(texts))))


def test_a_copy_that_says_what_a_held_row_says_is_left_out(vectors, tmp_path):
    train = rows("good film", "dull film", "good plot")
    splits = Splits(TASKS["sst2"], train, rows("great film"), rows("slow film"))
    settings = {"copies": 2, "replace": 1.0, "cut": 0.0, "neighbours": 1, "seed": 0}
    build_augmented(splits, vectors, **settings, folder=tmp_path)
    assert read_augmented(tmp_path).texts == [("great plot",)]


def test_the_ends_of_spliced_copies_are_those_of_any_training_row_and_the_seed_draws_them(
    vectors, tmp_path
):
    train = rows(*(" ".join(f"{letter}{i}" for letter in "abcd") for i in range(60)))
    splits = Splits(TASKS["sst2"], train, rows(), rows())
    settings = {"copies": 1, "replace": 0.0, "cut": 0.0, "neighbours": 1, "splice": 1.0}
    made = []
    for seed in (0, 1):
        build_augmented(splits, vectors, **settings, seed=seed, folder=tmp_path)
        made.append([text.split() for (text,) in read_augmented(tmp_path).texts])
    chunks = [
        [int(word[1:]) // augmented.CHUNK for word in (text[0], text[-1])] for text in made[0]
    ]
    assert any(own != partner for own, partner in chunks)
    assert made[0] != made[1]
