"""What is found of a state after a kill, a full disk, damage, or a change of settings."""

import errno
import logging
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from adabert_nni import checkpoint as module
from adabert_nni.checkpoint import Checkpoint, built_resumably
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.states import restore, state_of

FORK = multiprocessing.get_context("fork")  # no time to import all again


def opened(folder: Path) -> Checkpoint:
    return Checkpoint(folder, {"seed": 1})


def saved(folder: Path, count: int) -> Checkpoint:
    """A checkpoint after this many saves, the last of which says so."""
    kept = opened(folder)
    for number in range(1, count + 1):
        kept.save({"number": number, "weights": torch.full((100,), float(number))})
    return kept


def weights(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}" / "tensors.safetensors"


def test_plain_data_and_tensors_come_back_as_they_were(tmp_path):
    state = {
        "none": None,
        "numbers": [1, 0.1, -1e-300, True],
        "by index": {0: {"step": torch.tensor(3.0)}, 1: {}},
        "text": 'é "',
        "bytes": torch.get_rng_state(),
        "half": torch.randn(2, 3).half().t(),  # not contiguous
        "empty": [torch.empty(0), torch.empty(0, 4)],
    }
    opened(tmp_path / "c").save(state)
    found = opened(tmp_path / "c").load()
    assert repr(found) == repr(state)  # repr tells 1 from True, types and the order of keys too
    assert torch.equal(found["bytes"], state["bytes"])


def test_a_tensor_that_two_names_share_is_written_once(tmp_path):
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(100, 100, bias=False)
            self.two = self.one

    opened(tmp_path).save(Tied().state_dict())
    assert weights(tmp_path, 1).stat().st_size < 1.5 * 100 * 100 * 4
    assert torch.equal(*opened(tmp_path).load().values())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_training_goes_on_bit_by_bit_from_a_restored_state(tmp_path, kind):
    def parts() -> dict:
        net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
        settings = {"momentum": 0.9} if kind is torch.optim.SGD else {"fused": True}
        optimizer = kind(net.parameters(), lr=0.1, **settings)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
        return {"net": net, "optimizer": optimizer, "schedule": schedule}

    def steps(parts: dict) -> None:
        for _ in range(3):
            parts["optimizer"].zero_grad()
            parts["net"](torch.randn(5, 3)).square().mean().backward()
            parts["optimizer"].step()
            parts["schedule"].step()

    first, second = parts(), parts()
    steps(first)
    opened(tmp_path).save(state_of(first))
    steps(first)
    restore(second, opened(tmp_path).load())
    steps(second)  # on the same random numbers, since their generator was restored too
    for ours, theirs in zip(
        first["net"].state_dict().values(), second["net"].state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert first["schedule"].state_dict() == second["schedule"].state_dict()


def test_the_last_state_is_found_and_the_one_before_is_kept(tmp_path):
    saved(tmp_path, 4)
    assert opened(tmp_path).load()["number"] == 4
    assert sorted(os.listdir(tmp_path)) == ["000003", "000004"]


def test_there_is_no_state_before_the_first_save(tmp_path, caplog):
    assert opened(tmp_path / "c").load() is None
    assert not caplog.records
    assert os.listdir(tmp_path) == []


def size_of(share: str, size: int) -> int:
    return {"nothing": 0, "ten": 10, "half": size // 2, "all but one": size - 1}[share]


@pytest.mark.parametrize("share", ["nothing", "ten", "half", "all but one"])
@pytest.mark.parametrize("name", ["tensors.safetensors", "tree.json", "manifest.json"])
def test_a_truncated_state_gives_way_to_the_one_before(tmp_path, caplog, share, name):
    saved(tmp_path, 2)
    path = tmp_path / "000002" / name
    os.truncate(path, size_of(share, path.stat().st_size))
    # Without its last byte, a line feed, the manifest still says all there is to say.
    left = 2 if (share, name) == ("all but one", "manifest.json") else 1
    assert opened(tmp_path).load()["number"] == left
    assert ("000002: damaged" in caplog.text) == (left == 1)


def test_one_flipped_bit_gives_way_to_the_state_before_and_saving_goes_on(tmp_path, caplog):
    saved(tmp_path, 2)
    content = bytearray(weights(tmp_path, 2).read_bytes())
    content[-1] ^= 1
    weights(tmp_path, 2).write_bytes(content)
    kept = opened(tmp_path)
    assert kept.load()["weights"].unique().tolist() == [1.0]
    assert "sha256" in caplog.text
    kept.save({"number": 3})
    assert opened(tmp_path).load() == {"number": 3}
    assert len(os.listdir(tmp_path)) == 2  # the damaged one is not kept in the place of the good


def test_with_no_whole_state_the_work_starts_afresh_and_says_so(tmp_path, caplog):
    saved(tmp_path, 2)
    for number in (1, 2):
        weights(tmp_path, number).unlink()
    assert opened(tmp_path).load() is None
    assert "starting afresh" in caplog.text


def test_a_state_of_other_settings_is_refused_with_the_keys_that_differ(tmp_path):
    saved(tmp_path, 1)
    with pytest.raises(AdaBertError, match=r"made from other settings \(seed is 1, wanted 2\)"):
        Checkpoint(tmp_path, {"seed": 2}).load()
    assert opened(tmp_path).load() is not None  # and left as it is


def test_a_full_disk_is_an_error_and_leaves_the_state_before(tmp_path, monkeypatch):
    kept = saved(tmp_path, 1)

    def full_disk(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_file", full_disk)
        with pytest.raises(AdaBertError, match=r"cannot be written .*No space left"):
            kept.save({"number": 2})
    assert os.listdir(tmp_path) == ["000001"]
    assert opened(tmp_path).load()["number"] == 1


def save_for_ever(folder: str) -> None:
    saved(Path(folder), 10**6)


def test_a_process_killed_while_it_saves_leaves_a_whole_state(tmp_path):
    for attempt in range(1, 6):
        folder = tmp_path / str(attempt)
        writer = FORK.Process(target=save_for_ever, args=(str(folder),))
        writer.start()
        deadline = time.monotonic() + 60
        while not (folder / "000003").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.03))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        kept = opened(folder)
        state = kept.load()
        assert state["number"] >= 3
        assert state["weights"].unique().tolist() == [state["number"]]
        kept.save({"number": 0})  # clears what the killed one left half-written
        assert all(name.isdigit() for name in os.listdir(folder))


def test_saving_takes_two_percent_of_the_time_however_slow_the_disk(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    for taking, saves in ((0.5, 59), (6.0, 11)):
        now[0] = 0.0
        monkeypatch.setattr(module, "save_file", lambda *_, taking=taking: wait(taking))
        kept, cost = opened(tmp_path / str(taking)), 0.0
        while now[0] < 3600:
            wait(1.0)  # a step
            if kept.due():
                kept.save({})
                cost += taking
        # An hour has 3600 / 60.5 = 59 minutes with their saves; one that takes 6 s must wait for
        # 300 s of work each, the first came after a minute, before its cost was known.
        assert cost / taking == pytest.approx(saves, abs=1)
        assert cost <= 0.02 * now[0]


def test_the_time_that_killed_processes_worked_is_counted(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    for _ in range(3):
        kept = opened(tmp_path)
        kept.load()
        now[0] += 10
        kept.save({})
        now[0] += 5  # lost: not saved before the kill
    kept.load()
    assert kept.spent == 30


def test_a_part_keeps_all_its_states_up_to_a_damaged_one(tmp_path):
    part = opened(tmp_path).part("pass")
    for number in range(1, 5):
        part.save({"number": number})
    assert [state["number"] for state in part.load_all()] == [1, 2, 3, 4]
    weights(tmp_path / "pass", 3).write_bytes(b"")
    assert [state["number"] for state in part.load_all()] == [1, 2]
    part.save({"number": 30})
    assert [state["number"] for state in part.load_all()] == [1, 2, 30]
    assert opened(tmp_path).load() is None  # a part is not a state of the whole


def test_a_checkpoint_lies_beside_the_folder_until_it_is_finished(tmp_path):
    path = tmp_path / "student"
    steps = []

    def build(folder: Path, kept: Checkpoint) -> None:
        done = (kept.load() or {"done": 0})["done"]
        for step in range(done + 1, 4):
            steps.append(step)
            kept.save({"done": step})
            if step == 2 and done == 0:
                raise RuntimeError("killed")
        (folder / "weights").write_text("3")

    with pytest.raises(RuntimeError, match="killed"):
        built_resumably(path, build, {"seed": 1})
    assert (tmp_path / "student.checkpoint").is_dir()
    assert not path.exists()
    built_resumably(path, build, {"seed": 1})
    assert steps == [1, 2, 3]
    assert not (tmp_path / "student.checkpoint").exists()
    assert read_json(path / "manifest.json")["meta"] == {"seed": 1}
    (tmp_path / "student.checkpoint").mkdir()  # as after a kill between finishing and clearing
    built_resumably(path, build, {"seed": 1})
    assert not (tmp_path / "student.checkpoint").exists()


def test_nothing_in_a_state_is_run(tmp_path):
    saved(tmp_path, 1)
    crafted = '{"dict": [["__nni_type__", "path:os.system"], ["__init__", {"list": ["touch x"]}]]}'
    (tmp_path / "000001" / "tree.json").write_text(crafted)
    module.write_manifest(tmp_path / "000001", {"made_from": {"seed": 1}, "seconds": 0})
    found = opened(tmp_path).load()
    assert found == {"__nni_type__": "path:os.system", "__init__": ["touch x"]}


def test_a_number_that_is_not_finite_is_not_saved(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), pytest.raises(AdaBertError, match="finite"):
        opened(tmp_path).save({"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_finished_work_says_how_often_it_was_saved_and_what_that_took(tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        for number in range(3):
            checkpoint.save({"number": number})

    built_resumably(tmp_path / "out", build, {"seed": 1})
    assert "out.checkpoint: 3 states in 0." in caplog.text
    caplog.clear()
    built_resumably(tmp_path / "short", lambda folder, checkpoint: None, {"seed": 1})
    assert "states in" not in caplog.text
