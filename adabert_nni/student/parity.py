"""Exports a student and holds what was written against it: no file that strays too far is left.

It must not know tasks or where rows come from. Shapes: R rows, L tokens, C classes.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adabert_nni.data.batches import Batch
from adabert_nni.errors import AdaBertError
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.fold import fold
from adabert_nni.student.formats import get_format
from adabert_nni.student.onnx_graph import Logits


def export_student(
    student: AdaBertForSequenceClassification, name: str, folder: Path, batches: Sequence[Batch]
) -> dict[str, Any]:
    """Write ``student`` in a format, read it back, and compare it with the student.

    Args:
        student: a finished student; left as it is.
        name: a key of ``FORMATS``.
        folder: an existing folder to write into.
        batches: ids and masks to compare on, and to take the ranges of int8 from; see ``made_up``.

    Returns:
        ``format``, ``file``, ``bytes``; ``largest_difference`` (as ``Format.bound``) and the ``bound`` it
        keeps; ``agreement``, the share of rows that get the same class, if there are classes.

    Raises:
        AdaBertError: if the format is unknown, a package is missing or the bound is exceeded.
    """
    form = get_format(name)
    path = folder / form.file
    own = copy.deepcopy(student).cpu().float().eval()
    form.write(fold(own), path, batches)
    found = logits(form.read(path, own.config), batches)
    wanted = logits(Logits(own), batches)
    difference = float((found - wanted).abs().max() / wanted.abs().max().clamp_min(1.0))
    if not difference <= form.bound:
        path.unlink()
        raise AdaBertError(
            f"export {name}: a logit differs by {difference:.2g} of the largest one, at most "
            f"{form.bound:.2g} is allowed; give rows like those it will see, or another format"
        )
    return {
        "format": name,
        "file": form.file,
        "bytes": path.stat().st_size,
        "largest_difference": difference,
        "bound": form.bound,
        **agreement(found, wanted),
    }


def agreement(found: Tensor, wanted: Tensor) -> dict[str, float]:
    """The share of rows of the same class; nothing where there is one output, which is a value."""
    same = (found.argmax(-1) == wanted.argmax(-1)).float().mean()
    return {"agreement": float(same)} if wanted.shape[1] > 1 else {}


def logits(module: nn.Module, batches: Sequence[Batch]) -> Tensor:
    """What ``module``, in eval mode, says of all rows, (R, C) float32, in the order of the batches."""
    with torch.inference_mode():
        found = [module(batch["input_ids"], batch["attention_mask"]) for batch in batches]
    return torch.cat(found).float()


def made_up(config: AdaBertConfig, batches: int = 8, seed: int = 0) -> list[Batch]:
    """Batches of random tokens with padding, for want of rows: 8 rows of up to 64 tokens each."""
    generator = torch.Generator().manual_seed(seed)
    length = min(64, config.max_position_embeddings)
    made = []
    for _ in range(batches):
        ids = torch.randint(1, config.vocab_size, (8, length), generator=generator)
        ends = torch.randint(length // 2, length + 1, (8, 1), generator=generator)
        if config.sep_token_id is not None:
            ids[ids == config.sep_token_id] = 1 if config.sep_token_id != 1 else 2
            ids[:, length // 4] = config.sep_token_id
            ids.scatter_(1, ends - 1, config.sep_token_id)
        mask = (torch.arange(length) < ends).long()
        made.append({"input_ids": ids * mask, "attention_mask": mask})
    return made
