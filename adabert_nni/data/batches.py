"""Tokenised rows to padded batches of similar length.

It must not know what a model does with a batch. Shapes: R rows, B rows of a batch, L tokens of the longest of
them, J teacher layers, C classes.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from adabert_nni.data.encoding import Encoded

Batch = dict[str, Tensor]

_CHUNK_BATCHES = 50  # rows are sorted by length inside chunks of so many batches


class EpochBatches(Sampler[list[int]]):
    """The batches of one epoch after the other, each a pure function of the epoch, >= 0.

    Attributes:
        held: how many batches of an epoch are of rows that are held apart.
    """

    held = 0

    def __init__(self) -> None:
        """Start with epoch 0."""
        self._epoch, self._skip = 0, 0

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """Choose the epoch that is iterated next, 0 until then; its first ``skip`` batches come empty."""
        self._epoch, self._skip = epoch, skip

    @abstractmethod
    def batches(self, epoch: int) -> list[list[int]]:
        """The row positions of every batch of an epoch; as many batches in each."""

    def __iter__(self) -> Iterator[list[int]]:
        # A generator looks at the epoch late: Lightning asks for an iterator before it sets one.
        for number, batch in enumerate(self.batches(self._epoch)):
            yield batch if number >= self._skip else []


class LengthBuckets(EpochBatches):
    """Batches of rows of similar length: a pure function of lengths, seed (>= 0) and epoch (>= 0).

    Shuffled: shuffled rows are sorted by length inside chunks, then the batches are shuffled; a last
    batch of one row joins the one before, since BatchNorm needs more. Else from short to long.
    """

    def __init__(
        self, lengths: Sequence[int] | np.ndarray, batch_size: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__()
        self._lengths, self._batch_size = np.asarray(lengths, dtype=np.int64), batch_size
        self._shuffle, self._seed = shuffle, seed
        self._count = len(self.batches(0))

    def batches(self, epoch: int) -> list[list[int]]:
        """The row positions of every batch of an epoch."""
        size, rows = self._batch_size, len(self._lengths)
        rng = np.random.default_rng((self._seed, epoch))
        order = rng.permutation(rows) if self._shuffle else np.arange(rows)
        chunk_rows = size * _CHUNK_BATCHES if self._shuffle else max(rows, 1)
        found: list[list[int]] = []
        for start in range(0, rows, chunk_rows):
            chunk = order[start : start + chunk_rows]
            chunk = chunk[np.argsort(self._lengths[chunk], kind="stable")].tolist()
            found += [chunk[i : i + size] for i in range(0, len(chunk), size)]
        if not self._shuffle:
            return found
        if size > 1 and len(found) > 1 and len(found[-1]) == 1:
            found[-2:] = [found[-2] + found[-1]]
        return [found[i] for i in rng.permutation(len(found))]

    def __len__(self) -> int:
        return self._count


class Interleaved(EpochBatches):
    """Shuffled ``LengthBuckets`` of two sets of rows; the batches of one lie evenly among the other's."""

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, held: np.ndarray
    ) -> None:
        """Keep rows apart that are ``held``, (R,) bool; no batch has rows of both kinds."""
        super().__init__()
        counted = np.asarray(lengths, dtype=np.int64)
        self._rows = [np.flatnonzero(~held), np.flatnonzero(held)]
        self._buckets = [LengthBuckets(counted[r], batch_size, True, seed) for r in self._rows]
        self.held = len(self._buckets[1])

    def batches(self, epoch: int) -> list[list[int]]:
        """The row positions of every batch of an epoch."""
        placed = [
            ((number + 0.5) / len(buckets), rows[batch].tolist())
            for rows, buckets in zip(self._rows, self._buckets, strict=True)
            for number, batch in enumerate(buckets.batches(epoch))
        ]
        return [batch for _, batch in sorted(placed, key=itemgetter(0))]

    def __len__(self) -> int:
        return sum(map(len, self._buckets))


def _pad(encoded: Encoded, held: Tensor | None, positions: list[int]) -> Batch:
    if not positions:  # skipped
        return {}
    at = torch.tensor(positions)
    tokens = [encoded.input_ids[i] for i in positions]
    padded = pad_sequence(tokens, batch_first=True, padding_value=encoded.pad_id)
    lengths = torch.tensor([len(row) for row in tokens])
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    batch = {"input_ids": padded.long(), "attention_mask": mask.long()}
    if encoded.token_type_ids is not None:
        segments = [encoded.token_type_ids[i] for i in positions]
        batch["token_type_ids"] = pad_sequence(segments, batch_first=True).long()
    batch |= {"labels": encoded.labels[at], "ids": encoded.ids[at]}
    if held is not None:
        batch["held"] = held[at]
    return batch if encoded.teacher is None else batch | {"teacher": encoded.teacher[at]}


def loader(
    encoded: Encoded, batch_size: int, shuffle: bool, seed: int, held: Tensor | None = None
) -> DataLoader[Batch]:
    """Batches of similar length, padded to their own longest row; see ``LengthBuckets``.

    Args:
        encoded: the rows.
        batch_size: rows per batch, >= 1; one may be smaller, or one row larger.
        shuffle: draw batches from (seed, epoch), with ``batch_sampler.set_epoch``; else they go by
            length, and ``ids`` tell the order of the rows.
        seed: >= 0.
        held: rows that are kept apart from the others, in batches of their own, (R,) bool, some and not
            all; only shuffled. None keeps none apart.

    Returns:
        A loader of ``Batch``: input_ids, attention_mask and, if the tokenizer has them,
        token_type_ids, each (B, L) int64; labels, ids (B,); teacher (B, J, C) if joined; held (B,) if given.
    """
    lengths = list(map(len, encoded.input_ids))
    batches: EpochBatches = (
        LengthBuckets(lengths, batch_size, shuffle, seed)
        if held is None
        else Interleaved(lengths, batch_size, seed, held.numpy())
    )
    positions = cast(Dataset[Batch], range(len(encoded)))  # ``_pad`` turns positions into a batch
    return DataLoader(
        positions,
        batch_sampler=batches,
        collate_fn=partial(_pad, encoded, held),
        generator=torch.Generator(),  # or epochs draw from the global state
        pin_memory=torch.cuda.is_available(),
    )
