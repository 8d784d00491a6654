"""Facts about what a loaded teacher is said to lack: a head may be missing, the encoder may not."""

import logging

import pytest
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel
from transformers.utils import logging as hub_logging

from adabert_nni.data.tasks import TASKS
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.loading import load_classifier

HEAD = "its head for this task starts at random (classifier.bias, classifier.weight)"


@pytest.fixture
def heard(caplog):
    """Everything that is logged here; transformers shows its own and passes nothing on by itself."""
    library = hub_logging.get_logger()
    library.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, logger="adabert_nni"):
        yield caplog
    library.removeHandler(caplog.handler)


@pytest.fixture
def bare(tmp_path):
    """An encoder without a head."""
    sizes = {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=9, num_hidden_layers=1, **sizes))
    model.save_pretrained(tmp_path)
    return tmp_path


def test_a_fresh_head_is_told_in_one_line(bare, heard):
    load_classifier(bare, TASKS["sst2"], fresh_head=True)
    assert [record.getMessage() for record in heard.records] == [f"teacher: {HEAD}"]


def test_a_head_of_another_task_starts_anew_too(bare, heard):
    model = load_classifier(bare, TASKS["sst2"], fresh_head=True)
    model.save_pretrained(bare)
    heard.clear()
    assert load_classifier(bare, TASKS["mnli"], fresh_head=True).config.num_labels == 3
    assert HEAD in heard.text
    heard.clear()
    load_classifier(bare, TASKS["sst2"], fresh_head=True)
    assert not heard.records


def test_missing_weights_of_the_encoder_are_warned_of(bare, heard):
    path = bare / "model.safetensors"
    kept = {key: value for key, value in load_file(path).items() if "attention" not in key}
    save_file(kept, path, metadata={"format": "pt"})
    load_classifier(bare, TASKS["sst2"], fresh_head=True)
    (warning,) = (record for record in heard.records if record.levelno == logging.WARNING)
    assert "10 weights of the encoder are not in it" in warning.getMessage()
    assert "bert.encoder.layer.0.attention" in warning.getMessage()


def test_reading_a_teachers_tables_says_nothing_of_its_head(bare, heard):
    load_classifier(bare, TASKS["sst2"], fresh_head=True).save_pretrained(bare)
    heard.clear()
    words, positions = embedding_tables(bare)
    assert words.shape == (9, 8)
    assert len(positions) == 512
    assert not heard.records
