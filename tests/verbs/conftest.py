"""What the tests of verbs share: a silent command line, a student in a run's folder, and one whole tiny run."""

import pytest
import yaml
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import cli
from adabert_nni.benchmark import inference, machine, peers
from adabert_nni.files import write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.export import save_student

SPACE = {"ops": ["std_conv_3", "max_pool_3", "zero"], "nodes": 2, "max_depth": 2, "dim": 16}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Log handlers stay as they are."""
    monkeypatch.setattr(cli, "_log", lambda debug: None)


@pytest.fixture
def run_folder(tiny_tokenizer, tiny_teacher_dir, tmp_path, monkeypatch):
    """A run's folder with a student and the name of its teacher; peers are small."""
    small = BertConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    for name in peers.PEERS:
        monkeypatch.setitem(peers.PEERS, name, lambda _: BertForSequenceClassification(small))
    for module in (inference, machine):
        monkeypatch.setattr(module, "peak_gflops", lambda **_: 100.0)
    monkeypatch.setattr(inference, "QUICK_SHAPES", ((2, 8),))
    monkeypatch.setattr(inference, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(inference, "ROUNDS", 1)
    folder = tmp_path / "run" / "student"
    folder.mkdir(parents=True)
    config = AdaBertConfig(
        Architecture(1, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"}).to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=8,
        id2label={0: "negative", 1: "positive"},
    )
    student = AdaBertForSequenceClassification(config).eval()
    save_student(student, tiny_tokenizer, folder, scores={}, history=[], seconds=0.0)
    write_json(folder.parent / "teacher.json", {"folder": str(tiny_teacher_dir), "params": 1})
    return folder.parent


@pytest.fixture(scope="session")
def options(tiny_teacher_dir, tmp_path_factory):
    """Options of a run that takes seconds, without its output."""
    folder = tmp_path_factory.mktemp("options")
    (folder / "space.yml").write_text(yaml.safe_dump(SPACE))
    settings = {
        "task": "mini-reviews",
        "train_rows": 200,
        "teacher": tiny_teacher_dir,
        "teacher_epochs": 1,
        "probe_epochs": 1,
        "space": folder / "space.yml",
        "search_epochs": 2,
        "search_batch": 50,
        "student_epochs": 1,
        "student_batch": 50,
        "max_length": 48,
        "cache": folder / "cache",
        "repetitions": 1,
    }
    return [word for key, value in settings.items() for word in (_option(key), str(value))]


def _option(key):
    return f"--{key.replace('_', '-')}"


@pytest.fixture(scope="session")
def finished(options, tmp_path_factory):
    """The folder of such a run after ``adabert search`` and ``adabert compress``, BERT-base a small model."""
    output = tmp_path_factory.mktemp("runs") / "one"
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_log", lambda debug: None)
        patch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
        assert cli.main(["search", *options, "--output", str(output)]) == cli.OK
        assert not (output / "student").exists()
        searched = (output / "search" / "supernet.safetensors").stat().st_mtime_ns
        assert cli.main(["compress", *options, "--output", str(output)]) == cli.OK
        assert searched == (output / "search" / "supernet.safetensors").stat().st_mtime_ns
    return output
