"""Names stay in their folders, and no module of the package hands data to an interpreter or a shell."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from adabert_nni.errors import AdaBertError
from adabert_nni.files import confined

PACKAGE = sorted((Path(__file__).parents[2] / "adabert_nni").rglob("*.py"))
RUNNERS = {"run", "call", "check_call", "check_output", "Popen"}
BANNED = {
    *("torch.load", "nni.load", "nni.common.load", "yaml.load", "yaml.unsafe_load", "numpy.load"),
    *("pickle.load", "pickle.loads", "json_tricks.loads", "cloudpickle.loads", "joblib.load"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("eval", "exec", "compile", "__import__", "importlib.import_module", "tarfile.open"),
}


def names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: ``{"t": "torch", "load": "torch.load"}``."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.split(".")[0]: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def dangers(text: str) -> Iterator[str]:
    """Calls, under whatever name, that run what data says, and commands that are one text."""
    tree = ast.parse(text)
    known = names(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, _, rest = ast.unparse(node.func).partition(".")
        called = ".".join(filter(None, (known.get(first, first), rest)))
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in BANNED and keywords.get("weights_only") != "True":
            yield called
        if called.startswith("subprocess.") and called.split(".")[1] in RUNNERS:
            command = node.args[0] if node.args else None
            if isinstance(command, ast.JoinedStr | ast.Constant | ast.BinOp):
                yield f"{called} of a text"
            if keywords.get("shell", "False") != "False":
                yield f"{called} with a shell"
        remote = keywords.get("trust_remote_code", "False")
        if called.endswith(".from_pretrained") and remote != "False":
            yield called


@pytest.mark.parametrize("file", PACKAGE, ids=lambda file: file.name)
def test_no_call_runs_what_data_says_under_whatever_name(file):
    assert list(dangers(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import torch as t\nt.load(p)",
        "from torch import load as read\nread(p)",
        "from nni import load\nload(t)",
        "import nni\nnni.load(t)",
        "from yaml import load\nload(t)",
        "from os import system\nsystem(t)",
        "import subprocess\nsubprocess.run(f'ls {x}')",
        "import subprocess\nsubprocess.run('ls ' + x)",
        "from subprocess import run\nrun(words, shell=True)",
        "AutoModel.from_pretrained(p, trust_remote_code=ask)",
    ],
)
def test_a_planted_call_is_caught(text):
    assert len(list(dangers(text))) == 1


def test_what_is_safe_is_not_taken_for_a_danger():
    safe = "import torch, subprocess\ntorch.load(p, weights_only=True)\nsubprocess.run(['ls', p])"
    assert list(dangers(safe)) == []


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/../../x", "..", "\0", "link/x"])
@pytest.mark.parametrize("key", ["task", "space", "estimator", "format"])
def test_a_name_cannot_lead_elsewhere(told, tmp_path, finished, key, name):
    (tmp_path / "link").symlink_to("/etc")
    words = ["compress", f"--{key}", name]
    if key == "format":
        words = ["export", finished / "run" / "student", *words[1:]]
    said = told(*words)
    assert repr(name) in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link"]


def test_a_link_in_a_folder_does_not_lead_out_of_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    assert confined(tmp_path / "in", "a/b").is_relative_to(tmp_path / "in")
    for name in ("link", "link/x", "../x", "/etc/passwd", ""):
        with pytest.raises(AdaBertError, match="is not a name inside"):
            confined(tmp_path / "in", name)
