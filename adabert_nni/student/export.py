"""Write a finished student as a Hugging Face folder that needs neither this package nor NNI.

The folder holds safetensors, a config with the architecture, the tokenizer, the student's scores, and a copy of
the modelling code for ``trust_remote_code=True``, which ``save_pretrained`` writes. Nothing in it names a place on
this machine, since it is there to be published.
"""

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from adabert_nni.files import read_json, write_json
from adabert_nni.metrics import PREDICTIONS
from adabert_nni.model.modeling import AdaBertForSequenceClassification

SCORES = "scores.json"
LOCAL_KEYS = ("is_local", "local_files_only")  # how the tokenizer was read here


def save_student(
    student: AdaBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    scores: dict[str, float],
    history: list[dict[str, float]],
    seconds: float,
    predictions: dict[str, Any] | None = None,
) -> None:
    """Write ``student`` into the existing ``folder``.

    Args:
        student: the model to export, without layer probes.
        tokenizer: the teacher's tokenizer.
        folder: where to write.
        scores: the task's metrics on the validation split.
        history: what each epoch of the training gave.
        seconds: how long the training took.
        predictions: what it says of the validation rows, as ``metrics.answers`` gives it.
    """
    student.save_pretrained(folder)
    save_tokenizer(tokenizer, folder, student.config.max_position_embeddings)
    record: dict[str, Any] = {
        "validation": scores,
        "history": history,
        "seconds": round(seconds, 1),
    }
    write_json(folder / SCORES, record)
    if predictions is not None:
        write_json(folder / PREDICTIONS, predictions, indent=None)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path, limit: int) -> None:
    """Write the tokenizer, told how long the student's input may be, so that pipelines can truncate."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = {
        key: value
        for key, value in read_json(path).items()
        if key not in LOCAL_KEYS and not (isinstance(value, str) and Path(value).is_absolute())
    }
    write_json(path, {**settings, "model_max_length": limit})
