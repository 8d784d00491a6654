"""Facts of a run's student: its start, its config, and the settings of its training."""

from types import SimpleNamespace

import pytest
import torch

from adabert_nni.config import Config
from adabert_nni.data.tasks import TASKS, Rows, Splits
from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.pipeline import students
from adabert_nni.pipeline.run import start_student
from adabert_nni.pipeline.students import fresh_student, student_config, train_and_save
from adabert_nni.search.task import TaskShape
from adabert_nni.spaces import SpaceConfig

CELL = Architecture(2, 2, dict.fromkeys(edge_names(2), "std_conv_3"))
SPACE = SpaceConfig(ops=("std_conv_3", "zero"), nodes=2, dim=8, dropout=0.25, pair_layout="aligned")


@pytest.fixture(scope="module")
def made():
    """Inputs of pairs, without any row."""
    shape = TaskShape(2, 3, 16, torch.randn(20, 8), torch.randn(16, 8))
    return SimpleNamespace(
        splits=Splits(TASKS["mini-claims"], *[Rows([], [], [])] * 3),
        shape=shape,
        train="the probes' answers",
        answers="the head's answers",
        selection="selection",
    )


def config(**settings):
    return Config.from_mapping({"teacher": "minilm-l6", **settings}, "test")


def test_a_students_config_is_that_of_its_space_and_its_task(made):
    found = student_config(CELL, SPACE, made)
    assert (found.hidden_size, found.hidden_dropout_prob, found.pair_layout) == (8, 0.25, "aligned")
    assert (found.vocab_size, found.max_position_embeddings, found.sep_token_id) == (20, 16, 3)
    assert found.id2label == {0: "entailment", 1: "not_entailment"}


def test_a_fresh_student_has_the_teachers_words_and_weights_by_the_seed_of_the_run(made):
    one, same, other = (
        fresh_student(CELL, config(seed=seed), SPACE, made).state_dict() for seed in (0, 0, 1)
    )
    name = "body.cells.0.edges.0_2.conv.weight"
    assert torch.equal(one[name], same[name])
    assert not torch.equal(one[name], other[name])
    assert torch.equal(one["body.embeddings.words.weight"], made.shape.words)


@pytest.mark.parametrize(("most", "live"), [(None, 5), (1, 2)])
def test_a_student_keeps_as_many_edges_into_a_node_as_its_settings_say(made, tmp_path, most, live):
    CELL.save(tmp_path / "architecture.json")
    probs = {f"edge_{edge}": {"std_conv_3": 0.9, "zero": 0.1} for edge in edge_names(2)}
    write_json(tmp_path / "search.json", {"probs": probs})
    asked = config(student_start="fresh", max_incoming=most)
    found = SimpleNamespace(folder=tmp_path, space=SPACE, inputs=made)
    assert len(start_student(asked, found).body.cells[0].edges) == live


def test_a_student_learns_by_the_settings_of_its_run(made, tmp_path, monkeypatch):
    seen = []

    def look(*given, **more):
        seen.append((given[1:], more))
        raise AdaBertError("far enough")

    monkeypatch.setattr(students, "train_student", look)
    own = {"gamma": 0.3, "temperature": 2.0, "seed": 11, "precision": "bf16", "student_lr": 0.02}
    asked = config(**own)
    with pytest.raises(AdaBertError, match="far enough"):
        train_and_save(fresh_student(CELL, asked, SPACE, made), asked, made, tmp_path, None)
    (((rows, selection, settings), more),) = seen
    assert (rows, selection, settings.student_lr) == (made.train, made.selection, 0.02)
    assert more.items() >= {k: v for k, v in own.items() if k != "student_lr"}.items()
