"""One pass of the frozen teacher over the rows: the hidden states that probes are trained on.

It must not know what a probe is. Shapes: R rows, B batch, L tokens, H hidden width, J teacher layers,
F = 2 H features per layer, C classes.
"""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import EpochBatches, loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.precision import computing
from adabert_nni.progress import progress
from adabert_nni.training import model_inputs, row_positions, to_device

logger = logging.getLogger(__name__)

MEMORY_BYTES = 2 << 30  # hidden states beyond this are kept in a file meanwhile


def hidden_states(
    model: nn.Module,
    rows: Encoded,
    place: Tensor,
    scratch: Path,
    name: str,
    kept: Checkpoint | None = None,
    turn: Callable[[Tensor], Tensor] | None = None,
    precision: str = "float32",
) -> tuple[Tensor, Tensor]:
    """One pass of the teacher over the rows.

    Args:
        model: the frozen teacher in eval mode.
        rows: R rows.
        place: (R,) where each row's features go.
        scratch: folder for the features if they are too large for the memory.
        name: of the split, for progress lines and the file.
        kept: where the pass keeps what it has; a state holds the rows since the one before.
        turn: what to keep in the place of a batch's features (B, J, F); None keeps them as they are.
        precision: one of ``PRECISIONS``: what the teacher computes in.

    Returns:
        Features (R, J, F) float16, or what they were turned into, placed; the teacher's logits (R, C) float32
        in row order.
    """
    device = next(model.parameters()).device
    features = logits = torch.empty(0)

    def put(at: Tensor, found: Tensor, answers: Tensor) -> None:
        nonlocal features, logits
        if not len(features):
            shape = (len(rows), *found.shape[1:])
            features = _cache(shape, scratch / name) if turn is None else torch.empty(shape)
            logits = torch.empty(len(rows), answers.shape[1])
        features[place[at]], logits[at] = found, answers

    done = 0
    for part in kept.load_all() if kept else ():
        put(part["rows"], part["features"], part["logits"])
        done = part["batches"]
    batches = loader(rows, 64, shuffle=False, seed=0)
    cast(EpochBatches, batches.batch_sampler).set_epoch(0, skip=done)
    left, fresh = islice(batches, done, None), list[Tensor]()
    label = f"teacher pass over {name}"
    with torch.no_grad():
        for batch in progress(left, len(batches), label, first=done):
            batch = to_device(batch, device)
            with computing(precision, device):
                output = model(**model_inputs(model, batch), output_hidden_states=True)
            found = layer_features(output.hidden_states[1:], batch["attention_mask"])
            fresh.append(row_positions(rows, batch["ids"].cpu()))
            put(
                fresh[-1],
                found.cpu() if turn is None else turn(found.cpu()),
                output.logits.float().cpu(),
            )
            done += 1
            if kept and kept.due():
                at = torch.cat(fresh)
                # A teacher this fast has soon done it again, and the rows would fill the memory.
                if len(at) * features[0].nbytes <= MEMORY_BYTES:
                    part = {"rows": at, "features": features[place[at]], "logits": logits[at]}
                    kept.save({**part, "batches": done})
                    fresh.clear()
    return features, logits


def layer_features(layers: Sequence[Tensor], mask: Tensor) -> Tensor:
    """What a probe sees of each layer: the [CLS] position beside the mean over real tokens.

    On SST-2 the mean alone is as good and [CLS] alone up to 8 points worse in the lower layers;
    both are kept for pairs of texts, where [CLS] is what the teacher's own head reads.

    Args:
        layers: J tensors (B, L, H).
        mask: (B, L), 1 for real tokens.

    Returns:
        Float16 features, (B, J, 2 H).
    """
    stack = torch.stack(list(layers), dim=1).float()  # (B, J, L, H)
    weight = mask[:, None, :, None].float()
    mean = (stack * weight).sum(dim=2) / weight.sum(dim=2)
    both = torch.cat([stack[:, :, 0], mean], dim=-1)
    return both.clamp(-65504, 65504).half()  # the largest float16


def _cache(shape: tuple[int, ...], path: Path) -> Tensor:
    """Room for float16 features: memory, or a mapped file if it is more than ``MEMORY_BYTES``."""
    size = 2 * math.prod(shape)
    logger.info("hidden states %s take %.0f MB", shape, size / 1e6)
    if size <= MEMORY_BYTES:
        return torch.empty(shape, dtype=torch.float16)
    free = shutil.disk_usage(path.parent).free  # writing to a mapped file on a full disk is fatal
    if free < size:
        raise AdaBertError(
            f"hidden states: {size / 1e9:.1f} GB are needed for a while in {path.parent}, "
            f"{free / 1e9:.1f} GB are free; make room or set --cache to a larger disk"
        )
    flat = torch.from_file(str(path), shared=True, size=math.prod(shape), dtype=torch.float16)
    return flat.view(shape)
