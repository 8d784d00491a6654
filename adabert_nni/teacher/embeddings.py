"""The teacher's embedding tables, from which a student's are factorised.

Shapes: V vocabulary, H width, P positions.
"""

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel

from adabert_nni.teacher.source import WEIGHTS_ONLY


def embedding_tables(folder: Path) -> tuple[Tensor, Tensor]:
    """Word embeddings (V, H) and absolute position embeddings (P, H) of a saved teacher.

    P is 0 for a teacher without absolute positions (DeBERTa, ModernBERT). RoBERTa's first positions, which
    it never uses for tokens, are left out.
    """
    model = AutoModel.from_pretrained(folder, **WEIGHTS_ONLY)
    words = model.get_input_embeddings().weight.detach().clone()
    embeddings = getattr(model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    if table is None:
        return words, torch.zeros(0, words.shape[1])
    unused = 0 if table.padding_idx is None else table.padding_idx + 1
    return words, table.weight.detach()[unused:].clone()
