"""The one training loop and the one prediction loop.

Stages hand in what a step computes; the loops run it and do not know what it means. Nothing here
knows of teachers, students, NNI or files. Shapes: R rows, B batch, L tokens, C classes.
"""

import inspect
import logging
import math
import time
from collections.abc import Callable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import Batch, EpochBatches, loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.precision import plain_float32
from adabert_nni.progress import progress
from adabert_nni.states import Stateful, restore, state_of

logger = logging.getLogger(__name__)

MODEL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch on another device."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def model_inputs(model: nn.Module, batch: Batch) -> Batch:
    """Only what the model's ``forward`` names: no labels, row ids or teacher rows.

    DistilBERT and others have no token types, though their tokenizers may give them.
    """
    named = inspect.signature(model.forward).parameters
    return {name: batch[name] for name in MODEL_INPUTS if name in batch and name in named}


def row_positions(encoded: Encoded, ids: Tensor) -> Tensor:
    """Where the rows with these ids (N,) stand in ``encoded``, whose ids all differ: (N,)."""
    ordered, positions = encoded.ids.sort()
    return positions[torch.searchsorted(ordered, ids)]


def check_finite(model: nn.Module, where: str) -> None:
    """Refuse weights that a last step has broken, which no later loss would tell.

    Args:
        model: whose parameters are looked at.
        where: the start of the message.

    Raises:
        AdaBertError: naming the first weight that holds a NaN or an infinite number.
    """
    wrong = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if wrong:
        raise AdaBertError(
            f"{where}: {wrong[0]} holds numbers that are not finite; lower the learning rate or look "
            "for broken rows in the data"
        )


def predict(
    model: nn.Module, encoded: Encoded, batch_size: int = 64, label: str = "predict"
) -> Tensor:
    """Logits of every row, (R, C) float32 on the CPU, in the order of the rows.

    The model (whose output has ``logits``) runs in eval mode; its own mode is put back afterwards.
    """
    device = next(model.parameters()).device
    batches = loader(encoded, batch_size, shuffle=False, seed=0)
    was_training = model.training
    model.eval()
    logits, ids = [], []
    with (
        torch.no_grad(),
        plain_float32(),
    ):  # no inference_mode: a later loss could not use its tensors
        for batch in progress(batches, len(batches), label):
            logits.append(
                model(**model_inputs(model, to_device(batch, device))).logits.float().cpu()
            )
            ids.append(batch["ids"])
    model.train(was_training)
    ordered = torch.empty_like(found := torch.cat(logits))
    ordered[row_positions(encoded, torch.cat(ids))] = found
    return ordered


def fit(
    model: nn.Module,
    train: Encoded,
    step: Callable[[Batch], Tensor],
    optimizer: Optimizer,
    scheduler: LRScheduler | None,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    clip_norm: float,
    after_epoch: Callable[[int, dict[str, float]], None] = lambda epoch, measured: None,
    label: str = "train",
    checkpoint: Checkpoint | None = None,
    memory: dict[str, Any] | None = None,
    beside: Mapping[str, Stateful] = MappingProxyType({}),
) -> None:
    """Train in place; on a CPU the same seed and start give the same weights, bit by bit.

    Args:
        model: what is trained; batches come to its device.
        train: the rows.
        step: the scalar loss of a batch, with a gradient.
        optimizer: over the model's parameters.
        scheduler: stepped after every batch; None keeps the learning rate.
        epochs: passes over the rows, >= 0.
        batch_size: rows per step, > 0.
        seed: of the order of rows and of dropout, with the epoch.
        clip_norm: largest norm of the whole gradient, > 0.
        after_epoch: gets the epoch, from 0, and ``{"loss": mean over steps, "seconds": ...}``.
        label: the start of every progress line.
        checkpoint: gets the whole state now and then; what it holds already is gone on from.
        memory: what the caller keeps between steps or epochs, saved with the rest; when going on it
            is filled, with tensors on the CPU.
        beside: more that has a state, such as a mean of the weights; saved with the rest and, when going
            on, put back in place, on its own device.

    Raises:
        AdaBertError: if a loss is NaN or infinite, whose step is not taken; or a weight after an epoch.
    """
    device = next(model.parameters()).device
    batches = loader(train, batch_size, shuffle=True, seed=seed)
    order = cast(EpochBatches, batches.batch_sampler)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    parts: dict[str, Stateful] = {**beside, "model": model, "optimizer": optimizer}
    parts |= {} if scheduler is None else {"scheduler": scheduler}
    memory = {} if memory is None else memory
    losses: list[float] = []
    saved = None if checkpoint is None else checkpoint.load()

    def recent() -> str:
        return f"loss {sum(losses[-50:]) / len(losses[-50:]):.4f}"

    for epoch in range(0 if saved is None else saved["epoch"], epochs):
        torch.manual_seed(seed + epoch)
        start, name = time.monotonic(), f"{label} epoch {epoch + 1}/{epochs}"
        losses = []
        if saved is not None:
            restore(parts, saved)
            losses, start = saved["losses"], start - saved["seconds"]
            memory.update(saved["memory"])
            logger.info("%s: going on after step %d", name, len(losses))
            saved = None
        done = len(losses)
        order.set_epoch(epoch, skip=done)
        model.train()
        for batch in progress(islice(batches, done, None), len(batches), name, recent, done):
            loss = step(to_device(batch, device))
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise AdaBertError(
                    f"{name}, step {len(losses)}: the loss is {losses[-1]}, it must be finite; "
                    "lower the learning rate or look for broken rows in the data"
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, clip_norm)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            if checkpoint is not None and checkpoint.due():
                place = {"epoch": epoch, "losses": losses, "seconds": time.monotonic() - start}
                checkpoint.save({**place, "memory": memory, **state_of(parts)})
        check_finite(model, name)
        mean, seconds = sum(losses) / len(losses), time.monotonic() - start
        after_epoch(epoch, {"loss": mean, "seconds": seconds})
