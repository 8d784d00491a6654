"""Disks that are full or read-only: one sentence, what was there before stays, and room mends it."""

import ctypes
import os
import resource
import traceback
from pathlib import Path

import pytest

from adabert_nni import cli
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.errors import AdaBertError

WAIT = 120
NOT_PERMITTED = 77
NEW_MOUNTS, NEW_USER = 0x20000, 0x10000000  # CLONE_NEWNS, CLONE_NEWUSER
READ_ONLY, REMOUNT, RECURSIVE_PRIVATE = 1, 32, 0x4000 | 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def mount(folder: Path, flags: int = 0, size: str = "") -> None:
    """A file system in memory, on a folder that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    told = f"size={size}".encode() if size else None
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, told):
        raise OSError(ctypes.get_errno(), "mount")


def enter() -> None:
    """Give this process mounts of its own, which nobody else sees and which end with it."""
    ids = os.getuid(), os.getgid()
    if libc.unshare(NEW_MOUNTS) and libc.unshare(NEW_MOUNTS | NEW_USER):
        raise OSError(ctypes.get_errno(), "unshare")
    if ids[0] != os.getuid():
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {ids[0]} 1")
        Path("/proc/self/gid_map").write_text(f"0 {ids[1]} 1")
    if libc.mount(b"none", b"/", None, RECURSIVE_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "mount")


@pytest.fixture
def apart(start, tmp_path):
    """A function that runs a test's body where file systems can be mounted; a skip where none can."""

    def inside(body):
        try:
            enter()
            mount(tmp_path / "permitted")
        except OSError:
            os._exit(NOT_PERMITTED)
        try:
            body()
        except BaseException:
            (tmp_path / "why").write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)

    def run(body):
        child = os.fork()
        if child == 0:
            inside(body)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == NOT_PERMITTED:
            pytest.skip("no file system may be mounted here")
        assert code == 0, (tmp_path / "why").read_text()

    return run


def refused(process, folder: Path) -> str:
    """What a process said that had to give up; one sentence."""
    process.join(WAIT)
    said = (folder / "said").read_text()
    (folder / "said").write_text("")
    assert process.exitcode == cli.MISUSED, said
    assert "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("adabert compress: ")
    return said


def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_room(
    apart, start, finish, left_alone, leftovers, tmp_path
):
    def body():
        place = tmp_path / "run"
        mount(place, size="4k")
        assert "cannot be written" in refused(start(tmp_path), tmp_path)
        mount(place, REMOUNT, "500k")
        assert "No space left" in refused(start(tmp_path), tmp_path)
        assert not [path for path in leftovers(place) if path.suffix == ".partial"]
        assert any(place.rglob("*.safetensors"))
        mount(place, REMOUNT, "100m")
        assert finish(tmp_path) == left_alone

    apart(body)


def test_a_state_that_finds_no_room_leaves_the_one_before(apart, tmp_path):
    def body():
        folder = tmp_path / "disk"
        mount(folder, size="64k")
        kept = Checkpoint(folder, {"seed": 1})
        kept.save({"text": "a" * 20_000})
        with pytest.raises(AdaBertError, match=r"000002.* cannot be written .*No space left"):
            kept.save({"text": "b" * 60_000})
        assert os.listdir(folder) == ["000001"]
        assert Checkpoint(folder, {"seed": 1}).load() == {"text": "a" * 20_000}

    apart(body)


def test_a_read_only_output_is_an_error_before_any_training(apart, start, tmp_path):
    def body():
        mount(tmp_path / "run", READ_ONLY)
        assert "Read-only file system" in refused(start(tmp_path), tmp_path)
        assert not (tmp_path / "cache").exists()

    apart(body)


def test_an_output_below_a_file_is_an_error_before_any_training(start, tmp_path):
    (tmp_path / "run").write_text("mine")
    said = refused(start(tmp_path, output=tmp_path / "run" / "first"), tmp_path)
    assert "run/first" in said
    assert not (tmp_path / "cache").exists()
    assert (tmp_path / "run").read_text() == "mine"


def test_a_file_that_may_not_grow_stops_a_run_and_the_same_command_ends_it(
    start, finish, left_alone, leftovers, tmp_path
):
    most = 60_000  # bytes of any file: less than the teacher's weights

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    assert "File too large" in refused(start(tmp_path, before=limit), tmp_path)
    assert not [path for path in leftovers(tmp_path) if path.suffix == ".partial"]
    assert finish(tmp_path) == left_alone
