"""Facts of the whole project: how its files read, and calls that would run somebody else's code."""

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from adabert_nni.spaces import SpaceConfig

ROOT = Path(__file__).parents[1]
PYTHON = sorted(file for room in ("adabert_nni", "tests") for file in (ROOT / room).rglob("*.py"))
PACKAGE = [file for file in PYTHON if file.is_relative_to(ROOT / "adabert_nni")]
SPACES = sorted((ROOT / "search_spaces" / "architecture").rglob("*.yml"))
YAML = sorted(f for room in ("search_spaces", "experiments") for f in (ROOT / room).rglob("*.y*ml"))


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


def dangers(text: str) -> Iterator[str]:
    """Each call in a module that runs code found in data, or hands text to a shell."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            banned = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
            yield from (m for m in modules if m.split(".")[0] in banned)
            if modules == ["yaml"] and "load" in names:
                yield "from yaml import load"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called == "torch.load" and keywords.get("weights_only") != "True":
            yield "torch.load without weights_only=True"
        if re.fullmatch(
            r"yaml\.(unsafe_|full_)?load(_all)?|nni\.load|eval|exec|os\.system", called
        ):
            yield called
        if keywords.get("shell", "False") != "False":
            yield "shell=True"
        if keywords.get("allow_pickle", "False") != "False":
            yield "allow_pickle=True"
        if keywords.get("trust_remote_code", "False") != "False":
            yield "trust_remote_code=True"


@pytest.mark.parametrize("file", PYTHON, ids=named)
def test_a_module_says_what_it_is_for(file):
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", PYTHON, ids=named)
def test_a_file_can_be_read_in_one_go(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("file", PACKAGE, ids=named)
def test_nothing_found_in_data_is_run(file):
    assert list(dangers(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "def f():\n    from dill import loads",
        "torch.load('x')",
        "torch.load('x', weights_only=False)",
        "yaml.load(text, yaml.Loader)",
        "yaml.unsafe_load(text)",
        "from yaml import load",
        "subprocess.run('ls', shell=True)",
        "nni.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
    ],
)
def test_a_planted_danger_is_caught(line):
    assert len(list(dangers(line))) == 1


def test_safe_relatives_are_not_taken_for_dangers():
    safe = "yaml.safe_load(t); torch.load(p, weights_only=True); run([p], shell=False); net.eval()"
    assert list(dangers(safe)) == []


@pytest.mark.parametrize("file", YAML, ids=named)
def test_a_yaml_file_is_a_mapping_under_a_header_that_tells_its_use(file):
    text = file.read_text(encoding="utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    assert text.startswith("# ")


@pytest.mark.parametrize("file", SPACES, ids=named)
def test_a_shipped_space_loads(file):
    assert SpaceConfig.load(file).ops


def test_the_paper_space_is_the_papers():
    space = SpaceConfig.load("paper")
    # ten operations, and 2 + 3 + 4 = 9 edges among two inputs and three nodes
    assert (len(space.ops), sum(range(2, 2 + space.nodes))) == (10, 9)
    assert (space.max_depth, space.dim) == (8, 128)


def test_every_data_file_of_the_package_is_installed_with_it():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = [text.strip() for text in setup["options.package_data"]["*"].split(",")]
    for file in (ROOT / "adabert_nni").rglob("*"):
        if file.is_dir() or file.suffix in (".py", ".pyc"):
            continue
        package = next(folder for folder in file.parents if (folder / "__init__.py").is_file())
        given = {match for pattern in patterns for match in package.glob(pattern)}
        assert file in given, named(file)
