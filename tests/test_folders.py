"""What a shared folder is worth: every byte as it was written, built once, by one writer at a time."""

import logging
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from adabert_nni import files, folders
from adabert_nni.errors import AdaBertError

FORK = multiprocessing.get_context("fork")  # no time to import all again


def manifested(folder: Path) -> Path:
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "weights").write_bytes(b"\x00" * 100)
    (folder / "config").write_text("x")
    folders.write_manifest(folder, {"seed": 1})
    return folder


def test_a_manifest_covers_every_file_and_returns_what_it_was_told(tmp_path):
    folder = manifested(tmp_path / "a")
    assert folders.check_manifest(folder) == {"seed": 1}
    assert sorted(files.read_json(folder / "manifest.json")["files"]) == ["config", "part/weights"]


def test_one_flipped_bit_is_found_and_its_file_named(tmp_path):
    folder = manifested(tmp_path / "a")
    (folder / "part" / "weights").write_bytes(b"\x00" * 50 + b"\x01" + b"\x00" * 49)
    with pytest.raises(AdaBertError, match=r"part/weights: its sha256 is"):
        folders.check_manifest(folder)


def test_a_missing_file_is_named(tmp_path):
    folder = manifested(tmp_path / "a")
    (folder / "config").unlink()
    with pytest.raises(AdaBertError, match=r"a/config: listed in manifest\.json but missing"):
        folders.check_manifest(folder)


@pytest.mark.parametrize("manifest", ["[]", '{"files": {}}', '{"files": 1, "meta": {}}', "null"])
def test_another_json_is_not_taken_for_a_manifest(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(AdaBertError, match=r"manifest\.json: not a manifest"):
        folders.check_manifest(tmp_path)


def test_a_manifest_cannot_point_out_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("1")
    (tmp_path / "a").mkdir()
    digest = files.sha256(tmp_path / "secret")
    files.write_json(tmp_path / "a" / "manifest.json", {"files": {"../secret": digest}, "meta": {}})
    with pytest.raises(AdaBertError, match="is not a name inside"):
        folders.check_manifest(tmp_path / "a")


def slow_build(folder: Path) -> None:
    with (folder.parent / "log").open("a") as log:  # one line per build
        log.write(f"{os.getpid()}\n")
    time.sleep(1.0)
    (folder / "weights").write_bytes(b"1")


def build_in_process(path: str) -> None:
    folders.built_once(path, slow_build)


def test_two_processes_build_a_cached_folder_once(tmp_path):
    pair = [FORK.Process(target=build_in_process, args=(str(tmp_path / "teacher"),)) for _ in "12"]
    for process in pair:
        process.start()
    for process in pair:
        process.join(120)
    assert [process.exitcode for process in pair] == [0, 0]
    assert len((tmp_path / "log").read_text().splitlines()) == 1
    assert folders.check_manifest(tmp_path / "teacher") == {}


def build(folder: Path) -> None:
    (folder / "weights").write_bytes(b"1")


def test_a_damaged_folder_is_built_again_with_a_warning(tmp_path, caplog):
    path = folders.built_once(tmp_path / "teacher", build)
    (path / "weights").write_bytes(b"2")
    with caplog.at_level(logging.WARNING):
        folders.built_once(path, build)
    assert (path / "weights").read_bytes() == b"1"
    assert "teacher/weights" in caplog.text


def test_a_folder_of_other_settings_is_refused_with_the_keys_that_differ(tmp_path):
    path = folders.built_once(tmp_path / "teacher", build, {"seed": 1, "lr": [1, 2], "old": 3})
    assert folders.built_once(path, pytest.fail, {"seed": 1, "lr": (1, 2), "old": 3}) == path
    assert folders.built_once(path, pytest.fail) == path
    with pytest.raises(AdaBertError, match=r"\(old is 3, wanted None; seed is 1, wanted 2\)"):
        folders.built_once(path, build, {"seed": 2, "lr": [1, 2]})


def test_a_folder_that_was_not_made_here_is_left_alone(tmp_path):
    path = tmp_path / "thesis"
    path.mkdir()
    (path / "chapter").write_text("1")
    with pytest.raises(AdaBertError, match="something here already"):
        folders.built_once(path, build)
    assert os.listdir(path) == ["chapter"]


def test_a_failed_build_leaves_nothing_and_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError):
        folders.built_once(tmp_path / "teacher", lambda folder: 1 // 0)
    assert [n for n in os.listdir(tmp_path) if not n.endswith(".lock")] == []
    assert folders.built_once(tmp_path / "teacher", build).is_dir()


def test_the_second_writer_is_refused_when_it_does_not_want_to_wait(tmp_path):
    with (
        folders.locked(tmp_path / "run"),
        pytest.raises(AdaBertError, match="run: another process is writing here"),
        folders.locked(tmp_path / "run", wait=False),
    ):
        pytest.fail("two writers at once")
    with folders.locked(tmp_path / "run", wait=False):
        pass
