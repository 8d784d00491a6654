"""The documentation runs: every Python block of a page, in order, as a reader would; and the site builds."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, dynamic_module_utils

import adabert_nni
from adabert_nni import api, cli
from adabert_nni.baselines.table import BASELINES
from adabert_nni.benchmark import peers
from adabert_nni.data.tasks import TASKS
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import OPS
from adabert_nni.report.plot import cell_svg
from adabert_nni.settings import STAGES
from adabert_nni.spaces import SpaceConfig
from adabert_nni.student.deploy import deploy
from adabert_nni.student.export import save_student

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TABLES = (OPS, TASKS, BASELINES)


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def student(tiny_tokenizer, tmp_path_factory):
    """The folder of an untrained student for single texts, and of its ONNX export."""
    folder = tmp_path_factory.mktemp("student")
    torch.manual_seed(0)
    config = AdaBertConfig(
        Architecture(1, 1, {"0_2": "std_conv_3", "1_2": "skip_connect"}).to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=8,
        id2label={0: "negative", 1: "positive"},
    )
    (folder / "student").mkdir()
    model = AdaBertForSequenceClassification(config).eval()
    save_student(model, tiny_tokenizer, folder / "student", scores={}, history=[], seconds=0.0)
    deploy(folder / "student", "onnx-int8", folder / "student-onnx-int8")
    return folder


@pytest.fixture
def desk(student, tiny_teacher_dir, tmp_path, monkeypatch):
    """A working folder with a finished student, a tiny teacher, a small model in BERT-base's place."""
    for run in ("first", "prices"):
        shutil.copytree(student, tmp_path / "runs" / run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADABERT_TEACHER", str(tiny_teacher_dir))
    monkeypatch.setenv("ADABERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    monkeypatch.setitem(peers.PEERS, "bert-base", lambda _: BertForSequenceClassification(tiny))
    before = [dict(table) for table in TABLES]
    yield tmp_path
    for table, entries in zip(TABLES, before, strict=True):  # pages add to them
        table.clear()
        table.update(entries)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.stem)
def test_a_pages_python_runs_in_order_and_its_assertions_hold(page, desk):
    torch.manual_seed(0)
    names = {"__name__": page.stem}
    for number, text in enumerate(blocks(page), start=1):
        exec(compile(text, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.slow
def test_the_commands_about_reviews_run_in_order(desk, tiny_teacher_dir, monkeypatch, capsys):
    page = DOCS / "own-data.md"
    exec(compile(blocks(page)[0], page.name, "exec"), {})  # writes reviews.csv
    shutil.copy("reviews.csv", "more.csv")
    Path("more.csv").write_text(Path("more.csv").read_text().replace(",\n", ",negative\n"))
    monkeypatch.setattr(cli, "_log", lambda debug: None)
    found = re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = "".join(found).replace("\\\n", " ").replace("minilm-l6", str(tiny_teacher_dir))
    ran = []
    for line in lines.splitlines():
        program, *words = shlex.split(line)
        if program == "adabert" and any(word.startswith("runs/reviews") for word in words):
            ran.append(words[0])
            assert cli.main(words) == cli.OK
            if "--dry-run" in words:
                assert not Path("runs", "reviews").exists()
                assert cli.main(words[:-1]) == cli.OK
    assert ran == ["compress", "predict", "predict", "evaluate", "evaluate", "export"]
    assert len(Path("answers.csv").read_text().splitlines()) == 3001  # and the header
    assert Path("runs", "reviews", "student-onnx-int8", "model.onnx").is_file()


def test_the_example_of_own_data_runs_whole(desk, capsys, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(desk))
    names = runpy.run_path(str(ROOT / "examples" / "own_data.py"))
    assert Path.cwd().parent == desk
    assert Path("runs", "reviews", "report.html").is_file()
    assert names["scores"]["accuracy"] == names["metrics"]["student_accuracy"]
    assert names["scores"]["rows"] == 32  # a tenth of the 320 rows with a label
    assert names["answers"][0]["label"] in names["NAMES"]
    assert names["record"]["vocabulary"] <= len(names["tokenizer"])
    assert names["found"] in names["NAMES"]


def test_the_table_of_settings_has_every_key_with_its_default():
    hooks = runpy.run_path(str(DOCS / "hooks.py"))
    made = hooks["on_page_markdown"]((DOCS / "settings.md").read_text(encoding="utf-8"))
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", made, re.MULTILINE))
    stages = (*STAGES.values(), SpaceConfig)
    assert list(told) == [key for stage in stages for key in stage.__pydantic_fields__]
    assert told["max_length"].endswith("<br>*whole number, ≥ 8, ≤ 512; default `128`*")
    assert told["estimator"].endswith("<br>*`exact`, `sampled`; default `exact`*")
    assert told["teacher"].endswith("default `bert-base-uncased`*")  # whatever the environment says
    assert told["train"].endswith("<br>*text; unset by default*")
    assert told["ops"].endswith("<br>*list of text; required*")
    assert hooks["on_page_markdown"]("no mark") == "no mark"


def test_the_drawn_cell_is_what_the_package_draws():
    found = Architecture.load(ROOT / "results" / "sst2" / "trial-1" / "architecture.json")
    assert (DOCS / "figures" / "cell.svg").read_text(encoding="utf-8") == cell_svg(found)


def test_the_reference_tells_of_every_verb_and_public_name():
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert set(re.search(r"members: \[(.*train.*)\]", page)[1].split(", ")) == set(api.__all__)
    named = {line.rpartition(".")[2] for line in page.splitlines() if line.startswith(":::")}
    assert set(adabert_nni.__all__) - set(api.__all__) - {"__version__"} <= named


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_nothing_of_a_network(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = {page.name: page.read_text(encoding="utf-8") for page in tmp_path.glob("*.html")}
    assert {page.with_suffix(".html").name for page in PAGES} <= set(pages)
    loaded = [
        address
        for text in pages.values()
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text)
        if 'rel="canonical"' not in tag
        for address in re.findall(r'(?:src|href)="([^"]+)"', tag)
    ]
    assert loaded
    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    assert "search_epochs" in pages["settings.html"]
    assert 'id="adabert_nni.losses.knowledge_loss"' in pages["reference.html"]
