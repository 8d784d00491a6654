"""A trained baseline as a folder, and back: Hugging Face's own form, or safetensors and a config for the BiLSTM.

It must not know how one is trained.
"""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from adabert_nni.benchmark.peers import BiLstmSoft
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json

BILSTM = "bilstm-soft"
WEIGHTS, CONFIG, SCORES = "model.safetensors", "config.json", "scores.json"


def check_storable(model: nn.Module) -> None:
    """Refuse, with an AdaBertError, a model that ``save_baseline`` cannot store."""
    if not isinstance(model, PreTrainedModel | BiLstmSoft):
        raise AdaBertError(
            f"baseline: its builder gives a {type(model).__name__}, which cannot be stored; let it give a "
            "transformers.PreTrainedModel that AutoModelForSequenceClassification knows"
        )


def save_baseline(
    model: nn.Module, tokenizer: PreTrainedTokenizerBase, folder: Path, record: dict[str, Any]
) -> None:
    """Write ``model``, its tokenizer and ``scores.json`` into the existing ``folder``.

    Args:
        model: a transformers classifier or the BiLSTM, on the CPU.
        tokenizer: the teacher's.
        folder: where to write.
        record: plain JSON: scores on validation, the history of the training, seconds.

    Raises:
        AdaBertError: if ``model`` is neither.
    """
    check_storable(model)
    if isinstance(model, PreTrainedModel):
        model.save_pretrained(folder)
    if isinstance(model, BiLstmSoft):
        save_file(model.state_dict(), folder / WEIGHTS)
        sizes = {
            "vocab_size": model.words.num_embeddings,
            "embedding": model.words.embedding_dim,
            "hidden": model.lstm.hidden_size,
            "num_labels": model.config.num_labels,
        }
        write_json(folder / CONFIG, {"model_type": BILSTM, **sizes})
    tokenizer.save_pretrained(folder)
    write_json(folder / SCORES, record)


def load_baseline(folder: Path) -> nn.Module:
    """The classifier in ``folder``, in eval mode; no code that lies there runs."""
    config = read_json(folder / CONFIG)
    if config.get("model_type") == BILSTM:
        sizes = {key: config[key] for key in ("vocab_size", "embedding", "hidden", "num_labels")}
        model = BiLstmSoft(**sizes)
        model.load_state_dict(load_file(folder / WEIGHTS))
        return model.eval()
    return AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    ).eval()
