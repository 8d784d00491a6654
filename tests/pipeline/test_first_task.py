"""Facts of a teacher that is fine-tuned on another task first (``teacher_via``)."""

from dataclasses import replace

import pytest

from adabert_nni.config import Config
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.pipeline import inputs, plan
from adabert_nni.pipeline.places import first_task, places
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.teacher.source import weight_hashes


@pytest.fixture(scope="module")
def config(tiny_teacher_dir, tmp_path_factory):
    """Pairs after single texts, whose 2,700 rows the teacher sees all, though the task has 60."""
    given = {
        "task": "mini-claims",
        "train_rows": 60,
        "teacher": str(tiny_teacher_dir),
        "teacher_via": "mini-reviews",
        "teacher_epochs": 1,
        "teacher_batch": 256,
        "max_length": 32,
        "space": "small",
        "cache": str(tmp_path_factory.mktemp("cache")),
    }
    return Config.from_mapping(given, "test")


@pytest.fixture(scope="module")
def built(config):
    """What was fine-tuned, in its order, and the folder of the teacher."""
    made, train = [], inputs.finetune_teacher

    def count(source, splits, **settings):
        made.append((splits.task.name, len(splits.train), settings["start"]))
        return train(source, splits, **settings)

    rows = read_rows(config.data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "finetune_teacher", count)
        folder = inputs.build_teacher(config, rows, places(config, rows))
        again = inputs.build_teacher(config, rows, places(config, rows))
    assert again == folder
    return made, folder


def test_the_teacher_goes_on_from_the_weights_of_the_first_task(config, built):
    made, folder = built
    (first, many, nothing), (then, few, start) = made  # and neither twice
    assert (first, many, nothing) == ("mini-reviews", 2700, None)
    assert (then, few) == ("mini-claims", 60)
    assert start.parent == folder.parent == config.run.cache / "teachers"
    assert start.name.startswith("mini-reviews-")
    told = read_json(folder / "metrics.json")
    assert told["base_weights_sha256"] == weight_hashes(start)
    assert told["teacher"] == config.teacher.teacher


def test_the_first_task_is_the_one_that_a_run_of_its_own_would_train(config, built):
    alone = first_task(config)
    _, (*_, start) = built[0]
    assert places(alone, read_rows(alone.data)).teacher == start
    assert first_task(alone) is None


def test_a_first_task_makes_another_teacher_and_none_leaves_its_name_as_it_was(config):
    rows = read_rows(config.data)
    names = {
        via: places(replace(config, teacher=replace(config.teacher, teacher_via=via)), rows)
        for via in (None, "mini-reviews")
    }
    assert len({found.teacher for found in names.values()}) == 2
    assert len({found.probes for found in names.values()}) == 2
    assert not {"teacher_via", "before"} & names[None].teacher_from.keys()


def test_a_plan_counts_the_first_task_where_the_teacher_is_missing(config, built, tmp_path):
    there = plan.plan(config, tmp_path / "out", gflops=100.0).steps
    assert [(step.stage, step.state) for step in there[:2]] == [
        ("teacher on mini-reviews", "cached"),
        ("teacher", "cached"),
    ]
    assert there[0].tflop == 0  # nobody asks for it any more
    other = replace(config, teacher=replace(config.teacher, teacher_lr=1e-3))
    missing = plan.plan(other, tmp_path / "out", gflops=100.0).steps
    assert [step.state for step in missing[:2]] == ["missing", "missing"]
    assert missing[0].tflop > 5 * missing[1].tflop  # 2,700 rows to train on before 60


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"teacher_via": "mini-claims"}, "teacher_via: got mini-claims, which is the task itself"),
        ({"teacher_via": "mini-claim"}, "mini-claims"),
        ({"teacher_epochs": 0}, "teacher_epochs 0, which trains nothing"),
    ],
)
def test_a_first_task_that_cannot_be_is_refused(config, given, told):
    with pytest.raises(AdaBertError, match=told):
        asked = Config.from_mapping({**config.flat(), **given}, "test")
        places(asked, read_rows(asked.data))
