"""What a reader finds after a crash, a full disk, a flipped byte, or another process's work."""

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adabert_nni import files, folders
from adabert_nni.errors import AdaBertError

FORK = multiprocessing.get_context("fork")  # no time to import all again


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "state.json"
    files.atomic_write(path, "old")
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(
        AdaBertError, match=r"state\.json: cannot be written .*No space left.*untouched"
    ):
        files.atomic_write(path, "new")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["state.json"])


def test_an_interrupt_between_writing_and_renaming_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    files.atomic_write(path, "old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.atomic_write(path, b"new")
    assert (path.read_text(), leftovers(tmp_path)) == ("old", [])


def write_for_ever(path: str) -> None:
    while True:
        files.atomic_write(path, os.urandom(1) * 200_000)


def test_a_killed_writer_leaves_a_whole_file_and_its_partials_can_be_cleared(tmp_path):
    path = tmp_path / "weights"
    files.atomic_write(path, b"0" * 200_000)
    writer = FORK.Process(target=write_for_ever, args=(str(path),))
    writer.start()
    first = path.read_bytes()
    deadline = time.monotonic() + 60
    while path.read_bytes() == first and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    content = path.read_bytes()
    assert (len(content), len(set(content))) == (200_000, 1)  # one write, all of it
    (tmp_path / ".weights.0123456789ab.partial").touch()
    (tmp_path / ".weights.ba9876543210.partial").mkdir()
    (tmp_path / ".other.0123456789ab.partial").touch()
    folders.remove_partials(path)
    assert leftovers(tmp_path) == [".other.0123456789ab.partial"]


def test_json_comes_back_in_order_and_as_text(tmp_path):
    path = tmp_path / "deep" / "x.json"
    files.write_json(path, {"b": [1, 2.5, None], "a": "é"})
    assert list(files.read_json(path).items()) == [("b", [1, 2.5, None]), ("a", "é")]
    assert path.read_text(encoding="utf-8").endswith('é"\n}\n')


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_never_saved(tmp_path, number):
    with pytest.raises(AdaBertError, match=r"x\.json: not saved .*finite"):
        files.write_json(tmp_path / "x.json", {"a": [number]})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", b'{"a": ', b'{"a": NaN}', b"[1e999]", b"\xff\xfe", b"[" * 100_000]
)
def test_json_that_is_damaged_or_not_finite_is_refused_by_path(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(AdaBertError, match=r"x\.json: cannot be read as JSON"):
        files.read_json(path)


def test_a_missing_json_is_named(tmp_path):
    with pytest.raises(AdaBertError, match=r"gone\.json: .*No such file"):
        files.read_json(tmp_path / "gone.json")


def test_reading_json_never_builds_an_object(tmp_path):
    path = tmp_path / "x.json"
    crafted = {"__nni_type__": "path:os.system", "__init__": ["touch sentinel"]}
    path.write_text(json.dumps(crafted))
    assert files.read_json(path) == crafted


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "student"
    with files.new_folder(path) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "a").write_text("1")
        assert not path.exists()
    assert (path / "part" / "a").read_text() == "1"
    with pytest.raises(ZeroDivisionError), files.new_folder(tmp_path / "other") as folder:
        (folder / "a").write_text("1")
        raise ZeroDivisionError
    assert sorted(os.listdir(tmp_path)) == ["deep"]
    assert os.listdir(path.parent) == ["student"]


def test_files_in_a_new_folder_are_readable_by_all_that_may_read_the_folder(tmp_path):
    before = os.umask(0o027)
    try:
        with files.new_folder(tmp_path / "made") as half:
            save_file({"a": torch.zeros(2)}, half / "a.safetensors")  # 0600 in itself
            (half / "b.json").write_text("{}")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "made").iterdir()}
    assert modes == {"a.safetensors": 0o640, "b.json": 0o640}


def test_a_folder_with_content_is_refused_before_any_work(tmp_path):
    (tmp_path / "mine").write_text("1")
    with (
        pytest.raises(AdaBertError, match="only a new or empty folder"),
        files.new_folder(tmp_path),
    ):
        pytest.fail("the work was started")
    assert os.listdir(tmp_path) == ["mine"]


def test_a_full_disk_inside_a_folder_is_told_in_one_sentence(tmp_path):
    with pytest.raises(AdaBertError, match="student: cannot be written"):  # noqa: SIM117
        with files.new_folder(tmp_path / "student"):
            full_disk()
    assert os.listdir(tmp_path) == []


def test_an_error_that_is_no_failure_to_write_passes_unchanged(tmp_path):
    with pytest.raises(ConnectionRefusedError), files.new_folder(tmp_path / "student"):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")


def test_sha256_is_the_published_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # the first example of FIPS 180-2, appendix B
    assert files.sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "", ".", "..", "link", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(AdaBertError, match="is not a name inside"):
        files.confined(root, name)


def test_a_plain_name_stays_below_a_root_that_is_itself_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert files.confined(tmp_path / "link", "a/b") == (tmp_path / "real").resolve() / "a" / "b"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_refused_in_one_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(AdaBertError, match="cannot be written"), files.new_folder(tmp_path / "x"):
        pytest.fail("the work was started")


def test_a_file_where_a_folder_should_be_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AdaBertError, match="cannot be written"):
        files.atomic_write(tmp_path / "file" / "x", "1")
