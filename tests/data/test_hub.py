"""Facts about data sets of the hub."""

import http.server
import logging
import socket
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from adabert_nni.data import hub
from adabert_nni.data.hub import read_hub
from adabert_nni.errors import AdaBertError

SST2 = ("nyu-mll/glue", "sst2")


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

    fake = FakeHub(cached=True)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    table = read_hub(SST2, "train", ("sentence",), "label")
    assert (table.texts, table.labels) == ([("null",), ("good",)], ["0", "1"])
    assert fake.asked == [(*SST2, "train", True)]
    assert fake.config.HF_HUB_OFFLINE is False  # as it was before


def test_what_is_not_cached_is_fetched_when_the_hub_answers(monkeypatch):
    class NoSuchPage(http.server.BaseHTTPRequestHandler):  # the probe takes any answer
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), NoSuchPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake = FakeHub(cached=False, endpoint=f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setitem(sys.modules, "datasets", fake)
    try:
        assert len(read_hub(SST2, "train", ("sentence",), "label").texts) == 2
    finally:
        server.shutdown()
        server.server_close()
    assert [offline for *_, offline in fake.asked] == [True, False]


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "never answers"])
def test_an_unreachable_hub_is_one_sentence_within_seconds(monkeypatch, silent):
    monkeypatch.setattr(hub, "_PROBE_SECONDS", 0.3)
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
