"""A whole run that takes seconds, in processes of its own that can be killed, starved and watched."""

import itertools
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import cli
from adabert_nni.benchmark import peers
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.embedded import generate
from adabert_nni.files import read_json, sha256
from adabert_nni.pipeline import run  # noqa: F401 - with it come nni and Lightning, which no child has to import again
from adabert_nni.teacher import augmented, linear_probes

FORK = multiprocessing.get_context("fork")  # no time to import all again
SPACE = {"ops": ["std_conv_3", "max_pool_3", "zero"], "nodes": 2, "max_depth": 2, "dim": 16}
WAIT = 120  # seconds after which a test gives up


@pytest.fixture(scope="session")
def settings(tiny_teacher_dir, tmp_path_factory) -> dict:
    """A small run: 30 steps of the teacher, 24 of its probes, 45 of the search and 30 of the student."""
    folder = tmp_path_factory.mktemp("settings")
    space = folder / "space.yml"
    space.write_text(yaml.safe_dump(SPACE))
    for name, count in (("train", 240), ("validation", 60)):
        rows = generate("mini-reviews")[name][:count]
        text = "".join(f"{text}\t{label}\n" for (text,), label in rows)
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + text)
    return {
        "train": folder / "train.tsv",
        "validation": folder / "validation.tsv",
        "text": "text",
        "label": "label",
        "max_length": 32,
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 2,
        "teacher_batch": 8,
        "probe_epochs": 1,
        "space": str(space),
        "search_epochs": 3,
        "search_batch": 8,
        "alpha_warmup": 1,
        "weight_optimizer": "adamw",
        "weight_lr": 1e-3,
        "student_epochs": 2,
        "student_batch": 8,
        "repetitions": 1,
    }


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Save every third step, and cut short what follows the training."""
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    calls = itertools.count(1)
    patch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
    patch.setattr(linear_probes, "LEAST_STEPS", 24)
    patch.setattr(augmented, "CHUNK", 8)
    patch.setattr(Checkpoint, "due", lambda self: next(calls) % 3 == 0)


@pytest.fixture
def quick(monkeypatch) -> None:
    """The same haste in this process."""
    hurry(monkeypatch)


def options(settings: dict) -> list[str]:
    """Settings as ``adabert`` takes them."""
    return [f"--{key.replace('_', '-')}={value}" for key, value in settings.items()]


def command(folder: Path, arguments: list[str], before: Callable[[], object] | None) -> None:
    """What a process does: one command line in ``folder``, which keeps its stderr as ``said``."""
    os.setsid()
    os.chdir(folder)
    said = os.open("said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 2)
    os.dup2(said, 1)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.root.handlers.clear()
    hurry(pytest.MonkeyPatch())
    try:
        if before is not None:
            before()
        code = cli.main(arguments)
    except SystemExit as stop:  # argparse
        code = stop.code
    sys.stdout.flush()
    os._exit(code)


@pytest.fixture(scope="session")
def start(settings) -> Callable[..., multiprocessing.Process]:
    """A function that starts ``adabert compress`` in a process; its cache and output lie in ``folder``."""

    def begin(folder: Path, before=None, words=None, **more) -> multiprocessing.Process:
        folder.mkdir(exist_ok=True)
        given = {"cache": folder / "cache", "output": folder / "run", **settings, **more}
        arguments = words or ["compress", *options(given)]
        process = FORK.Process(target=command, args=(folder, arguments, before), daemon=True)
        process.start()
        return process

    return begin


@pytest.fixture(scope="session")
def made() -> Callable[[Path], dict]:
    """A function that tells what a run has made, by file, without the times that it took."""

    def look(folder: Path) -> dict:
        weights = {str(p.relative_to(folder)): sha256(p) for p in folder.rglob("*.safetensors")}
        numbers = {
            str(path.relative_to(folder)): timeless(read_json(path))
            for path in folder.rglob("*.json")
            if path.name in ("architecture.json", "search.json", "scores.json", "probes.json")
            or (path.parent.parent.name == "teachers" and path.name == "metrics.json")
        }
        assert len(weights) == 4  # teacher, probes, supernet, student
        assert len(numbers) == 6  # teacher, probes, architecture twice, search, student
        return {**weights, **numbers}

    return look


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def finish(start, made) -> Callable[..., dict]:
    """A function that lets a run end well and tells what it has made."""

    def end(folder: Path, **more) -> dict:
        process = start(folder, **more)
        process.join(WAIT)
        assert process.exitcode == 0, (folder / "said").read_text()
        return made(folder)

    return end


@pytest.fixture(scope="session")
def finished(finish, tmp_path_factory) -> Path:
    """The folder of a run that nothing happened to; tests take copies."""
    folder = tmp_path_factory.mktemp("left_alone")
    finish(folder)
    return folder


@pytest.fixture(scope="session")
def left_alone(finished, made) -> dict:
    """What it has made."""
    return made(finished)


@pytest.fixture
def told(monkeypatch, tmp_path, capsys) -> Callable[..., str]:
    """A function that runs the command line in this process, which has to refuse it in one sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    monkeypatch.delenv("ADABERT_DATA", raising=False)
    monkeypatch.setenv("ADABERT_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> str:
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            code = stop.code
        said = capsys.readouterr().err
        assert code == cli.MISUSED, said
        assert "Traceback" not in said
        return said

    return call


@pytest.fixture
def leftovers() -> Callable[[Path], list[Path]]:
    """A function that lists what unfinished work has left in a folder."""
    return lambda folder: [
        path
        for path in folder.rglob("*")
        if path.suffix in (".checkpoint", ".partial", ".probe") and path.exists()
    ]
