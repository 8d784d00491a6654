"""Rows to tokens, tokens to batches of similar length; joins teacher tables by row id.

It must not know what a model does with a batch. Shapes: R rows, B rows of a batch, L tokens of the
longest of them, J teacher layers, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from adabert_nni.data.loading import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.problems import Scale, in_units
from adabert_nni.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

Batch = dict[str, Tensor]

_CALL_ROWS = 8192  # rows per tokenizer call: bounds the memory of its intermediate objects
_CHUNK_BATCHES = 50  # rows are sorted by length inside chunks of so many batches


@dataclass
class Encoded:
    """Tokenised rows, unpadded, in the order of the rows.

    Attributes:
        input_ids: R tensors of int32, each 1-D.
        token_type_ids: the segment of each token, likewise; None if the tokenizer has none.
        labels: (R,) int64 class ids or float32 values, ``UNLABELLED`` where there is none.
        ids: (R,) int64 row ids.
        pad_id: the token id that fills shorter rows of a batch.
        teacher: (R, J, C) class probabilities, or values, per teacher layer, once joined.
    """

    input_ids: list[Tensor]
    token_type_ids: list[Tensor] | None
    labels: Tensor
    ids: Tensor
    pad_id: int
    teacher: Tensor | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    def with_teacher(self, table_ids: Tensor, table_probs: Tensor) -> Encoded:
        """The same rows with a teacher's table joined by id.

        Args:
            table_ids: row ids, (T,), each once, in any order; those of other rows are left out.
            table_probs: class probabilities per teacher layer, (T, J, C).

        Returns:
            Rows whose ``teacher`` is (R, J, C); the tokens are shared, not copied.

        Raises:
            AdaBertError: if one of the rows has no entry in the table, or a table id repeats.
        """
        ordered, order = table_ids.to(torch.int64).sort()
        if bool((ordered[1:] == ordered[:-1]).any()):
            raise AdaBertError("teacher table: got a row id twice, allowed is once; build it again")
        missing = self.ids[~torch.isin(self.ids, ordered)].tolist()
        if missing:
            raise AdaBertError(
                f"teacher table: it lacks {len(missing)} of {len(self)} rows, such as id "
                f"{missing[0]}, and must hold all; build it again for this split"
            )
        return replace(self, teacher=table_probs[order[torch.searchsorted(ordered, self.ids)]])

    def in_units(self, scale: Scale) -> Encoded:
        """The same rows with labels less their mean, over their deviation, as models learn them."""
        return replace(self, labels=in_units(self.labels, scale))

    def first(self, count: int) -> Encoded:
        """The first ``count`` rows, with their part of the teacher's table."""
        return Encoded(
            self.input_ids[:count],
            self.token_type_ids and self.token_type_ids[:count],
            self.labels[:count],
            self.ids[:count],
            self.pad_id,
            None if self.teacher is None else self.teacher[:count],
        )

    def plus(self, more: Encoded) -> Encoded:
        """These rows, then ``more``, of the same tokenizer and with other ids; without a teacher."""
        both = self.token_type_ids is not None and more.token_type_ids is not None
        return Encoded(
            self.input_ids + more.input_ids,
            [*(self.token_type_ids or ()), *(more.token_type_ids or ())] if both else None,
            torch.cat([self.labels, more.labels]),
            torch.cat([self.ids, more.ids]),
            self.pad_id,
        )


def encode(rows: Rows, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoded:
    """Tokenise rows once; longer ones are cut to ``max_length`` tokens and counted in the log.

    Args:
        rows: texts of one or two columns.
        tokenizer: a fast tokenizer with a pad token.
        max_length: most tokens per row, [CLS] and [SEP] counted; pairs lose from the longer text.

    Returns:
        The rows in their order, without a teacher.

    Raises:
        AdaBertError: if the tokenizer or ``max_length`` cannot be used.
    """
    columns = len(rows.texts[0]) if rows.texts else 1
    _check(tokenizer, max_length, columns)
    input_ids, segments, cut = list[Tensor](), list[Tensor](), 0
    calls = range(0, len(rows.texts), _CALL_ROWS)
    for start in progress(calls, len(calls), f"tokens, {_CALL_ROWS} rows each time,"):
        texts = rows.texts[start : start + _CALL_ROWS]
        batch = tokenizer(
            *([_shorten(r[i], tokenizer, max_length) for r in texts] for i in range(columns)),
            truncation="longest_first",
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
        )
        input_ids += [torch.tensor(r, dtype=torch.int32) for r in batch["input_ids"]]
        segments += [torch.tensor(r, dtype=torch.int32) for r in batch.get("token_type_ids", [])]
        cut += sum(bool(encoding.overflowing) for encoding in batch.encodings or [])
    if cut:
        logger.warning("%d of %d rows were cut to %d tokens", cut, len(rows.texts), max_length)
    values = any(isinstance(label, float) for label in rows.labels)
    labels = torch.tensor(rows.labels, dtype=torch.float32 if values else torch.int64)
    ids = torch.tensor(rows.ids, dtype=torch.int64)
    return Encoded(input_ids, segments or None, labels, ids, cast(int, tokenizer.pad_token_id))


def _shorten(text: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> str:
    """Drop what is beyond ``max_length`` tokens of this text, and so of its row.

    The tokenizer keeps all combinations of what it cuts off two texts: gigabytes for long ones.
    """
    if len(text) <= 4 * max_length:  # the rest would make a few pieces at most
        return text
    text = text[: 200 * max_length]  # real tokens are far shorter; a 1 MB text costs a second
    cut = tokenizer(text, add_special_tokens=False, truncation=True, max_length=max_length)[0]
    return text[: cut.offsets[-1][1]] if cut.overflowing else text


def _check(tokenizer: PreTrainedTokenizerBase, max_length: int, columns: int) -> None:
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise AdaBertError("tokenizer: must be a fast one with a pad token; use another teacher")
    least = tokenizer.num_special_tokens_to_add(columns == 2) + columns
    most = tokenizer.model_max_length
    if not least <= max_length <= most:
        raise AdaBertError(f"max_length: got {max_length}, this tokenizer allows {least} to {most}")


class LengthBuckets(Sampler[list[int]]):
    """Batches of rows of similar length: a pure function of lengths, seed (>= 0) and epoch (>= 0).

    Shuffled: shuffled rows are sorted by length inside chunks, then the batches are shuffled; a last
    batch of one row joins the one before, since BatchNorm needs more. Else from short to long.
    """

    def __init__(self, lengths: list[int], batch_size: int, shuffle: bool, seed: int) -> None:
        self._lengths, self._batch_size = np.asarray(lengths, dtype=np.int64), batch_size
        self._shuffle, self._seed, self._epoch, self._skip = shuffle, seed, 0, 0
        self._count = len(self.batches(0))

    def set_epoch(self, epoch: int, skip: int = 0) -> None:
        """Choose the epoch that is iterated next, 0 until then; its first ``skip`` batches come empty."""
        self._epoch, self._skip = epoch, skip

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

    def __iter__(self) -> Iterator[list[int]]:
        # A generator looks at the epoch late: Lightning asks for an iterator before it sets one.
        for number, batch in enumerate(self.batches(self._epoch)):
            yield batch if number >= self._skip else []

    def __len__(self) -> int:
        return self._count


def _pad(encoded: Encoded, positions: list[int]) -> Batch:
    if not positions:  # skipped
        return {}
    at = torch.tensor(positions)
    tokens = [encoded.input_ids[i] for i in positions]
    padded = pad_sequence(tokens, batch_first=True, padding_value=encoded.pad_id)
    mask = pad_sequence([torch.ones_like(row) for row in tokens], batch_first=True)
    batch = {"input_ids": padded.long(), "attention_mask": mask.long()}
    if encoded.token_type_ids is not None:
        segments = [encoded.token_type_ids[i] for i in positions]
        batch["token_type_ids"] = pad_sequence(segments, batch_first=True).long()
    batch |= {"labels": encoded.labels[at], "ids": encoded.ids[at]}
    return batch if encoded.teacher is None else batch | {"teacher": encoded.teacher[at]}


def loader(encoded: Encoded, batch_size: int, shuffle: bool, seed: int) -> DataLoader[Batch]:
    """Batches of similar length, padded to their own longest row; see ``LengthBuckets``.

    Args:
        encoded: the rows.
        batch_size: rows per batch, >= 1; one may be smaller, or one row larger.
        shuffle: draw batches from (seed, epoch), with ``batch_sampler.set_epoch``; else they go by
            length, and ``ids`` tell the order of the rows.
        seed: >= 0.

    Returns:
        A loader of ``Batch``: input_ids, attention_mask and, if the tokenizer has them,
        token_type_ids, each (B, L) int64; labels, ids (B,); teacher (B, J, C) if joined.
    """
    buckets = LengthBuckets(list(map(len, encoded.input_ids)), batch_size, shuffle, seed)
    positions = cast(Dataset[Batch], range(len(encoded)))  # ``_pad`` turns positions into a batch
    pad, own = partial(_pad, encoded), torch.Generator()  # or epochs draw from the global state
    return DataLoader(positions, batch_sampler=buckets, collate_fn=pad, generator=own)
