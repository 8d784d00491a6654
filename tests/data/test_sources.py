"""Facts about own rows by name: files, folders of ``save_to_disk``, parquet, the hub."""

import socket
import time

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from adabert_nni.data import sources
from adabert_nni.data.sources import read_source
from adabert_nni.errors import AdaBertError

NAMES = ["negative", "positive"]
FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=NAMES)})


def rows(count: int, label: int | None = None) -> Dataset:
    labels = [i % 2 if label is None else label for i in range(count)]
    return Dataset.from_dict(
        {"text": [f"text {i}" for i in range(count)], "label": labels}, FEATURES
    )


def test_a_folder_of_one_data_set_is_its_training_rows_with_names_for_classes(tmp_path):
    rows(4).save_to_disk(tmp_path / "saved")
    found = read_source(str(tmp_path / "saved"))
    assert list(found) == ["train"]
    assert list(found["train"].records)[1] == (2, {"text": "text 1", "label": "positive"})
    assert found["train"].classes == {"label": NAMES}


def test_a_folder_of_several_splits_gives_those_that_have_a_use(tmp_path):
    parts = {"train": 4, "dev": 3, "test": 2, "unsupervised": 5, "extra": 6}
    DatasetDict({name: rows(n) for name, n in parts.items()}).save_to_disk(tmp_path / "saved")
    found = read_source(str(tmp_path / "saved"))
    sizes = {name: len(list(source.records)) for name, source in found.items()}
    assert sizes == {"train": 4, "validation": 3, "test": 2, "unsupervised": 5}


def test_hidden_labels_are_none(tmp_path):
    rows(3, label=-1).save_to_disk(tmp_path / "saved")
    (source,) = read_source(str(tmp_path / "saved")).values()
    assert [record["label"] for _, record in source.records] == [None] * 3


def test_columns_of_several_values_a_row_are_left_out(tmp_path):
    data = {"text": ["a", "b"], "y": [True, False], "tokens": [[1], [2]]}
    Dataset.from_dict(data).save_to_disk(tmp_path / "saved")
    (source,) = read_source(str(tmp_path / "saved")).values()
    assert source.records == [(1, {"text": "a", "y": "True"}), (2, {"text": "b", "y": "False"})]


def test_a_parquet_file_keeps_the_names_of_its_classes(tmp_path):
    rows(4).to_parquet(tmp_path / "rows.parquet")
    (source,) = read_source(str(tmp_path / "rows.parquet")).values()
    assert [record["label"] for _, record in source.records] == NAMES * 2
    assert source.classes == {"label": NAMES}


def test_a_file_is_its_training_rows(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nfine,1\n")
    found = read_source(str(tmp_path / "a.csv"))
    assert list(found["train"].records) == [(2, {"text": "fine", "label": "1"})]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("rows.parquet", b"no parquet", "give a whole parquet file"),
        ("none.parquet", None, "cannot be read"),
        ("none.csv", None, "there is no such file"),
        ("none.xlsx", None, "cannot read this kind of file"),
        ("folder", b"", "cannot be read as a data set"),
    ],
)
def test_what_is_no_data_is_one_sentence(tmp_path, name, data, told):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif data is not None:
        path.write_bytes(data)
    with pytest.raises(AdaBertError, match=told) as caught:
        read_source(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_splits_without_a_use_are_named(tmp_path):
    DatasetDict({"one": rows(2), "two": rows(3)}).save_to_disk(tmp_path / "saved")
    with pytest.raises(AdaBertError, match=r"one \(2 rows\), two \(3 rows\); it needs one called"):
        read_source(str(tmp_path / "saved"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("imdb", ("imdb",)),
        ("hub:imdb", ("imdb",)),
        ("someone/reviews", ("someone/reviews",)),
        ("hub:someone/reviews.v2", ("someone/reviews.v2",)),
        ("hub:nyu-mll/glue/sst2", ("nyu-mll/glue", "sst2")),
    ],
)
def test_a_name_that_is_no_file_is_asked_of_the_hub(monkeypatch, tmp_path, name, parts):
    monkeypatch.chdir(tmp_path)
    asked = []

    def fetch(source, split, remedy):
        asked.append((source, split))
        return DatasetDict({"train": rows(2)})

    monkeypatch.setattr(sources, "fetch", fetch)
    assert list(read_source(name)) == ["train"]
    assert asked == [(parts, None)]


@pytest.mark.parametrize("name", ["hub:a/b/c/d", "hub:", "hub:a//b"])
def test_a_name_no_data_set_can_have_is_refused(name):
    with pytest.raises(AdaBertError, match="no data set is called so"):
        read_source(name)


def test_without_a_network_a_hub_name_is_one_sentence_within_five_seconds(monkeypatch, tmp_path):
    import datasets

    def refuse(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    start = time.monotonic()
    with pytest.raises(AdaBertError, match="imdb: it is not cached and the hub cannot be") as e:
        read_source("imdb")
    assert time.monotonic() - start < 5
    assert str(e.value).endswith("or a folder that Dataset.save_to_disk has written")
