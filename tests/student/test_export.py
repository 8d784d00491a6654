"""Facts of the folder that a student is saved in."""

import json
import os
import subprocess
import sys

import pytest
import torch

from adabert_nni.files import read_json
from adabert_nni.student.export import SCORES, save_student

TEXTS = ["the plot was superb .", "to me the food was far from good .", "dull ."]


@pytest.fixture
def saved(made_student, tiny_tokenizer, tmp_path):
    """An untrained student with names for its classes, and the folder that it was saved in."""
    model = made_student(vocab_size=len(tiny_tokenizer), names=("negative", "positive")).eval()
    for tensor in model.parameters():
        torch.nn.init.normal_(tensor, std=0.5)  # so that no path is silent
    folder = tmp_path / "student"
    folder.mkdir()
    history = [{"epoch": 0, "selection_accuracy": 0.5}]
    save_student(
        model, tiny_tokenizer, folder, scores={"accuracy": 0.75}, history=history, seconds=1.26
    )
    return model, folder


PREDICT = """
import json, sys
for name in {absent}:
    sys.modules[name] = None
{before}
from transformers import pipeline
classify = pipeline("text-classification", model={folder!r}, **{options})
print(type(classify.model).__module__)
print(json.dumps(classify({texts}, top_k=None)))
"""


def test_a_saved_student_predicts_alike_with_the_package_and_without_it(saved, tiny_tokenizer):
    model, folder = saved
    host = ["nni", "pytorch_lightning"]
    ways = [
        {"absent": host, "before": "import adabert_nni", "options": {}},
        {
            "absent": [*host, "adabert_nni"],
            "before": "",
            "options": {"trust_remote_code": True},
        },
    ]
    cache = str(folder.parent / "modules")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PREDICT.format(folder=str(folder), texts=TEXTS, **way)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder.parent,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": cache},
        )
        for way in ways
    ]
    outputs = []
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        outputs.append(out.strip().splitlines())
    (ours, with_package), (copied, without) = outputs
    assert ours == "adabert_nni.model.modeling"
    assert copied.startswith("transformers_modules.student.")
    assert with_package == without
    probs = []
    for text in TEXTS:
        with torch.no_grad():
            probs.append(model(**tiny_tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0])
    for row, found in zip(probs, json.loads(without), strict=True):
        by_name = {entry["label"]: entry["score"] for entry in found}
        want = {"negative": row[0].item(), "positive": row[1].item()}
        assert by_name == pytest.approx(want, abs=1e-5)


def test_a_saved_student_tells_its_longest_input_and_its_scores(saved):
    model, folder = saved
    longest = model.config.max_position_embeddings
    assert read_json(folder / "tokenizer_config.json")["model_max_length"] == longest
    assert read_json(folder / SCORES)["validation"] == {"accuracy": 0.75}
    assert not list(folder.glob("*.bin"))  # no pickles
