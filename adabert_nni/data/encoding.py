"""Rows to tokens; joins teacher tables by row id.

It must not know how rows become batches. Shapes: R rows, T rows of a table, J teacher layers, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from adabert_nni.data.loading import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.problems import Scale, in_units
from adabert_nni.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_CALL_ROWS = 8192  # rows per tokenizer call: bounds the memory of its intermediate objects


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
