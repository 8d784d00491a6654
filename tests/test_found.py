"""Architectures that ship: they are those of recorded runs, and can be named."""

import json
from pathlib import Path

import pytest

from adabert_nni import AdaBertError, Architecture
from adabert_nni.config import Config
from adabert_nni.model.ops import check_ops
from adabert_nni.pipeline import run
from adabert_nni.spaces import FOUND, SpaceConfig, locate

ROOT = Path(__file__).parents[1]
RECORDS = {
    "sst2": "results/sst2/bf16",
    "qnli": "results/paper/table3/qnli-adabert-qnli-0-e89ef3a2.json",
}


def test_each_is_what_a_recorded_run_found():
    shipped = {file.stem: file for file in (ROOT / "search_spaces" / "found").iterdir()}
    assert shipped.keys() == RECORDS.keys()
    for name, record in RECORDS.items():
        found, task = _told(ROOT / record)
        assert Architecture.load(shipped[name]).to_dict() == found
        assert task == name


def _told(record):
    """The architecture and the task of a cell of the paper's tables, or of a run's folder."""
    if record.is_file():
        cell = json.loads(record.read_text())
        return cell["architecture"], cell["task"]
    settings = json.loads((record / "settings.json").read_text())["settings"]
    return json.loads((record / "architecture.json").read_text()), settings["task"]


@pytest.mark.parametrize("name", RECORDS)
def test_a_name_is_enough_and_the_paper_s_space_holds_it(name):
    found, space = Architecture.load(locate(name, FOUND, (".json",))), SpaceConfig.load("paper")
    check_ops(found.edges.values(), name)
    assert set(found.edges.values()) <= set(space.ops)
    assert found.depth <= space.max_depth
    assert found.nodes == space.nodes


def test_an_unknown_name_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(AdaBertError, match=r"architecture: 'sst' is unknown.*known: qnli, sst2"):
        run.train_fixed(Config(), "sst", tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_what_ends_in_json_is_a_path():
    assert locate("there/is/none.json", FOUND, (".json",)) == Path("there/is/none.json")
