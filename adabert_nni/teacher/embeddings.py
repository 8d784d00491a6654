"""The teacher's embedding tables, from which a student's are factorised.

Shapes: V vocabulary, H width, P positions.
"""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from adabert_nni.errors import AdaBertError
from adabert_nni.teacher.loading import WEIGHTS_ONLY, without_warnings


def embedding_tables(folder: Path) -> tuple[Tensor, Tensor]:
    """Word embeddings (V, H) and absolute position embeddings (P, H) of a saved teacher.

    P is 0 for a teacher without absolute positions (DeBERTa, ModernBERT). RoBERTa's first positions, which
    it never uses for tokens, are left out.
    """
    with without_warnings():  # of a head, which is not needed
        whole = AutoModelForSequenceClassification.from_pretrained(folder, **WEIGHTS_ONLY)
    model = whole.base_model
    words = model.get_input_embeddings().weight.detach().clone()
    positions = _positions(model)
    return words, torch.zeros(0, words.shape[1]) if positions is None else positions.clone()


def check_length(model: PreTrainedModel, max_length: int) -> None:
    """Refuse rows of more tokens than the encoder has positions for; a tokenizer need not know."""
    positions = _positions(model.base_model)
    if positions is not None and max_length > len(positions):
        raise AdaBertError(
            f"max_length: got {max_length}, this teacher has positions for {len(positions)} tokens; give at "
            "most so many, or another teacher"
        )


def _positions(encoder: nn.Module) -> Tensor | None:
    """The absolute position embeddings that tokens use, (P, H); None if there are none."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if table is None:
        return None
    unused = 0 if table.padding_idx is None else table.padding_idx + 1
    return cast(Tensor, table.weight.detach()[unused:])
