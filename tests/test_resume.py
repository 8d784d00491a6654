"""Whole runs in processes of their own that are killed and started again end as one that was left alone."""

import itertools
import logging
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import pipeline
from adabert_nni.benchmark import peers
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import Config
from adabert_nni.files import read_json, sha256
from adabert_nni.teacher import probes

FORK = multiprocessing.get_context("fork")  # no time to import all again
SPACE = {"ops": ["std_conv_3", "max_pool_3", "zero"], "nodes": 2, "max_depth": 2, "dim": 16}
STAGES = ("cache/teachers/*", "run/search", "run/student")
WAIT = 120  # seconds after which a test gives up

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="only a CPU is exact to the bit")


@pytest.fixture(scope="module")
def settings(tiny_teacher_dir, tmp_path_factory):
    """A small run: 26 steps of the teacher, 39 of the search and 26 of the student."""
    space = tmp_path_factory.mktemp("settings") / "space.yml"
    space.write_text(yaml.safe_dump(SPACE))
    return {
        "task": "mini-reviews",
        "train_rows": 200,
        "max_length": 32,
        "teacher": str(tiny_teacher_dir),
        "teacher_epochs": 2,
        "teacher_batch": 16,
        "probe_epochs": 1,
        "space": str(space),
        "search_epochs": 3,
        "search_batch": 16,
        "alpha_warmup": 1,
        "weight_optimizer": "adamw",
        "weight_lr": 1e-3,
        "student_epochs": 2,
        "student_batch": 16,
        "repetitions": 1,
    }


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Every third step is saved, and what follows the training is cut short."""
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    calls = itertools.count(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
        patch.setattr(probes, "LEAST_STEPS", 12)
        patch.setattr(Checkpoint, "due", lambda self: next(calls) % 3 == 0)
        yield


def run(settings: dict, folder: Path) -> None:
    """What a process does: everything, into ``folder``, with a log in it."""
    logging.basicConfig(filename=folder / "log", level=logging.INFO, force=True)
    config = Config.from_mapping({**settings, "cache": str(folder / "cache")}, "test")
    pipeline.compress(config, folder / "run")


def started(settings: dict, folder: Path) -> multiprocessing.Process:
    process = FORK.Process(target=run, args=(settings, folder), daemon=True)
    process.start()
    return process


def finished(settings: dict, folder: Path) -> dict:
    """Let a run end; what it made then, by file, without the times that it took."""
    process = started(settings, folder)
    process.join(WAIT)
    assert process.exitcode == 0
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


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def left_alone(settings, tmp_path_factory):
    """What a run makes that nothing happens to."""
    return finished(settings, tmp_path_factory.mktemp("left_alone"))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".checkpoint", ".partial")]


def killed(process: multiprocessing.Process) -> bool:
    """End it at once; whether it was still at work."""
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


def test_a_run_killed_in_three_stages_ends_as_one_left_alone(settings, left_alone, tmp_path):
    for stage in STAGES:
        process, deadline = started(settings, tmp_path), time.monotonic() + WAIT
        state = f"{stage}.checkpoint/{random.randint(1, 6):06d}"  # of eight or more
        while not any(tmp_path.glob(state)):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.05))
        assert killed(process)
    assert finished(settings, tmp_path) == left_alone
    log = (tmp_path / "log").read_text()
    assert log.count("going on after step") == len(STAGES)
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_nothing(settings, left_alone, tmp_path):
    kills = 0
    for number in itertools.count():
        (folder := tmp_path / str(number)).mkdir()
        while kills < 20:
            process = started(settings, folder)
            time.sleep(random.uniform(0.1, 4))  # of about six seconds in all
            if not killed(process):
                break
            kills += 1
        assert finished(settings, folder) == left_alone
        assert leftovers(folder) == []
        if kills == 20:
            return
