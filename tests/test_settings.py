"""The settings themselves: unique keys, the paper's values, ranges, and what contradicts what."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from adabert_nni.config import Config
from adabert_nni.errors import AdaBertError
from adabert_nni.settings import STAGES
from adabert_nni.spaces import SpaceConfig

KEYS = [key for cls in STAGES.values() for key in cls.__pydantic_fields__]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("ADABERT_DATA", "ADABERT_TEACHER", "ADABERT_CACHE"):
        monkeypatch.delenv(name, raising=False)


def refused(flat: dict) -> str:
    with pytest.raises(AdaBertError) as caught:
        Config.from_mapping(flat, "x.yml")
    return str(caught.value)


def test_a_key_belongs_to_one_stage_only():
    assert [key for key, times in Counter(KEYS).items() if times > 1] == []


def test_every_key_has_a_sentence_for_the_help():
    fields = [field for cls in STAGES.values() for field in cls.__pydantic_fields__.values()]
    assert all(field.description for field in fields)
    assert all(field.description for field in SpaceConfig.__pydantic_fields__.values())


def test_the_defaults_of_the_search_are_the_papers():
    search = Config().search
    assert (search.gamma, search.beta, search.temperature, search.search_epochs) == (0.8, 4, 1, 80)
    assert (search.weight_lr, search.weight_lr_end, search.weight_momentum) == (2e-2, 5e-4, 0.9)
    assert (search.alpha_lr, search.alpha_weight_decay) == (3e-4, 1e-3)


def test_settings_cannot_be_changed_after_the_door():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().search.beta = 1.0


@pytest.mark.parametrize(
    "value", ["abc", "nan", "inf", float("nan"), float("-inf"), True, [], {}, ""]
)
def test_what_is_not_a_finite_number_is_refused(value):
    assert "beta is" in refused({"beta": value})


@pytest.mark.parametrize("value", [1.5, "1.5", True, "abc", 0, -1])
def test_what_is_not_a_count_is_refused(value):
    assert "search_epochs is" in refused({"search_epochs": value})


@pytest.mark.parametrize(
    ("flat", "told"),
    [
        ({"tau_end": 2}, "tau_end is 2.0 but may not exceed tau_start, which is 1.0"),
        ({"weight_lr": 1e-4}, "weight_lr_end is 0.0005 but may not exceed weight_lr"),
        ({"student_lr_end": 1}, "student_lr_end is 1.0 but may not exceed student_lr"),
        ({"alpha_warmup": 80}, "leaves none to search in"),
        ({"train": "a.csv", "text_pair": "t"}, "text_pair is given without text"),
        ({"text_pair": "b"}, "text_pair given without train"),
        ({"validation": "b.csv", "label": "y"}, "validation, label given without train"),
        (
            {"train": "a.csv", "text": "t", "label": "y", "text_pair": "t"},
            "text and text_pair both name column 't'",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(flat, told):
    assert told in refused(flat)


def test_own_data_with_its_columns_is_accepted():
    own = {"train": "a.csv", "validation": "b.csv", "text": "t", "text_pair": "u", "label": "y"}
    assert Config.from_mapping(own, "x.yml").data.text_pair == "u"


def test_variables_are_read_when_settings_are_built_and_a_key_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("ADABERT_DATA", str(tmp_path))
    monkeypatch.setenv("ADABERT_TEACHER", "minilm-l6")
    monkeypatch.setenv("ADABERT_CACHE", "~/elsewhere")
    built = Config()
    assert (built.data.data_dir, built.teacher.teacher) == (tmp_path, "minilm-l6")
    assert built.run.cache == Path.home() / "elsewhere"
    assert Config.from_mapping({"teacher": "mine"}, "x.yml").teacher.teacher == "mine"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    for name in ("ADABERT_DATA", "ADABERT_TEACHER", "ADABERT_CACHE"):
        monkeypatch.setenv(name, "")
    assert Config().data.data_dir is None
    assert Config().teacher.teacher == "bert-base-uncased"
    assert Config().run.cache == Path.home() / ".cache" / "adabert_nni"
