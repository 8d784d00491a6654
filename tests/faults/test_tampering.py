"""Files that were cut, altered, swapped or crafted: what is there is refused or made again, nothing of it runs."""

import json
import logging
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import Config
from adabert_nni.files import read_json
from adabert_nni.folders import check_manifest, write_manifest
from adabert_nni.pipeline import inputs, run
from adabert_nni.pipeline.rows import read_rows

TAG = "!!python/object/apply:os.system ['touch ran']"
TYPED = {"__nni_type__": "path:os.system", "_args": ["touch ran"], "path": "touch ran"}


class Sentinel:
    """A pickle of it makes a file when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def flip(path: Path, bit: int = 1) -> None:
    """Turn one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= bit
    path.write_bytes(content)


def again(settings: dict, folder: Path) -> dict:
    """The same run once more, in this process."""
    flat = {**settings, "cache": folder / "cache", "train": str(settings["train"])}
    flat["validation"] = str(settings["validation"])
    return run.compress(Config.from_mapping(flat, "test"), folder / "run")


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A finished run of one's own."""
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.mark.parametrize(
    "name",
    [
        "cache/teachers/*/model.safetensors",
        "cache/probes/*/probes.safetensors",
        "run/search/supernet.safetensors",
        "run/student/model.safetensors",
    ],
)
def test_one_flipped_bit_in_weights_is_found_by_sha256_and_mended(
    settings, quick, copy, made, left_alone, caplog, name
):
    (weights,) = copy.glob(name)
    flip(weights)
    with caplog.at_level(logging.WARNING):
        again(settings, copy)
    assert f"{weights}: its sha256 is" in caplog.text
    assert made(copy) == left_alone


@pytest.mark.parametrize("verb", ["export", "benchmark"])
def test_one_flipped_bit_in_a_student_is_refused_by_what_uses_it(copy, told, verb):
    student = copy / "run" / "student"
    flip(student / "model.safetensors")
    words = {
        "export": ["export", student, "--format", "folded"],
        "benchmark": ["benchmark", "inference", "--student", student],
    }
    said = told(*words[verb])
    assert "model.safetensors: its sha256 is" in said
    assert sorted(path.name for path in copy.parent.iterdir() if path != copy) == []


def test_a_state_cut_anywhere_gives_way_to_the_one_before(tmp_path, caplog):
    states = tmp_path / "states"
    for name in ("tensors.safetensors", "tree.json", "manifest.json"):
        kept = Checkpoint(states, {"seed": 1})
        for number in (1.0, 2.0):
            kept.save({"weights": torch.full((64,), number)})
        path = sorted(states.iterdir())[-1] / name
        size = path.stat().st_size
        # All but the last byte is all of a JSON that ends in a line feed, so two are taken.
        cut = {0: 1.0, 10: 1.0, size // 2: 1.0, size - 2: 1.0}
        whole = path.read_bytes()
        for length, number in cut.items():
            trial = shutil.copytree(states, tmp_path / f"{name}{length}")
            (sorted(trial.iterdir())[-1] / name).write_bytes(whole[:length])
            found = Checkpoint(trial, {"seed": 1}).load()
            assert found["weights"].unique().tolist() == [number], (name, length)
        shutil.rmtree(states)
    assert caplog.text.count("damaged, going on without it") == 12


def test_a_state_that_was_crafted_with_its_manifest_is_dropped_and_not_run(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    kept = Checkpoint(tmp_path / "states", {"seed": 1})
    for number in (1, 2):
        kept.save({"number": number, "weights": torch.zeros(3)})
    last = tmp_path / "states" / "000002"
    meta = check_manifest(last)
    (last / "tensors.safetensors").write_bytes(pickle.dumps(Sentinel()))
    write_manifest(last, meta)
    assert kept.load()["number"] == 1
    assert "000002: damaged" in caplog.text
    assert not (tmp_path / "ran").exists()


def test_a_cache_of_another_data_set_is_refused_with_the_keys(settings, quick, copy, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text(settings["train"].read_text() + "one more\t1\n")
    with pytest.raises(ValueError, match=r"run.search: made from other settings \(.*train is"):
        again({**settings, "train": other}, copy)
    assert len(list((copy / "cache" / "teachers").glob("*.lock"))) == 1  # before any training


def test_other_rows_under_the_same_name_get_a_teacher_and_probes_of_their_own(
    settings, quick, tmp_path
):
    rows, names = settings["train"].read_text(), set()
    for text in (rows, rows.replace("the", "a", 1)):
        (tmp_path / "train.tsv").write_text(text)
        flat = {**settings, "train": str(tmp_path / "train.tsv"), "cache": tmp_path / "cache"}
        config = Config.from_mapping({**flat, "validation": str(settings["validation"])}, "test")
        names.add(inputs.prepare(config, 16, read_rows(config.data)).name)
    assert len(names) == 2
    for kind in ("teachers", "probes"):
        assert len(list((tmp_path / "cache" / kind).glob("*/manifest.json"))) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("door", ["teacher", "student"])
def test_pickled_weights_are_refused_and_not_run(
    finished, tiny_teacher_dir, told, tmp_path, door, name
):
    source = tiny_teacher_dir if door == "teacher" else finished / "run" / "student"
    folder = shutil.copytree(source, tmp_path / "given")
    (folder / "manifest.json").unlink(missing_ok=True)
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    (folder / name).write_bytes(pickle.dumps(Sentinel()))
    if door == "teacher":
        said = told("compress", "--teacher", folder, "--output", "run")
    else:
        said = told("export", folder, "--format", "folded")
    assert str(folder) in said
    assert not (tmp_path / "ran").exists()


def test_a_table_of_probes_that_is_a_pickle_is_not_run(settings, quick, copy, told, tmp_path):
    (probes,) = (copy / "cache" / "probes").glob("*/probes.safetensors")
    meta = check_manifest(probes.parent)
    probes.write_bytes(pickle.dumps(Sentinel()))
    write_manifest(probes.parent, meta)
    shutil.rmtree(copy / "run")
    given = {**settings, "cache": copy / "cache", "output": tmp_path / "run"}
    words = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
    assert str(probes) in told("compress", *words)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("door", ["--config", "--space", "experiment"])
def test_a_yaml_tag_is_refused_and_not_run(told, tmp_path, door):
    (tmp_path / "evil.yml").write_text(f"seed: {TAG}\n")
    words = ["experiment", "evil.yml", "--output", "out"]
    words = words if door == "experiment" else ["compress", door, "evil.yml"]
    assert "evil.yml" in told(*words)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("door", ["architecture", "cost", "rows"])
def test_typed_json_is_plain_data_and_not_run(settings, told, tmp_path, door):
    (tmp_path / "evil.json").write_text(json.dumps(TYPED))
    (tmp_path / "evil.jsonl").write_text(json.dumps({"text": TYPED, "label": 1}))
    teacher = ["--teacher", settings["teacher"], "--output", "run"]
    words = {
        "architecture": ["train", "--architecture", "evil.json", *teacher],
        "cost": ["compress", "--cost", "evil.json", *teacher],
        "rows": ["compress", "--train", "evil.jsonl", "--text", "text", "--label", "label"],
    }
    assert "evil.json" in told(*words[door])
    assert not (tmp_path / "ran").exists()
    assert read_json(tmp_path / "evil.json") == TYPED
