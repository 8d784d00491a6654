"""Whole runs that are killed or interrupted and started again end as one that was left alone."""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.files import read_json
from adabert_nni.teacher import augmented

WAIT = 120  # seconds after which a test gives up
STAGES = ("cache/teachers/*", "cache/probes/*", "run/search", "run/student")
INTERRUPTED = 130

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="only a CPU is exact to the bit")


def ended(process, number: int) -> bool:
    """Send it a signal; whether it was still at work. One that has ended is gone once asked for its code."""
    if process.exitcode is not None:
        return False
    os.kill(process.pid, number)
    process.join(WAIT)
    return process.exitcode in (-number, INTERRUPTED)


def at_work(folder: Path, stage: str) -> None:
    """Wait for one of the first saves of a stage, of eight or more, and for a random moment after it."""
    deadline = time.monotonic() + WAIT
    while not any(folder.glob(f"{stage}.checkpoint/**/{random.randint(1, 6):06d}")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.05))


def held(stage: str) -> Callable[[], None]:
    """Let a process come no further in a stage than its seventh save, however late the signal is."""

    def hold() -> None:
        save = Checkpoint.save

        def save_and_wait(self: Checkpoint, state: dict) -> None:
            save(self, state)
            if self._saves == 7 and self._folder.match(f"{stage}.checkpoint"):
                time.sleep(WAIT)

        pytest.MonkeyPatch().setattr(Checkpoint, "save", save_and_wait)

    return hold


def session_of(pid: int) -> list[psutil.Process]:
    """The living processes of the session that a process leads."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def test_a_run_killed_in_each_stage_ends_as_one_left_alone(
    start, finish, left_alone, leftovers, tmp_path
):
    for stage in STAGES:
        process = start(tmp_path, before=held(stage))
        at_work(tmp_path, stage)
        assert ended(process, signal.SIGKILL)
    assert finish(tmp_path) == left_alone
    said = (tmp_path / "said").read_text()
    assert said.count("going on after step") == len(STAGES) - 1  # probes go on silently
    assert leftovers(tmp_path) == []


def slowly() -> None:
    """Make copies at such a rate that a signal finds the process at it."""
    quick = augmented.augment
    patched = pytest.MonkeyPatch()
    patched.setattr(augmented, "augment", lambda *a, **k: time.sleep(0.02) or quick(*a, **k))


def test_copies_of_rows_are_the_same_after_kills_while_they_are_made(
    start, finish, leftovers, tmp_path
):
    alone, folder = tmp_path / "alone", tmp_path / "killed"
    for _ in range(2):
        process = start(folder, before=slowly, augment_copies=3)
        at_work(folder, "cache/augmented/*")
        assert ended(process, signal.SIGKILL)
        assert any(folder.glob("cache/augmented/*.checkpoint/rows/0*"))  # it was at it
    assert finish(folder, augment_copies=3) == finish(alone, augment_copies=3)
    assert leftovers(tmp_path) == []


def test_ctrl_c_is_exit_130_a_checkpoint_and_no_child(
    start, finish, left_alone, leftovers, tmp_path
):
    stages = random.sample(STAGES, 2)  # of those that are told apart above
    for stage in sorted(stages, key=STAGES.index):
        process = start(tmp_path, before=held(stage))
        at_work(tmp_path, stage)
        assert ended(process, signal.SIGINT)
        assert process.exitcode == INTERRUPTED
        # Probes may still be at their first part, the teacher's pass.
        assert any(tmp_path.glob(f"{stage}.checkpoint/**/0*")), stage
        assert session_of(process.pid) == []
    said = (tmp_path / "said").read_text()
    assert said.count("interrupted; the same command goes on") == len(stages)
    assert "Traceback" not in said
    assert finish(tmp_path) == left_alone
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_twenty_ends_at_random_moments_change_nothing(
    start, finish, left_alone, leftovers, tmp_path, number
):
    kills = 0
    for attempt in itertools.count():
        folder = tmp_path / str(attempt)
        while kills < 20:
            process = start(folder)
            time.sleep(random.uniform(0.1, 4))  # of about six seconds in all
            if not ended(process, number):
                break
            kills += 1
        assert finish(folder) == left_alone
        assert leftovers(folder) == []
        assert "Traceback" not in (folder / "said").read_text()
        if kills == 20:
            return


PAPER = ["paper", "table1", "--tasks=mini-reviews", "--systems=teacher,adabert,bilstm-soft"]


def records(folder: Path) -> list[dict]:
    """What the cells of a paper run say, without what differs between two runs of one cell."""
    apart = ("seconds", "command", "speedup")
    found = [read_json(path) for path in sorted((folder / "results").rglob("*.json"))]
    return [{key: one[key] for key in one if key not in apart} for one in found]


@pytest.mark.slow
def test_a_paper_run_that_is_killed_ten_times_gives_the_same_records(
    start, settings, leftovers, tmp_path
):
    rows = ("train", "validation", "text", "label")
    given = {key: value for key, value in settings.items() if key not in rows}
    given |= {"cache": "cache", "runs": "runs", "results": "results", "train_rows": 240}
    words = [*PAPER, *(f"--{key.replace('_', '-')}={value}" for key, value in given.items())]
    kills = 0
    for attempt in itertools.count():
        folder = tmp_path / str(attempt)
        while kills < 10:
            process = start(folder, words=words)
            time.sleep(random.uniform(0.1, 6))
            if not ended(process, signal.SIGKILL):
                break
            kills += 1
        process = start(folder, words=words)
        process.join(WAIT)
        assert process.exitcode == 0, (folder / "said").read_text()
        assert leftovers(folder) == []
        if kills == 10:
            break
    alone = start(tmp_path / "alone", words=words)
    alone.join(WAIT)
    wanted = records(tmp_path / "alone")
    assert [one["system"] for one in wanted] == ["adabert", "bilstm-soft", "teacher"]
    for number in range(attempt + 1):
        assert records(tmp_path / str(number)) == wanted


def test_two_runs_into_one_folder_do_the_work_once(start, made, left_alone, leftovers, tmp_path):
    pair = [start(tmp_path), start(tmp_path)]
    for process in pair:
        process.join(WAIT)
    said = (tmp_path / "said").read_text()
    assert [process.exitcode for process in pair] == [0, 0], said
    assert "waiting for another process that is writing it" in said
    assert made(tmp_path) == left_alone
    for work in ("teacher epoch 2/2", "search: epoch 3/3:", "student epoch 2/2"):
        assert said.count(work) <= 1, work
    assert leftovers(tmp_path) == []
