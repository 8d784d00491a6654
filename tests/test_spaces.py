"""Architecture spaces: wrong ones refused by file and key, names found where they should be."""

from pathlib import Path

import pytest
import yaml

from adabert_nni import spaces
from adabert_nni.errors import AdaBertError
from adabert_nni.spaces import SpaceConfig


def space_file(folder: Path, **keys: object) -> Path:
    path = folder / "mine.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"ops": ["zero", "std_conv_3"], **keys}))
    return path


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"ops": []}, "ops is empty"),
        ({"ops": ["zero", "zero"]}, "ops names zero twice"),
        ({"ops": "zero"}, "ops is 'zero'"),
        ({"ops": ["zero", 3]}, r"ops\[1\] is 3 but it should be a valid string"),
        ({"ops": None}, "ops is missing"),
        ({"nodes": 0}, "nodes is 0 but .* greater than or equal to 1"),
        ({"nodes": 9}, "nodes is 9 but .* less than or equal to 8"),
        ({"max_depth": 25}, "max_depth is 25 but .* less than or equal to 24"),
        ({"dim": 4}, "dim is 4 but .* greater than or equal to 8"),
        ({"dim": "wide"}, "dim is 'wide' but"),
        (
            {"pair_layout": "both"},
            "pair_layout is 'both' but it should be 'joint', 'separate' or 'aligned'",
        ),
        ({"dropout": 1}, "dropout is 1 but it should be less than 1"),
        ({"depth": 3}, r"unknown key 'depth' \(did you mean 'max_depth'\?\)"),
    ],
)
def test_a_wrong_space_is_refused_by_file_and_key(tmp_path, keys, told):
    path = space_file(tmp_path, **keys)
    with pytest.raises(AdaBertError, match=f"mine.yml: {told}"):
        SpaceConfig.load(path)


def test_a_name_is_found_in_the_working_folder_before_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = SpaceConfig.load("small")
    own = space_file(tmp_path / "search_spaces" / "architecture", dim=16)
    assert SpaceConfig.load("mine").dim == 16
    own.rename(own.with_name("small.yml"))
    assert SpaceConfig.load("small").dim == 16 != shipped.dim


def test_a_path_is_what_ends_in_yml(tmp_path):
    assert SpaceConfig.load(str(space_file(tmp_path, dim=16))).dim == 16


@pytest.mark.parametrize("name", ["papr", "../../paper", "", "/"])
def test_an_unknown_space_names_the_known_ones(name):
    with pytest.raises(AdaBertError, match=r"is unknown.*; known: .*paper.*small.*yml"):
        SpaceConfig.load(name)


def test_a_misspelt_space_gets_a_hint():
    with pytest.raises(AdaBertError, match=r"'papr' is unknown \(did you mean 'paper'\?\)"):
        SpaceConfig.load("papr")


def test_an_installed_package_finds_its_spaces(tmp_path, monkeypatch):
    space_file(tmp_path / "share" / "adabert_nni" / "search_spaces" / "architecture", dim=24)
    monkeypatch.setattr(spaces.sysconfig, "get_path", lambda name: str(tmp_path))
    assert SpaceConfig.load("mine").dim == 24
