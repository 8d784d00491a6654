"""Facts about the user's own rows, through ``load_splits``."""

import logging

import pytest
from datasets import Dataset, DatasetDict

from adabert_nni.data.loading import load_splits
from adabert_nni.data.splitting import families
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import UNLABELLED
from adabert_nni.problems import CLASSIFICATION, REGRESSION


def write(path, labels, texts=None, header="text,label"):
    texts = texts or [f"text {i}" for i in range(len(labels))]
    lines = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_guess_is_said(tmp_path, caplog):
    path = write(tmp_path / "a.csv", ["up", "down"] * 10, header="story,mood")
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=path, text="story")
    assert (splits.task.texts, splits.task.label) == (("story",), "mood")
    assert "taking column 'story' as text and 'mood' as label" in caplog.text
    assert "taken as classification, by its 2 different labels, which are text" in caplog.text


def test_rows_without_a_label_are_kept_apart_and_counted(tmp_path, caplog):
    path = write(tmp_path / "a.csv", ["a", "b", "", "a", "b"] * 10)
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=path)
    more = splits.unlabelled
    assert more.ids == list(range(2, 50, 5))  # their places in the file
    assert set(more.labels) == {UNLABELLED}
    assert "10 rows have no label" in caplog.text
    parts = (splits.train, splits.selection, splits.validation, more)
    assert sorted(i for part in parts for i in part.ids) == list(range(50))
    for part in parts[:3]:
        assert UNLABELLED not in part.labels


def test_a_file_of_texts_alone_gives_more_rows_with_ids_of_their_own(tmp_path):
    train = write(tmp_path / "a.csv", ["a", "b", "", "a", "b"] * 10)
    (tmp_path / "more.csv").write_text("text\n" + "".join(f"further {i}\n" for i in range(7)))
    splits = load_splits("", train=train, unlabelled=tmp_path / "more.csv")
    assert splits.unlabelled.ids == [*range(2, 50, 5), *range(50, 57)]
    assert splits.unlabelled.texts[-1] == ("further 6",)
    assert set(splits.unlabelled.labels) == {UNLABELLED}


def test_labels_in_a_file_of_unlabelled_rows_are_not_read(tmp_path):
    train = write(tmp_path / "a.csv", ["a", "b"] * 10)
    more = write(tmp_path / "more.csv", ["a", "z"], ["one", "two"])
    splits = load_splits("", train=train, unlabelled=more)
    assert splits.unlabelled.labels == [UNLABELLED] * 2


def test_an_unlabelled_text_of_a_held_out_row_is_dropped(tmp_path, caplog):
    train = write(tmp_path / "a.csv", ["a", "b"] * 20, [f"a whole text {i}" for i in range(40)])
    lines = [f"{part} {i}" for i in range(40) for part in ("a whole text", "text")]
    (tmp_path / "more.csv").write_text("text\n" + "\n".join(lines) + "\n")
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=train, unlabelled=tmp_path / "more.csv")
    held = [texts[0] for part in (splits.selection, splits.validation) for texts in part.texts]
    kept = [texts[0] for texts in splits.unlabelled.texts]
    together = families(held + kept)
    assert not set(together[: len(held)]) & set(together[len(held) :])
    assert len(kept) == 2 * len(splits.train)
    assert f"{2 * len(held)} unlabelled rows have texts of rows that are held out" in caplog.text


def test_validation_rows_without_a_label_are_dropped_with_a_count(tmp_path, caplog):
    train = write(tmp_path / "a.csv", ["a", "b"] * 10)
    held = write(tmp_path / "held.csv", ["a", "", "b"], ["one", "two", "three"])
    splits = load_splits("", train=train, validation=held)
    assert splits.validation.texts == [("one",), ("three",)]
    assert splits.validation.ids == [0, 2]
    assert "held.csv: 1 rows have no label; dropped" in caplog.text


def test_validation_rows_without_any_label_are_refused(tmp_path):
    train = write(tmp_path / "a.csv", ["a", "b"] * 10)
    held = write(tmp_path / "held.csv", ["", ""])
    with pytest.raises(AdaBertError, match=r"held\.csv: none of its 2 rows has a label"):
        load_splits("", train=train, validation=held)


def test_too_few_labels_are_refused_however_many_rows(tmp_path):
    path = write(tmp_path / "a.csv", ["a", "b", "", "", ""] * 3)
    with pytest.raises(AdaBertError, match=r"got 6 rows with a label, at least 8"):
        load_splits("", train=path)


def test_pairs_keep_families_of_their_first_text_together(tmp_path):
    lines = [f"question {i // 2} of all,answer {i},{'ab'[i % 2]}" for i in range(100)]
    (tmp_path / "a.csv").write_text("question,answer,label\n" + "\n".join(lines) + "\n")
    splits = load_splits("", train=tmp_path / "a.csv")
    assert splits.task.texts == ("question", "answer")
    firsts = [
        {texts[0] for texts in part.texts}
        for part in (splits.train, splits.selection, splits.validation)
    ]
    assert not firsts[0] & firsts[1]
    assert not (firsts[0] | firsts[1]) & firsts[2]


def values(count):
    return [f"{(i * 37 % 100) / 4 + 0.1:.2f}" for i in range(count)]


def test_numbers_with_fractions_are_regression_with_one_output(tmp_path):
    splits = load_splits("", train=write(tmp_path / "a.csv", values(100), header="text,stars"))
    task = splits.task
    assert task.problem is REGRESSION
    assert (task.labels, task.metrics[0]) == (("stars",), "r2")
    mean, deviation = task.scale
    known = splits.train.labels  # not those of selection
    assert mean == pytest.approx(sum(known) / len(known))
    assert deviation**2 == pytest.approx(sum((v - mean) ** 2 for v in known) / len(known))


def test_splits_of_values_hold_low_and_high_ones(tmp_path):
    splits = load_splits("", train=write(tmp_path / "a.csv", values(400)))
    whole = sorted(map(float, values(400)))
    for part in (splits.train, splits.selection, splits.validation):
        low = sum(value < whole[200] for value in part.labels) / len(part)
        assert low == pytest.approx(0.5, abs=0.06)


def test_whole_numbers_are_values_where_asked_for(tmp_path):
    path = write(tmp_path / "a.csv", [str(i % 5) for i in range(50)])
    assert load_splits("", train=path).task.problem is CLASSIFICATION
    task = load_splits("", train=path, problem_type="regression").task
    assert task.problem is REGRESSION
    with pytest.raises(AdaBertError, match="line 2: got label 'a', allowed are finite numbers"):
        load_splits("", train=write(tmp_path / "b.csv", ["a", "b"] * 8), problem_type="regression")


@pytest.fixture
def saved(tmp_path):
    """Makes a folder of ``save_to_disk``: labels by split."""

    def save(**splits):
        parts = {
            name: Dataset.from_dict(
                {"text": [f"{name} {i}" for i in range(len(labels))], "label": labels}
            )
            for name, labels in splits.items()
        }
        DatasetDict(parts).save_to_disk(tmp_path / "saved")
        return tmp_path / "saved"

    return save


def test_the_splits_of_a_data_set_are_used_for_what_they_are(saved, caplog):
    folder = saved(train=[0, 1] * 10, validation=[0, 1], test=[0, 1], unsupervised=[None] * 5)
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=folder)
    assert [texts[0] for texts in splits.validation.texts] == ["validation 0", "validation 1"]
    assert [texts[0] for texts in splits.unlabelled.texts] == [
        f"unsupervised {i}" for i in range(5)
    ]
    assert splits.unlabelled.ids == list(range(20, 25))
    assert "its split 'validation' is reported on" in caplog.text


def test_a_test_split_is_reported_on_only_where_it_has_labels(saved):
    folder = saved(train=[0, 1] * 10, test=[0, 1, 0])
    assert load_splits("", train=folder).validation.texts[0] == ("test 0",)


def test_a_test_split_without_labels_leaves_a_tenth_of_the_training_rows(saved, caplog):
    folder = saved(train=[0, 1] * 10, test=[None] * 3)
    with caplog.at_level(logging.INFO):
        splits = load_splits("", train=folder)
    assert len(splits.validation) == 2
    assert "2 of its rows are held out" in caplog.text


def test_a_data_set_without_training_rows_is_refused(saved):
    with pytest.raises(AdaBertError, match="has no split 'train', only test; add one"):
        load_splits("", train=saved(test=[0, 1] * 10))


def test_unlabelled_rows_of_a_split_and_of_a_file_have_ids_of_their_own(saved, tmp_path):
    folder = saved(train=[0, 1] * 10, validation=[0, 1], unsupervised=[None] * 5)
    (tmp_path / "more.csv").write_text("text\n" + "".join(f"another {i}\n" for i in range(4)))
    found = load_splits("", train=folder, unlabelled=tmp_path / "more.csv").unlabelled
    assert found.ids == list(range(20, 29))
