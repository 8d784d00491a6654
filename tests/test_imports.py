"""Which room may import which: the syntax trees, against the rows in CONTRIBUTING.md."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "adabert_nni"
ROWS = [  # a row imports from the rows below it
    {
        "cli",
        "commands",
        "verbs",
        "paper",
        "api",
        "__init__",
        "__main__",
    },
    {"pipeline"},
    {"report", "baselines"},
    {"benchmark"},
    {"teacher", "search", "student"},
    {"training"},
    {"data"},
    {
        "model",
        "losses",
        "metrics",
        "problems",
        "config",
        "precision",
        "spaces",
        "settings",
        "fields",
        "reading",
        "checkpoint",
        "states",
        "progress",
        "ports",
        "files",
        "folders",
        "errors",
    },
]
SIDEWAYS = (ROWS[0], ROWS[-1])  # wiring and nouns know their own row; stages do not
RANK = {room: rank for rank, row in enumerate(ROWS) for room in row}
HOST = {"nni", "pytorch_lightning", "lightning", "lightning_fabric"}
MODEL_NEEDS = {*sys.stdlib_module_names, "torch", "transformers"}


def modules(package: Path) -> dict[str, Path]:
    """Every module below ``package`` by its dotted name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(name: str, file: Path, known: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """Every module that ``file`` imports, in functions too, and whether it does so relatively."""
    parents = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:  # `from a import b` means a.b where that is a module
                full = f"{base}.{alias.name}"
                yield (full if full in known else base), node.level > 0
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            if called in ("import_module", "__import__", "importorskip"):
                yield str(node.args[0].value), False


def room_of(name: str) -> str:
    """The second part of a dotted name; the package's own ``__init__`` is a room too."""
    return [*name.split("."), "__init__"][1]


def faults(room: str, target: str, relative: bool, package: str) -> Iterator[str]:
    """What is wrong, if anything, with an import of ``target`` in a module of ``room``."""
    top, other = target.split(".")[0], room_of(target)
    if top in HOST and room != "search":
        yield "outside search"
    if top != package:
        if room == "model" and top not in MODEL_NEEDS:
            yield "which no student needs"
        return
    if relative != (room == "model"):
        yield "relatively" if relative else "absolutely"
    if room == "model" and other != "model":
        yield "outside model"
    elif other != room and RANK.get(other, -1) < RANK[room]:
        yield "above it"
    elif other != room and RANK[other] == RANK[room] and ROWS[RANK[room]] not in SIDEWAYS:
        yield "beside it"


def violations(package: Path) -> list[str]:
    """One sentence per import that the rows forbid."""
    known = modules(package)
    lost = [f"{name} is in no row" for name in known if room_of(name) not in RANK]
    return lost + [
        f"{name} imports {target}, {fault}"
        for name, file in known.items()
        if room_of(name) in RANK
        for target, relative in imported(name, file, known)
        for fault in faults(room_of(name), target, relative, package.name)
    ]


def cycle(package: Path) -> list[str]:
    """The modules of one import cycle, or nothing."""
    known = modules(package)
    graph = {
        name: sorted({t for t, _ in imported(name, file, known) if t in known and t != name})
        for name, file in known.items()
    }
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        for target in graph[name]:
            if ring := walk(target, [*path, name]):
                return ring
        done.add(name)
        return []

    return next((ring for name in graph if (ring := walk(name, []))), [])


def planted(folder: Path, files: dict[str, str]) -> Path:
    """A package with these files, and an empty ``__init__`` in every folder."""
    package = folder / "adabert_nni"
    for name, text in {"__init__.py": "", **files}.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text, encoding="utf-8")
    return package


def test_every_import_points_down():
    assert violations(PACKAGE) == []


def test_no_module_imports_itself_in_a_ring():
    assert cycle(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("data/tasks.py", "import adabert_nni.teacher", "above"),
        ("data/tasks.py", "def f():\n    from adabert_nni import training", "above"),
        ("data/tasks.py", "from adabert_nni import __version__", "above"),
        ("search/run.py", "from adabert_nni.teacher.source import x", "beside"),
        ("report/card.py", "from adabert_nni.baselines import x", "beside"),
        ("benchmark/timing.py", "from adabert_nni.report import card", "above"),
        ("student/fold.py", "from adabert_nni.benchmark import timing", "above"),
        ("teacher/probes.py", "from . import source", "relatively"),
        ("model/ops.py", "from adabert_nni.model import cell", "absolutely"),
        ("model/ops.py", "from ..errors import AdaBertError", "outside model"),
        ("model/ops.py", "import numpy", "no student needs"),
        ("cli.py", "def f():\n    import nni", "outside search"),
        (
            "pipeline/run.py",
            "import importlib\nimportlib.import_module('nni.nas')",
            "outside search",
        ),
        ("training.py", "from pytorch_lightning import Trainer", "outside search"),
        ("helpers.py", "", "no row"),
    ],
)
def test_a_planted_import_is_caught(tmp_path, file, line, told):
    others = dict.fromkeys(
        ("teacher/source.py", "training.py", "baselines/x.py", "model/cell.py", "errors.py"), ""
    )
    found = violations(planted(tmp_path, {**others, file: line}))
    assert len(found) == 1
    assert told in found[0]


def test_what_the_table_allows_passes(tmp_path):
    files = {
        "model/cell.py": "import math\nimport torch\n",
        "model/ops.py": "from . import cell\nfrom .cell import Cell\nimport transformers\n",
        "search/run.py": "import nni\nfrom adabert_nni.data import tasks\n",
        "data/tasks.py": "from adabert_nni.errors import AdaBertError\n",
        "errors.py": "",
        "files.py": "from adabert_nni.errors import AdaBertError\n",
        "pipeline/run.py": "from adabert_nni.search import run\n",
        "cli.py": "from adabert_nni.pipeline import run\n",
    }
    package = planted(tmp_path, files)
    assert violations(package) == []
    assert cycle(package) == []


def test_a_planted_ring_is_caught(tmp_path):
    ring = {
        "files.py": "def f():\n    import adabert_nni.config",
        "config.py": "from adabert_nni import files",
    }
    assert sorted(cycle(planted(tmp_path, ring))) == ["adabert_nni.config", "adabert_nni.files"]
