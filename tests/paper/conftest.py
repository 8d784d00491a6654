"""What the tests of the paper's tables share: runs that cost nothing, and settings of a tiny teacher."""

import pytest
import yaml
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni.benchmark import peers
from adabert_nni.files import write_json
from adabert_nni.model.architecture import Architecture, edge_names


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("ADABERT_DATA", "ADABERT_TEACHER", "ADABERT_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def counted():
    """Runners that count, and answer with an accuracy of 0.8 + seed / 100, F1 likewise 0.1 more."""
    ran = []

    def run(cell, output):
        ran.append(cell)
        architecture = Architecture(2, 2, dict.fromkeys(edge_names(2), "std_conv_3"))
        write_json(output / "architecture.json", architecture.to_dict())
        scores = {"accuracy": 0.8 + cell.seed / 100, "f1": 0.9 + cell.seed / 100}
        return {
            **{f"student_{name}": value for name, value in scores.items()},
            **{"teacher_accuracy": 0.9, "teacher_f1": 0.95, "student_params": 5_000_000},
            **{"depth": 2, "speedup_vs_bert_base": 40.0, "run_seconds": 1.0},
        }

    return dict.fromkeys(
        ("teacher", "compress", "baseline", "fixed", "random", "uniform"), run
    ), ran


@pytest.fixture(scope="session")
def tiny_settings(tiny_teacher_dir, tmp_path_factory):
    """Flat settings that make every stage take a second."""
    folder = tmp_path_factory.mktemp("paper")
    space = {"ops": ["std_conv_3", "max_pool_3", "skip_connect"], "nodes": 2, "max_depth": 2}
    (folder / "space.yml").write_text(yaml.safe_dump({**space, "dim": 16}))
    return {
        "train_rows": 100,
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 1,
        "probe_epochs": 1,
        "space": str(folder / "space.yml"),
        "search_epochs": 1,
        "search_batch": 50,
        "student_epochs": 1,
        "baseline_epochs": 1,
        "max_length": 48,
        "cache": str(folder / "cache"),
        "repetitions": 1,
    }


@pytest.fixture
def small_base(monkeypatch):
    """A small model in the place of BERT-base, whose speed is not what is tested here."""
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    monkeypatch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
