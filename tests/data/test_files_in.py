"""Facts about reading files and the hub."""

import gzip
import http.server
import logging
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from adabert_nni.data import files_in
from adabert_nni.data.files_in import read_hub, read_table
from adabert_nni.errors import AdaBertError

SST2 = ("nyu-mll/glue", "sst2")


def write(folder, name: str, data: str | bytes):
    data = data.encode() if isinstance(data, str) else data
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


FILES = {
    "a.csv": 'text,label,other\n"one, ""two""",1,x\nthree,0,y\n',
    "a.tsv": 'text\tlabel\tother\none, "two"\t1\tx\nthree\t0\ty\n',
    "a.jsonl": '{"text": "one, \\"two\\"", "label": 1}\n{"label": 0, "text": "three"}\n',
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_same_rows_in_every_format(tmp_path, name, packed, bom, newline):
    text = bom + FILES[name].replace("\n", newline)
    table = read_table(write(tmp_path, name + packed, text), ("text",), "label")
    assert table.texts == [('one, "two"',), ("three",)]
    assert table.labels == ["1", "0"]


@pytest.mark.parametrize("word", ["null", "NA", "None", "nan", "NaN", "N/A", "true", "1e5", "007"])
def test_words_that_look_like_nothing_stay_text(tmp_path, word):
    for name, text in {
        "a.csv": f"text,label\n{word},1\n",
        "a.tsv": f"text\tlabel\n{word}\t1\n",
        "a.jsonl": f'{{"text": "{word}", "label": 1}}\n',
    }.items():
        assert read_table(write(tmp_path, name, text), ("text",), "label").texts == [(word,)]


def test_a_tsv_takes_quotes_as_they_are(tmp_path):
    # as GLUE writes them: nothing is ever quoted, and a quote may stay open
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"open\t1\nhe said "no"\t0\n')
    assert read_table(path, ("text",), "label").texts == [('"open',), ('he said "no"',)]


def test_a_csv_text_may_hold_newlines_and_lines_are_still_counted(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"one\ntwo",1\n\nthree,0\n')
    table = read_table(path, ("text",), "label")
    assert table.texts == [("one\ntwo",), ("three",)]
    assert table.lines == [2, 5]  # line 4 is blank


def test_a_megabyte_text_and_odd_characters_are_read_whole(tmp_path):
    long = "word " * 200_000
    odd = "\u05e9\u05dc\u05d5\u05dd \U0001f600 a\u2028b \x0b"
    path = write(tmp_path, "a.csv", f"text,label\n{long},1\n{odd},0\n")
    assert read_table(path, ("text",), "label").texts == [(long,), (odd,)]


def test_nul_bytes_are_text_or_an_error_with_the_line(tmp_path):
    tsv = write(tmp_path, "a.tsv", "text\tlabel\na\x00b\t1\n")
    assert read_table(tsv, ("text",), "label").texts == [("a\x00b",)]
    csv = write(tmp_path, "a.csv", "text,label\na\x00b,1\n")
    if sys.version_info >= (3, 11):
        assert read_table(csv, ("text",), "label").texts == [("a\x00b",)]
    else:
        with pytest.raises(AdaBertError, match="line 2"):
            read_table(csv, ("text",), "label")


def test_a_pair_takes_two_columns_in_the_order_asked_for(tmp_path):
    path = write(tmp_path, "a.csv", "b,label,a\n1,x,2\n")
    assert read_table(path, ("a", "b"), "label").texts == [("2", "1")]


BROKEN = [
    ("a.csv", "", r"a\.csv: the file is empty"),
    ("a.csv", "\ufeff\n\n", r"a\.csv: the file is empty"),
    ("a.tsv", "text\tlabel\n", r"a\.tsv: the file has no rows"),
    (
        "a.csv",
        "text,label\nok,1\ncaf\u00e9,0\n".encode("latin-1"),
        "line 3: byte 0xe9 is not UTF-8",
    ),
    ("a.tsv", "text\tlabel\n".encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
    ("a.csv", "words,class\nok,1\n", "line 2: no column 'text', there are words, class; .*--text"),
    ("a.jsonl", '{"text": "a", "y": 1}\n', "line 1: no column 'label', there are text, y;"),
    ("a.csv", 'text,label\nok,1\n"open,0\nlast,1\n', "line 3: broken quotes"),
    ("a.csv", 'text,label\n"shut" late,0\n', "line 2: broken quotes"),
    ("a.csv", 'text,label\n"open,0\nb",1,1\n', "line 2: got 3 fields, the header has 2"),
    ("a.tsv", "text\tlabel\nok\t1\na\tb\t1\n", "line 3: got 3 fields, the header has 2"),
    ("a.tsv", "text\tlabel\nok\n", "line 2: got 1 fields, the header has 2"),
    ("a.csv", "text,text,label\na,b,1\n", "line 1: a column name is there twice"),
    ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "la', "line 2: no whole JSON object"),
    ("a.jsonl", "[" * 100_000, "line 1: no whole JSON object"),
    ("a.jsonl", '["a", 1]\n', "line 1: got no JSON object but"),
    ("a.jsonl", '{"text": null, "label": 1}\n', "line 1 column 'text': got None, a text must be"),
    ("a.jsonl", '{"text": 5, "label": 1}\n', "line 1 column 'text': got 5, a text must be"),
    ("a.jsonl", '{"text": "\\ud83d", "label": 1}\n', "line 1 column 'text': half a surrogate"),
    ("a.jsonl", '{"text": "a", "label": null}\n', "line 1 column 'label': the label is missing"),
    ("a.jsonl", '{"text": "a", "label": NaN}\n', "line 1 column 'label': the label is missing"),
    ("a.jsonl", '{"text": "a", "label": 0.5}\n', "line 1 column 'label': got 0.5, a label must"),
    ("a.jsonl", '{"text": "a", "label": true}\n', "line 1 column 'label': got True, a label must"),
    ("a.csv", "text,label\nok,1\nno, \n", "line 3 column 'label': the label is missing"),
    ("a.xlsx", "PK", r"a\.xlsx: cannot read this kind of file, allowed are \.csv\[\.gz\]"),
]


@pytest.mark.parametrize("name, data, part", BROKEN, ids=[part for *_, part in BROKEN])
def test_a_broken_file_is_named_with_its_line(tmp_path, name, data, part):
    path = write(tmp_path, name, data)
    with pytest.raises(AdaBertError, match=part) as caught:
        read_table(path, ("text",), "label")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_no_whole_file_is_named(tmp_path):
    with pytest.raises(AdaBertError, match=r"none\.csv: there is no such file"):
        read_table(tmp_path / "none.csv", ("text",), "label")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(AdaBertError, match=r"folder\.csv: cannot be read"):
        read_table(tmp_path / "folder.csv", ("text",), "label")
    packed = gzip.compress(b"text,label\n" + b"a,1\n" * 1000)
    for data in (packed[:-10], b"text,label\na,1\n"):  # cut off, and not packed at all
        path = tmp_path / "a.csv.gz"
        path.write_bytes(data)
        with pytest.raises(AdaBertError, match=r"a\.csv\.gz: cannot be read"):
            read_table(path, ("text",), "label")


class FakeHub:
    """Stands for `datasets`: cached or not, it records whether it was asked while offline."""

    def __init__(self, cached: bool, endpoint: str = "http://127.0.0.1:9", offline: bool = False):
        self.config = SimpleNamespace(HF_HUB_OFFLINE=offline, HF_ENDPOINT=endpoint)
        self.exceptions = SimpleNamespace(DatasetsError=RuntimeError)
        self.cached, self.asked = cached, []

    def load_dataset(self, path, name, split):
        self.asked.append((path, name, split, self.config.HF_HUB_OFFLINE))
        if self.config.HF_HUB_OFFLINE and not self.cached:
            raise ValueError("Couldn't find cache")
        return {"sentence": ["null", "good"], "label": [0, 1], "idx": [0, 1]}


def test_a_cached_data_set_is_read_without_a_socket(monkeypatch):
    def refuse(*_):
        raise AssertionError("a socket was opened")

    hub = FakeHub(cached=True)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    table = read_hub(SST2, "train", ("sentence",), "label")
    assert (table.texts, table.labels) == ([("null",), ("good",)], ["0", "1"])
    assert hub.asked == [(*SST2, "train", True)]
    assert hub.config.HF_HUB_OFFLINE is False  # as it was before


def test_what_is_not_cached_is_fetched_when_the_hub_answers(monkeypatch):
    class NoSuchPage(http.server.BaseHTTPRequestHandler):  # the probe takes any answer
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), NoSuchPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub = FakeHub(cached=False, endpoint=f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setitem(sys.modules, "datasets", hub)
    try:
        assert len(read_hub(SST2, "train", ("sentence",), "label").texts) == 2
    finally:
        server.shutdown()
        server.server_close()
    assert [offline for *_, offline in hub.asked] == [True, False]


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "never answers"])
def test_an_unreachable_hub_is_one_sentence_within_seconds(monkeypatch, silent):
    monkeypatch.setattr(files_in, "_PROBE_SECONDS", 0.3)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if silent:
            listener.listen()
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setitem(sys.modules, "datasets", FakeHub(cached=False, endpoint=endpoint))
        start = time.monotonic()
        with pytest.raises(
            AdaBertError, match="cannot be reached; give --data-dir or ADABERT_DATA"
        ):
            read_hub(SST2, "train", ("sentence",), "label")
        assert time.monotonic() - start < 2


def test_the_real_library_offline_with_a_cold_cache_is_one_sentence(monkeypatch, tmp_path, caplog):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    start = time.monotonic()
    with caplog.at_level(logging.INFO), pytest.raises(AdaBertError) as caught:
        read_hub(SST2, "train", ("sentence",), "label")
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        "nyu-mll/glue sst2 train: it is not cached and the hub cannot be reached; give --data-dir "
        "or ADABERT_DATA, or an embedded task such as mini-reviews"
    )


def test_the_real_library_finds_its_cache_offline(monkeypatch, tmp_path):
    import datasets

    # what the library leaves behind after a download: <owner>___<name>/<config>/<version>/<hash>
    folder = (
        tmp_path / "nyu-mll___glue" / "sst2" / "0.0.0" / "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    )
    rows = datasets.Dataset.from_dict({"sentence": ["null", "good"], "label": [0, 1]})
    info = datasets.DatasetInfo(features=rows.features, dataset_name="glue", config_name="sst2")
    info.builder_name, info.version = "parquet", "0.0.0"
    info.splits = {"train": datasets.SplitInfo("train", num_examples=2, dataset_name="glue")}
    folder.mkdir(parents=True)
    info.write_to_directory(str(folder))
    writer = datasets.arrow_writer.ArrowWriter(
        features=rows.features, path=str(folder / "glue-train.arrow")
    )
    for row in rows:
        writer.write(row)
    writer.finalize()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    table = read_hub(SST2, "train", ("sentence",), "label")
    assert (table.texts, table.labels) == ([("null",), ("good",)], ["0", "1"])
