"""Facts about rows and their three splits."""

import json
import logging
import random
import re
from collections import Counter

import pytest

from adabert_nni.data import loading
from adabert_nni.data.files_in import Table
from adabert_nni.data.loading import Rows, load_splits
from adabert_nni.data.tasks import TASKS
from adabert_nni.errors import AdaBertError


def write_tsv(path, labels, texts=None, header="text\tlabel"):
    texts = texts or [f"text {i}" for i in range(len(labels))]
    rows = [f"{text}\t{label}" for text, label in zip(texts, labels, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def shares(rows: Rows) -> dict[int, float]:
    return {label: n / len(rows) for label, n in Counter(rows.labels).items()}


def uneven(count: int) -> list[str]:
    labels = ["a"] * (count * 7 // 10) + ["b"] * (count * 2 // 10)
    labels += ["c"] * (count - len(labels))
    random.Random(0).shuffle(labels)
    return labels


@pytest.mark.parametrize(
    "rows, share, selection",
    [
        (4000, 0.1, 400),  # 10 %
        (4000, 0.3, 1200),
        (1000, 0.1, 200),  # at least 200
        (300, 0.1, 150),  # but never more than half
        (8, 0.1, 4),
    ],
)
def test_the_size_of_the_selection_split(tmp_path, rows, share, selection):
    train = write_tsv(tmp_path / "train.tsv", ["x", "y"] * (rows // 2))
    held = write_tsv(tmp_path / "validation.tsv", ["x", "y"])
    splits = load_splits("", train=train, validation=held, selection_share=share)
    assert (len(splits.selection), len(splits.train)) == (selection, rows - selection)
    assert len(splits.validation) == 2


def test_selection_and_training_rows_are_disjoint_and_whole_and_in_file_order(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", uneven(1000))
    held = write_tsv(tmp_path / "validation.tsv", ["a", "b", "c"])
    splits = load_splits("", train=train, validation=held)
    assert sorted(splits.train.ids + splits.selection.ids) == list(range(1000))
    assert splits.validation.ids == [0, 1, 2]
    for part in (splits.train, splits.selection):
        assert part.ids == sorted(part.ids)
        assert part.texts == [(f"text {i}",) for i in part.ids]  # the id is the place in the file


def test_every_split_keeps_the_shares_of_the_classes(tmp_path):
    splits = load_splits("", train=write_tsv(tmp_path / "train.tsv", uneven(3000)))
    # 300 rows are held out, 270 of the rest select
    assert [len(splits.validation), len(splits.selection), len(splits.train)] == [300, 270, 2430]
    for part in (splits.train, splits.selection, splits.validation):
        assert shares(part) == pytest.approx({0: 0.7, 1: 0.2, 2: 0.1}, abs=1 / len(part))


def test_the_splits_are_a_function_of_the_seed(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", uneven(1000))
    one = load_splits("", train=train, seed=1)
    assert one == load_splits("", train=train, seed=1)
    other = load_splits("", train=train, seed=2)
    assert one.selection.ids != other.selection.ids
    assert one.validation.ids != other.validation.ids


def test_a_carved_validation_split_shares_no_row_and_is_told(tmp_path, caplog):
    train = write_tsv(tmp_path / "train.tsv", uneven(1000))
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=train)
    assert "no validation file; 100 of its rows are held out" in caplog.text
    parts = (splits.train.ids, splits.selection.ids, splits.validation.ids)
    assert sorted(i for ids in parts for i in ids) == list(range(1000))


def test_fewer_training_rows_leave_the_other_splits_as_they_are(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", uneven(1000))
    full = load_splits("", train=train, seed=4)
    part = load_splits("", train=train, seed=4, train_rows=100)
    assert len(part.train) == 100
    assert set(part.train.ids) < set(full.train.ids)
    assert (part.selection, part.validation) == (full.selection, full.validation)
    assert shares(part.train) == pytest.approx({0: 0.7, 1: 0.2, 2: 0.1}, abs=0.01)
    assert part == load_splits("", train=train, seed=4, train_rows=100)


def test_the_fewest_training_rows_are_one_per_class(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", uneven(1000))
    assert sorted(load_splits("", train=train, train_rows=3).train.labels) == [0, 1, 2]
    with pytest.raises(AdaBertError, match=r"train_rows: got 2, at least one per class \(3\)"):
        load_splits("", train=train, train_rows=2)


def test_more_training_rows_than_there_are_take_all_and_warn(tmp_path, caplog):
    train = write_tsv(tmp_path / "train.tsv", uneven(100))
    splits = load_splits("", train=train, train_rows=1000)
    assert splits == load_splits("", train=train)
    assert "train_rows: got 1000, there are 45; all are used" in caplog.text  # 100 - 10 - 45


def test_a_class_of_one_row_stays_where_it_is_learnt(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", ["a"] * 20 + ["rare"])
    for seed in range(20):
        splits = load_splits("", train=train, seed=seed, train_rows=3)
        assert splits.train.labels.count(1) == 1
        assert len(splits.selection) == 9  # half of the 19 that are left of 21


@pytest.mark.parametrize(
    "labels, names, ids",
    [
        (["pos", "neg"], ("neg", "pos"), [1, 0]),  # by name
        (["10", "2"], ("2", "10"), [1, 0]),  # as numbers
        (["5", "0"], ("0", "5"), [1, 0]),  # gaps close up
        (["-1", "1"], ("-1", "1"), [0, 1]),
        (["1", "01"], ("01", "1"), [1, 0]),  # two names of one number, in one fixed order
        (["1", "no"], ("1", "no"), [0, 1]),
        (["None", "NA"], ("NA", "None"), [1, 0]),  # as much a name as any other
    ],
)
def test_own_labels_become_ids_and_keep_their_names(tmp_path, labels, names, ids):
    splits = load_splits("", train=write_tsv(tmp_path / "train.tsv", labels * 10))
    assert splits.task.labels == names
    by_place = dict(zip(splits.train.ids, splits.train.labels, strict=True))
    assert all(label == ids[place % 2] for place, label in by_place.items())


def test_numbers_and_text_name_the_same_classes(tmp_path):
    lines = [json.dumps({"text": f"text {i}", "label": i % 2}) for i in range(20)]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    same = load_splits("", train=write_tsv(tmp_path / "train.tsv", ["0", "1"] * 10))
    assert load_splits("", train=path) == same


def test_own_columns_may_have_any_names(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id,y,q1,q2\n" + "".join(f"{i},{i % 2},a{i},b{i}\n" for i in range(20)))
    splits = load_splits("", train=path, text="q2", text_pair="q1", label="y")
    assert splits.task.texts == ("q2", "q1")
    assert splits.task.label == "y"
    assert splits.train.texts[0] == (f"b{splits.train.ids[0]}", f"a{splits.train.ids[0]}")


def test_empty_texts_are_kept_and_counted(tmp_path, caplog):
    texts = ["", " ", *(f"text {i}" for i in range(18))]
    splits = load_splits("", train=write_tsv(tmp_path / "train.tsv", ["a", "b"] * 10, texts))
    assert len(splits.train) + len(splits.selection) + len(splits.validation) == 20
    counted = re.findall(r"(\d+) of \d+ rows have an empty text; kept", caplog.text)
    assert sum(map(int, counted)) == 2


def test_validation_texts_that_are_learnt_are_counted(tmp_path, caplog):
    train = write_tsv(tmp_path / "train.tsv", ["a", "b"] * 10)
    held = write_tsv(tmp_path / "held.tsv", ["a", "b", "b"], ["text 7", "text 70", "text 8"])
    load_splits("", train=train, validation=held)
    assert "2 of 3 validation rows have a training row's text" in caplog.text


def test_a_validation_label_that_training_does_not_know_is_named_with_its_line(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", ["a", "b"] * 10)
    held = write_tsv(tmp_path / "held.tsv", ["a", "z"])
    with pytest.raises(AdaBertError, match=r"held\.tsv line 3: got label 'z', .* classes a, b;"):
        load_splits("", train=train, validation=held)


@pytest.mark.parametrize(
    "labels, part",
    [
        (["a"] * 20, r"train\.tsv: every label is 'a'; give at least 2 classes"),
        (["a", "b"] * 3, r"train\.tsv: got 6 rows with a label, at least 8 are needed"),
    ],
)
def test_training_rows_that_teach_nothing_are_refused(tmp_path, labels, part):
    with pytest.raises(AdaBertError, match=part):
        load_splits("", train=write_tsv(tmp_path / "train.tsv", labels))


def test_the_training_file_cannot_be_its_own_validation(tmp_path):
    train = write_tsv(tmp_path / "train.tsv", ["a", "b"] * 10)
    (tmp_path / "link.tsv").symlink_to(train)
    with pytest.raises(AdaBertError, match="got the training file again"):
        load_splits("", train=train, validation=tmp_path / "link.tsv")


@pytest.mark.parametrize("stray", ["validation", "text", "text_pair", "label"])
def test_settings_of_own_files_without_own_files_are_refused(stray):
    with pytest.raises(AdaBertError, match="add --train"):
        load_splits("mini-reviews", **{stray: "x"})


@pytest.mark.parametrize("share", [0.0, -0.1, 0.51, float("nan")])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(AdaBertError, match=r"allowed is above 0 up to 0\.5"):
        load_splits("mini-reviews", selection_share=share)


def test_an_embedded_task_needs_nothing_and_its_sizes_are_known():
    splits = load_splits("mini-reviews")
    assert [len(splits.train), len(splits.selection)] == [2700, 300]  # 10 % of 3,000
    assert len(splits.validation) == 600
    assert shares(splits.selection) == {0: 0.5, 1: 0.5}


def test_a_data_folder_takes_plain_and_packed_files_ids_and_names(tmp_path, real_layout):
    folder = real_layout(tmp_path, "rte", "train", "validation")
    splits = load_splits("rte", data_dir=folder)
    assert splits.task == TASKS["rte"]
    assert splits.validation.labels == [0, 1] * 4  # written by name, see below
    assert sorted(splits.train.ids + splits.selection.ids) == list(range(8))


@pytest.fixture
def real_layout():
    def make(root, task, *splits):
        header = "\t".join((*TASKS[task].texts, "label"))
        for split in splits:
            labels = TASKS[task].labels[:2] if split.startswith("v") else ["0", "1"]
            texts = [f"a{i}\tb{i}" for i in range(8)]
            write_tsv(root / task / f"{split}.tsv", list(labels) * 4, texts, header)
        return root

    return make


@pytest.mark.parametrize("name", ["validation", "validation_matched"])
def test_mnli_may_name_its_validation_file_either_way(tmp_path, real_layout, name):
    folder = real_layout(tmp_path, "mnli", "train", name)
    assert len(load_splits("mnli", data_dir=folder).validation) == 8


def test_a_task_that_is_not_in_the_data_folder_is_named_with_the_layout(tmp_path):
    with pytest.raises(
        AdaBertError, match=r"qqp/train\.tsv\[\.gz\]: there is no such file; .*--data"
    ):
        load_splits("qqp", data_dir=tmp_path)


def test_without_a_folder_a_glue_task_comes_from_the_hub(monkeypatch):
    def fake_hub(source, split, texts, label):
        assert (source, texts, label) == (
            ("nyu-mll/glue", "mnli"),
            ("premise", "hypothesis"),
            "label",
        )
        return Table(
            split, [(split, str(i)) for i in range(30)], ["0", "1", "2"] * 10, list(range(30))
        )

    monkeypatch.setattr(loading, "read_hub", fake_hub)
    splits = load_splits("mnli")
    assert splits.validation.texts[0] == ("validation_matched", "0")
    assert splits.train.texts[0][0] == "train"


def test_unlabelled_rows_of_the_hub_are_refused(monkeypatch):
    table = Table("glue sst2 train", [("a",)] * 9, ["0", "1", "-1"] * 3, list(range(1, 10)))
    monkeypatch.setattr(loading, "read_hub", lambda *_: table)
    with pytest.raises(AdaBertError, match="glue sst2 train line 3: got label '-1'"):
        load_splits("sst2")


@pytest.mark.realdata
def test_the_six_glue_tasks_have_the_rows_that_their_sources_list(real_data):
    sources = (real_data / "SOURCES.md").read_text(encoding="utf-8")
    listed = re.findall(r"glue/(\w+)/(\w+)\.tsv\.gz \| (\d+) \| \d+ \| (\{.*?\})", sources)
    assert len(listed) == 12
    expected = {(task, split): (int(rows), labels) for task, split, rows, labels in listed}
    for name in ("sst2", "mrpc", "rte", "qnli", "qqp", "mnli"):
        splits = load_splits(name, data_dir=real_data / "glue")
        parts = {
            "train": splits.train.labels + splits.selection.labels,
            splits.task.validation: splits.validation.labels,
        }
        for split, labels in parts.items():
            counts = {str(label): n for label, n in sorted(Counter(labels).items())}
            assert (len(labels), str(counts)) == expected[name, split]
        share = len(splits.selection) / len(parts["train"])
        assert share == pytest.approx(0.1, abs=1e-3)  # all have above 2,000 rows
        assert all(len(texts) == len(splits.task.texts) for texts in splits.train.texts)
