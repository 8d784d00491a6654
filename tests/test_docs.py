"""The documentation runs: every Python block of a page, in order, as a reader would; and the site builds."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, dynamic_module_utils

from adabert_nni.baselines.table import BASELINES
from adabert_nni.benchmark import peers
from adabert_nni.config import SpaceConfig
from adabert_nni.data.tasks import TASKS
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import OPS
from adabert_nni.report.plot import cell_svg
from adabert_nni.settings import STAGES
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
    deploy(folder / "student", "onnx", folder / "student-onnx")
    return folder


@pytest.fixture
def desk(student, tiny_teacher_dir, tmp_path, monkeypatch):
    """A working folder with a finished student, a tiny teacher, a small model in BERT-base's place."""
    shutil.copytree(student, tmp_path / "runs" / "first")
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
