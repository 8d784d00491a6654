"""Whole runs that are killed or interrupted and started again end as one that was left alone."""

import itertools
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
import torch

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
    while not any(folder.glob(f"{stage}.checkpoint/{random.randint(1, 6):06d}")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.05))


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
        process = start(tmp_path)
        at_work(tmp_path, stage)
        assert ended(process, signal.SIGKILL)
    assert finish(tmp_path) == left_alone
    said = (tmp_path / "said").read_text()
    assert said.count("going on after step") == len(STAGES) - 1  # probes go on silently
    assert leftovers(tmp_path) == []


def test_ctrl_c_is_exit_130_a_checkpoint_and_no_child(
    start, finish, left_alone, leftovers, tmp_path
):
    stages = random.sample(STAGES, 2)  # of those that are told apart above
    for stage in sorted(stages, key=STAGES.index):
        process = start(tmp_path)
        at_work(tmp_path, stage)
        assert ended(process, signal.SIGINT)
        assert process.exitcode == INTERRUPTED
        assert any(tmp_path.glob(f"{stage}.checkpoint/0*")), stage
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
