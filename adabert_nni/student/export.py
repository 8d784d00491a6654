"""Write a finished student as a Hugging Face folder that needs neither this package nor NNI.

The folder holds safetensors, a config with the architecture, the tokenizer, a copy of the modelling code for
``trust_remote_code=True``, and the student's scores.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

import adabert_nni.model
from adabert_nni.files import write_json
from adabert_nni.model.modeling import AdaBertForSequenceClassification

CODE = ("architecture.py", "ops.py", "cell.py", "body.py", "modeling.py")
AUTO_MAP = {
    "AutoConfig": "modeling.AdaBertConfig",
    "AutoModelForSequenceClassification": "modeling.AdaBertForSequenceClassification",
}
SCORES = "scores.json"


def save_student(
    student: AdaBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    scores: dict[str, float],
    history: list[dict[str, float]],
    seconds: float,
) -> None:
    """Write ``student`` into the existing ``folder``.

    Args:
        student: the model to export, without layer probes.
        tokenizer: the teacher's tokenizer.
        folder: where to write.
        scores: the task's metrics on the validation split.
        history: what each epoch of the training gave.
        seconds: how long the training took.
    """
    student.config.auto_map = AUTO_MAP
    student.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _limit_length(folder, student.config.max_position_embeddings)
    for name in CODE:
        shutil.copyfile(Path(adabert_nni.model.__file__).with_name(name), folder / name)
    record: dict[str, Any] = {
        "validation": scores,
        "history": history,
        "seconds": round(seconds, 1),
    }
    write_json(folder / SCORES, record)


def _limit_length(folder: Path, limit: int) -> None:
    """Tell the saved tokenizer how long the student's input may be, so that pipelines can truncate."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**settings, "model_max_length": limit})
