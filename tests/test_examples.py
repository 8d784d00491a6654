"""The examples run as they stand, with what they say they need and nothing else."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.deploy import deploy
from adabert_nni.student.export import save_student

pytest.importorskip("onnxruntime")

EXAMPLE = Path(__file__).parents[1] / "examples" / "serve_onnx.py"
TEXTS = ["the plot was not at all dull .", "a room of xyz ?", "good . " * 60]  # the last is cut
PAIRS = [["the room was stale .", "the room was good ."], ["good food . " * 20, "bad ."]]
BLOCKED = """
import runpy, sys
for name in ("torch", "transformers", "adabert_nni", "nni"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module", params=[False, True], ids=["single", "pair"])
def exported(request, tiny_tokenizer, tmp_path_factory):
    """A student, whether it takes pairs, and the folder that it was exported into."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "student").mkdir()
    torch.manual_seed(3)
    architecture = Architecture(2, 2, dict.fromkeys(edge_names(2), "std_conv_3"))
    config = AdaBertConfig(
        architecture.to_dict(),
        vocab_size=len(tiny_tokenizer),
        hidden_size=16,
        max_position_embeddings=40,
        sep_token_id=tiny_tokenizer.sep_token_id if request.param else None,
        id2label={0: "negative", 1: "positive", 2: "mixed"},
    )
    student = AdaBertForSequenceClassification(config).eval()
    for weight in student.parameters():
        torch.nn.init.normal_(weight, std=0.5)  # so that answers differ
    save_student(student, tiny_tokenizer, folder / "student", scores={}, history=[], seconds=0.0)
    deploy(folder / "student", "onnx", folder / "onnx")
    return student, request.param, folder / "onnx"


def expected(student, tokenizer, rows):
    texts = [list(column) for column in zip(*rows, strict=True)]
    batch = tokenizer(
        *texts, truncation="longest_first", max_length=40, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        shares = student(batch["input_ids"], batch["attention_mask"]).logits.softmax(-1)
    names = student.config.id2label
    return [
        {"label": names[int(s.argmax())], "score": pytest.approx(float(s.max()), abs=1e-4)}
        for s in shares
    ]


def started(*words):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", BLOCKED, str(EXAMPLE), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd="/")


def test_the_onnx_example_answers_as_the_student_without_torch_or_transformers(
    exported, tiny_tokenizer
):
    student, is_pair, folder = exported
    asked = [["--pair", *pair] for pair in PAIRS] if is_pair else [TEXTS]
    rows = PAIRS if is_pair else [[text] for text in TEXTS]
    found = []
    for words in asked:
        process = started(str(folder), *words)
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        found += [json.loads(line) for line in out.splitlines()]
    assert found == expected(student, tiny_tokenizer, rows)


def test_the_onnx_example_serves_over_http_and_refuses_what_is_no_list(exported, tiny_tokenizer):
    student, is_pair, folder = exported
    rows = PAIRS if is_pair else [[text] for text in TEXTS]
    server = started(str(folder), "--port", "0")
    try:
        address = server.stdout.readline().strip()
        body = json.dumps(PAIRS if is_pair else TEXTS).encode()
        with urllib.request.urlopen(address, body, timeout=60) as answer:
            assert json.load(answer) == expected(student, tiny_tokenizer, rows)
        with urllib.request.urlopen(address, b"[]", timeout=60) as answer:
            assert json.load(answer) == []
        other = TEXTS if is_pair else PAIRS
        for body in (b"not json", b'"abc"', b"[1]", json.dumps(other).encode()):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(address, body, timeout=60)
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
