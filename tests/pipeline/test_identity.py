"""Facts of what makes a run another one: settings, rows, and what is in the files that settings name."""

import shutil
from types import SimpleNamespace

import pytest
import yaml

from adabert_nni import AdaBertError
from adabert_nni.benchmark.ops import Times
from adabert_nni.config import Config
from adabert_nni.files import read_json, sha256, write_json
from adabert_nni.paper.cells import Asked
from adabert_nni.pipeline import results, searching
from adabert_nni.pipeline.identity import contents, decided_by, settings_in
from adabert_nni.pipeline.limits import set_limits
from adabert_nni.search.targets import Cost
from adabert_nni.spaces import SPACE_FILES, SPACES, is_shipped, locate
from adabert_nni.verbs.options import output_of

SPACE = {"ops": ["std_conv_3", "max_pool_3", "zero"], "nodes": 2, "max_depth": 2, "dim": 16}


@pytest.fixture
def settings(tiny_teacher_dir, tmp_path):
    (tmp_path / "space.yml").write_text(yaml.safe_dump(SPACE))
    return {
        "train_rows": 100,
        "teacher": str(tiny_teacher_dir),
        "space": str(tmp_path / "space.yml"),
        "cache": str(tmp_path / "cache"),
        "max_length": 32,
    }


@pytest.fixture
def search(settings, monkeypatch):
    """Searches with rows and teacher of a given name, without training; gives how often it did."""
    ran = []
    monkeypatch.setattr(searching, "run_search", lambda *_, folder, **__: ran.append(folder))

    def of(output, inputs="mini-1", **more):
        made = SimpleNamespace(name=inputs, shape=None, searched=None, selection=None)
        monkeypatch.setattr(searching, "prepare", lambda *_: made)
        named = SimpleNamespace(probes=SimpleNamespace(name=made.name))
        monkeypatch.setattr(searching, "places", lambda *_: named)
        searching.search(Config.from_mapping({**settings, **more}, "test"), output)
        return len(ran)

    return of


def rewrite(settings, **changes):
    with open(settings["space"], "w") as file:
        yaml.safe_dump({**SPACE, **changes}, file)


def test_a_finished_search_is_kept_by_what_decided_it_alone(search, settings, tmp_path):
    assert search(tmp_path / "run") == search(tmp_path / "run", threads=1) == 1
    with pytest.raises(AdaBertError, match=r"beta is 4.0, wanted 1.0"):
        search(tmp_path / "run", beta=1)
    with pytest.raises(AdaBertError, match=r"inputs is 'mini-1', wanted 'mini-2'"):
        search(tmp_path / "run", inputs="mini-2")
    rewrite(settings, dim=32)
    with pytest.raises(AdaBertError, match=r"space_content is '\w{8}', wanted '\w{8}'"):
        search(tmp_path / "run")
    rewrite(settings)
    assert search(tmp_path / "run") == 1


def test_a_finished_search_is_not_opened_with_another_space(search, settings, tmp_path):
    search(tmp_path / "run")
    (tmp_path / "run" / "search" / "supernet.safetensors").touch()
    rewrite(settings, pair_layout="aligned")
    with pytest.raises(AdaBertError, match="space_content"):
        searching.reopen(tmp_path / "run", {})
    rewrite(settings)
    config, found = searching.reopen(tmp_path / "run", {})
    assert decided_by(config) == {k: v for k, v in found.made_from.items() if k != "inputs"}


def test_a_finished_search_is_not_opened_with_other_rows(search, tmp_path, monkeypatch):
    search(tmp_path / "run")
    (tmp_path / "run" / "search" / "supernet.safetensors").touch()
    with pytest.raises(AdaBertError, match="got max_length, but the search is finished"):
        searching.reopen(tmp_path / "run", {"max_length": 16})
    other = SimpleNamespace(probes=SimpleNamespace(name="mini-2"))
    monkeypatch.setattr(searching, "places", lambda *_: other)
    monkeypatch.setattr(searching, "prepare", lambda *_: pytest.fail("a teacher was trained"))
    with pytest.raises(AdaBertError, match="its rows or its teacher are others"):
        searching.reopen(tmp_path / "run", {})


def test_the_content_of_a_space_and_of_times_names_runs_and_cells(settings, tmp_path):
    write_json(tmp_path / "times.json", {"ms": 1})
    mine = {**settings, "cost": str(tmp_path / "times.json")}

    def names():
        config = Config.from_mapping(mine, "test")
        asked = Asked(overrides=mine)
        return [
            contents(config),
            output_of(config),
            asked.cell("table1", "mini-reviews", "adabert", 0, "compress").run,
        ], asked.cell("table1", "mini-reviews", "tinybert", 0, "baseline").run

    first, baseline = names()
    assert first[0].keys() == {"space_content", "cost_content"}
    write_json(tmp_path / "times.json", {"ms": 2})
    second, _ = names()
    rewrite(settings, dropout=0.2)
    third, same = names()
    for three in zip(first, second, third, strict=True):
        assert len({str(name) for name in three}) == 3
    assert baseline == same  # it has no cell


def test_spaces_that_ship_leave_names_as_they_are_and_copies_that_were_changed_do_not(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config = Config.from_mapping({"space": "small", "cost": "measured"}, "test")
    assert contents(config) == {}
    assert settings_in({**decided_by(config), "inputs": "mini-1"}) == config.deciding()
    own = tmp_path / "search_spaces" / SPACES / "small.yml"
    own.parent.mkdir(parents=True)
    shutil.copy(locate("small", SPACES, SPACE_FILES), own)
    assert is_shipped("small", SPACES, SPACE_FILES)
    own.write_text(yaml.safe_dump({**yaml.safe_load(own.read_text()), "dropout": 0.3}))
    assert not is_shipped("small", SPACES, SPACE_FILES)
    assert contents(config).keys() == {"space_content"}


def test_times_are_measured_again_for_another_space_or_batch(settings, tmp_path, monkeypatch):
    measured = []

    def measure(space, size, threads):
        measured.append((space.dim, size.batch))
        return Times(size, 1, Cost(2.0, 0.5, {op: 1.0 for op in space.ops}))

    monkeypatch.setattr("adabert_nni.pipeline.limits.measure_ops", measure)
    task = SimpleNamespace(labels=(0, 1), is_pair=False)
    for dim, batch in ((16, 32), (16, 32), (32, 32), (16, 8), (16, 32)):
        rewrite(settings, dim=dim)
        flat = {**settings, "cost": "measured", "latency_batch": batch}
        config = Config.from_mapping(flat, "test")
        space = searching.SpaceConfig.load(config.search.space)
        set_limits(config, space, task, tmp_path)
    assert measured == [(16, 32), (32, 32), (16, 8)]


def test_an_export_of_other_weights_is_made_again(tmp_path, monkeypatch, caplog):
    made = []

    def deploy(student, name, folder, splits):
        folder.mkdir()  # so it must be gone
        made.append(name)
        write_json(
            folder / "export.json", {"student_sha256": sha256(student / "model.safetensors")}
        )

    monkeypatch.setattr(results, "deploy", deploy)
    (tmp_path / "student").mkdir()
    for weights in (b"one", b"one", b"two"):
        (tmp_path / "student" / "model.safetensors").write_bytes(weights)
        found = results._exported(["onnx"], None, tmp_path)
    assert made == ["onnx", "onnx"] and "of another student" in caplog.text
    assert found["onnx"] == read_json(tmp_path / "student-onnx" / "export.json")
