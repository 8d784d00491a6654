"""Settings: the same keys everywhere, wrong ones told all at once, and a run named by them."""

import argparse
import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adabert_nni import config
from adabert_nni.config import (
    Config,
    add_arguments,
    config_from_args,
    load_config,
    run_hash,
)
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


def test_config_has_each_stage_under_its_name():
    assert [field.name for field in dataclasses.fields(Config)] == list(STAGES)


def test_every_problem_is_told_in_one_sentence():
    told = refused({"betta": 4, "gamma": 2, "search_epochs": "many", "task": 7})
    assert "\n" not in told
    assert told.startswith("x.yml: unknown key 'betta' (did you mean 'beta'?); ")
    for part in ("gamma is 2 but it should be less than or equal to 1", "search_epochs is 'many'"):
        assert part in told
    assert "task is 7 but it should be a valid string" in told
    assert told.endswith(f"known keys: {', '.join(KEYS)}")


def test_known_keys_are_listed_only_for_an_unknown_one():
    assert "known keys" not in refused({"gamma": 2})


def test_numbers_may_be_text_and_whole_numbers_may_be_floats():
    built = Config.from_mapping({"beta": "4", "alpha_lr": "1e-3", "seed": 3.0}, "options")
    # YAML reads 1e-3 as text, NNI's tuners send 3.0
    assert (built.search.beta, built.search.alpha_lr, built.run.seed) == (4.0, 1e-3, 3)
    assert type(built.run.seed) is int


def test_none_means_the_default():
    assert Config.from_mapping(dict.fromkeys(KEYS), "x.yml") == Config()


def test_a_long_value_is_cut_in_the_message():
    assert len(refused({"beta": "x" * 10_000})) < 300


def test_flat_settings_survive_yaml(tmp_path):
    built = Config.from_mapping({"beta": 8, "output": tmp_path, "data_dir": "~/d"}, "x.yml")
    again = Config.from_mapping(yaml.safe_load(yaml.safe_dump(built.flat())), "config.yaml")
    assert again == built
    assert list(built.flat()) == KEYS


def test_overrides_win_over_the_file(tmp_path):
    path = tmp_path / "x.yml"
    path.write_text("beta: 8\ngamma: 0.5\n")
    built = load_config(path, {"beta": "2"})
    assert (built.search.beta, built.search.gamma) == (2.0, 0.5)
    assert load_config(None, {}) == Config()


def test_a_preset_is_a_file_that_ships_and_options_win(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = load_config("small", {"beta": "2"})
    assert small.search.search_epochs < Config().search.search_epochs  # the paper's 80
    assert small.search.beta == 2.0
    # Where rows are few, each has more changed copies.
    assert load_config("large", {}).augment.augment_copies < small.augment.augment_copies


@pytest.mark.parametrize("name", ["smal", "", "own"])
def test_an_unknown_preset_names_the_known_ones(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AdaBertError, match=r"no file and no preset.*large, small"):
        load_config(name, {})


def test_an_empty_file_is_all_defaults(tmp_path):
    (tmp_path / "x.yml").write_text("# nothing yet\n")
    assert load_config(tmp_path / "x.yml", {}) == Config()


@pytest.mark.parametrize(
    "text",
    [
        "- a\n- b\n",
        "beta",
        "beta: [1\n",
        "a: b: c\n",
        "beta: &a [*a]\n",
        "day: 2024-99-99\n",
        "\0",
        "a: " + "[" * 2_000,
    ],
)
def test_yaml_that_is_no_mapping_is_refused_by_path(tmp_path, text):
    path = tmp_path / "x.yml"
    path.write_text(text)
    with pytest.raises(AdaBertError, match=r"x\.yml: ") as caught:
        load_config(path, {})
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    (tmp_path / "x.yml").write_text("beta: 1\ngamma: 0.5\nbeta: 2\n")
    with pytest.raises(AdaBertError, match=r"x\.yml: .*'beta' stands there twice.*line 3"):
        load_config(tmp_path / "x.yml", {})


def test_a_path_is_taken_where_text_is_meant():
    assert Config.from_mapping({"train": Path("x.csv")}, "test").data.train == "x.csv"


def test_a_yaml_tag_runs_no_code(tmp_path):
    sentinel = tmp_path / "sentinel"
    path = tmp_path / "x.yml"
    path.write_text(f"beta: !!python/object/apply:os.system ['touch {sentinel}']\n")
    with pytest.raises(AdaBertError, match="not plain YAML"):
        load_config(path, {})
    assert not sentinel.exists()


@pytest.mark.parametrize("content", [None, b"beta: \xff\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "x.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AdaBertError, match=r"x\.yml: "):
        load_config(path, {})


def parsed(*options: str, groups: tuple[str, ...] = tuple(STAGES)) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", nargs="?")
    add_arguments(parser, groups)
    return parser.parse_args(options)


def test_every_key_is_an_option_and_an_absent_one_sets_nothing(tmp_path):
    (tmp_path / "x.yml").write_text("beta: 8\n")
    assert vars(parsed()) == {"verb": None}
    options = parsed("--search-epochs", "3", "--weight-lr", "1e-2")
    built = config_from_args(options, tmp_path / "x.yml")
    assert (built.search.search_epochs, built.search.weight_lr, built.search.beta) == (3, 0.01, 8.0)


def test_a_verb_may_offer_some_stages_only(capsys):
    with pytest.raises(SystemExit):
        parsed("--beta", "3", groups=("run",))
    assert "--beta" in capsys.readouterr().err


def test_the_help_shows_every_option_with_its_default():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    shown = re.sub(r"\s+", " ", parser.format_help())
    assert all(f"--{key.replace('_', '-')} " in shown for key in KEYS)
    assert "(equation 1) (default: 4.0)" in shown


def test_a_runs_name_is_its_settings_and_not_its_place():
    flat = Config().flat()
    name = run_hash(flat)
    assert re.fullmatch("[0-9a-f]{8}", name)
    moved = {**flat, "output": "/x", "threads": 7, "cache": "/y", "data_dir": "/z"}
    assert run_hash(moved) == run_hash(dict(reversed(list(flat.items())))) == name
    assert run_hash(flat, exclude=()) != run_hash(moved, exclude=())


@pytest.mark.parametrize("key", ["seed", "beta", "teacher", "task", "max_length"])
def test_a_setting_that_changes_results_changes_the_name(key):
    flat = Config().flat()
    assert run_hash({**flat, key: "another"}) != run_hash(flat)


def test_stages_and_spaces_can_be_part_of_a_name(monkeypatch):
    space = SpaceConfig(ops=("zero",))
    before = run_hash(Config().data, Config().teacher, 0, space)
    monkeypatch.setenv("ADABERT_DATA", "/elsewhere")
    assert run_hash(Config().data, Config().teacher, 0, space) == before
    assert run_hash(Config().data, Config().teacher, 1, space) != before
    assert (
        run_hash(Config().data, Config().teacher, 0, SpaceConfig(ops=("zero",), dim=64)) != before
    )


@given(st.floats(min_value=0, max_value=1e6), st.integers(min_value=0, max_value=2**32 - 1))
def test_the_name_is_the_same_from_text_and_from_numbers(beta, seed):
    numbers = Config.from_mapping({"beta": beta, "seed": seed}, "python")
    text = Config.from_mapping({"beta": repr(beta), "seed": str(seed)}, "options")
    assert run_hash(numbers.flat()) == run_hash(text.flat())


def test_a_younger_key_at_its_default_leaves_the_names_of_older_runs_as_they_are():
    flat = Config().flat()
    deciding = Config().deciding()
    assert config.LATER.keys() <= flat.keys()
    assert not config.LATER.keys() & deciding.keys()
    augment = {key for key in flat if key.startswith("augment")}
    kept = flat.keys() - config.NOT_HASHED - config.LATER.keys() - augment
    assert run_hash(deciding) == run_hash({key: flat[key] for key in kept})
    other = Config.from_mapping({"transfer": "last", "baseline_lr": 0.1}, "x.yml").deciding()
    assert {k: other[k] for k in other.keys() - kept} == {"transfer": "last", "baseline_lr": 0.1}


def test_settings_of_augmentation_count_only_where_there_is_some():
    off, idle, on = (
        Config.from_mapping(flat, "x")
        for flat in ({}, {"augment_replace": 0.9}, {"augment_copies": 1})
    )
    assert off.deciding() == idle.deciding()
    assert not any(key.startswith("augment") for key in off.deciding())
    assert on.deciding()["augment_replace"] == 0.3
    assert on.deciding().keys() - {key for key in on.flat() if key.startswith("augment")} == set(
        off.deciding()
    )
    assert not {"output", "cache", "threads"} & on.deciding().keys()
