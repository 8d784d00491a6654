"""Facts of the names of what runs share: they tell whatever would make it another."""

import shutil
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from adabert_nni.config import Config
from adabert_nni.data.loading import load_splits
from adabert_nni.data.tasks import Rows
from adabert_nni.pipeline.places import places


@pytest.fixture
def teacher(tiny_teacher_dir, tmp_path):
    return shutil.copytree(tiny_teacher_dir, tmp_path / "teacher")


@pytest.fixture(scope="module")
def splits():
    return load_splits("mini-claims", train_rows=60)


@pytest.fixture
def named(teacher, splits, tmp_path):
    """The names of teacher, probes and augmented rows."""

    def of(rows=splits, **settings):
        given = {"task": "mini-claims", "teacher": str(teacher), "cache": str(tmp_path / "cache")}
        config = Config.from_mapping({**given, "augment_copies": 1, **settings}, "test")
        found = places(config, rows)
        return found.teacher.name, found.probes.name, found.augmented.name

    return of


def others(one, two):
    return [a != b for a, b in zip(one, two, strict=True)]


def changed(rows: Rows, **more) -> Rows:
    fields = {"texts": rows.texts, "labels": rows.labels, "ids": rows.ids}
    return Rows(**{**fields, **more})


@pytest.mark.parametrize("part", ["train", "selection", "validation"])
def test_another_text_or_label_makes_another_teacher(named, splits, part):
    rows = getattr(splits, part)
    texts = changed(rows, texts=[("other", "words"), *rows.texts[1:]])
    labels = changed(rows, labels=[1 - rows.labels[0], *rows.labels[1:]])
    assert others(named(), named(replace(splits, **{part: texts}))) == [True] * 3
    assert others(named(), named(replace(splits, **{part: labels}))) == [True, True, False]


def test_another_unlabelled_text_makes_another_table_alone(named, splits):
    more = [replace(splits, unlabelled=Rows([(text, "x")], [-100], [9000])) for text in "ab"]
    names = [named(splits), *map(named, more)]
    assert len({teacher for teacher, _, _ in names}) == 1
    assert len({probes for _, probes, _ in names}) == 3


def test_other_weights_in_the_same_folder_make_another_teacher(named, teacher):
    before = named()
    weights = load_file(teacher / "model.safetensors")
    save_file({k: v + 1 for k, v in weights.items()}, teacher / "model.safetensors")
    assert others(before, named())[:2] == [True, True]


def test_another_metric_to_choose_by_makes_another_teacher(named, splits):
    by_f1 = replace(splits, task=replace(splits.task, metrics=("f1", "accuracy")))
    assert others(named(), named(by_f1)) == [True, True, False]


@pytest.mark.parametrize(
    ("settings", "other"),
    [
        ({"precision": "float32"}, [True, True, False]),
        ({"teacher_lr": 1e-3}, [True, True, False]),
        ({"probe_epochs": 3}, [False, True, False]),
        ({"probe_calibration": "none"}, [False, True, False]),
        ({"split_seed": 5}, [True, True, True]),
        ({"augment_cut": 0.5}, [False, True, True]),
        ({"augment_for": "student"}, [False, False, False]),
        ({"seed": 5}, [False, False, False]),
    ],
)
def test_settings_name_what_they_change_and_nothing_else(named, settings, other):
    assert others(named(), named(**settings)) == other
