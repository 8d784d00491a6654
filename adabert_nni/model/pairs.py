"""How a text, or a pair of texts, becomes the two states that the first cell reads: one table of layouts.

The paper feeds a pair's two embedded texts as the two inputs of the first cell (section 2.2), whose
convolutions then add what lies at the same place. "aligned" is ours. It must not know cells.
Shapes: B batch, L tokens, D channels.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .ops import lowest

UNKNOWN_STD = 0.02  # of embeddings that no teacher gives


class Inputs(NamedTuple):
    """c_{-1} and c_0, (B, L', D) each and zero where they have no token; mask of all tokens, (B, L')."""

    before: Tensor
    last: Tensor
    mask: Tensor


class Embeddings(nn.Module):
    """Factorised word embeddings plus positions, normalised (paper, section 3.1, "AdaBERT Setup").

    Attributes:
        word_dropout: share of tokens whose word, position aside, is left out in training, [0, 1). What "aligned"
            compares keeps all words.
    """

    def __init__(self, vocab_size: int, dim: int, max_length: int, dropout: float) -> None:
        """Build tables of (V, D) words and (max_length, D) positions."""
        super().__init__()
        self.words = nn.Embedding(vocab_size, dim)
        self.positions = nn.Embedding(max_length, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.word_dropout = 0.0

    @torch.no_grad()
    def start_from(self, words: Tensor, positions: Tensor) -> None:
        """Take over factorised teacher tables: words (V, D) and the first rows of positions (P, D).

        Positions that the teacher has no embedding for (all of them, if its positions are relative) start
        small and random, far below the words' mean square of 1.
        """
        self.words.weight.copy_(words)
        count = min(len(positions), self.positions.num_embeddings)
        self.positions.weight[:count] = positions[:count]
        nn.init.normal_(self.positions.weight[count:], std=UNKNOWN_STD)

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Ids (B, L) and mask (B, L) -> (B, L, D), zero where mask is 0."""
        words, positions = self.words(input_ids), self.positions.weight[: input_ids.shape[1]]
        if self.training and self.word_dropout > 0:
            words = words * (torch.rand_like(words[..., :1]) >= self.word_dropout)
        return self.dropout(self.norm(words + positions)) * mask.unsqueeze(-1)


def split_pair(input_ids: Tensor, mask: Tensor, sep_id: int) -> tuple[Tensor, Tensor]:
    """Tell the two texts of ``[CLS] a [SEP] b [SEP]`` apart.

    The end of text a is the first separator, which holds for tokenizers with and without token types.

    Args:
        input_ids: token ids of both texts, (B, L).
        mask: 1 at real tokens, (B, L).
        sep_id: id of the separator.

    Returns:
        Masks of a and of b, (B, L) each; their sum is ``mask``.
    """
    is_sep = (input_ids == sep_id).long()
    of_a = mask * (is_sep.cumsum(1) - is_sep == 0)
    return of_a, mask - of_a


def _joint(embed: Embeddings, ids: Tensor, of_a: Tensor, of_b: Tensor, trim: bool) -> Inputs:
    return Inputs(embed(ids, of_a), embed(ids, of_b), of_a + of_b)


def _separate(embed: Embeddings, ids: Tensor, of_a: Tensor, of_b: Tensor, trim: bool) -> Inputs:
    start, count_b = of_a.sum(1, keepdim=True), of_b.sum(1, keepdim=True)
    # Left a tensor, not a number, so that a traced graph does not take it for a constant.
    longest = torch.maximum(start, count_b).max() if trim else ids.shape[1]
    position = torch.arange(ids.shape[1], device=ids.device)[:longest]
    ids_b = ids.gather(1, (position + start).clamp_max(ids.shape[1] - 1))
    inside = (position < count_b).long()
    ids, of_a = ids[:, :longest], of_a[:, :longest]
    return Inputs(embed(ids, of_a), embed(ids_b, inside), torch.maximum(of_a, inside))


def _aligned(embed: Embeddings, ids: Tensor, of_a: Tensor, of_b: Tensor, trim: bool) -> Inputs:
    mask = of_a + of_b
    words = embed.norm(embed.words(ids))  # without positions: equal words have equal vectors
    text = of_a - of_b  # 1, -1, and 0 at padding
    across = text.unsqueeze(2) * text.unsqueeze(1) < 0  # (B, L, L): tokens of different texts
    scores = words @ words.transpose(1, 2) / math.sqrt(words.shape[-1])
    weights = (
        scores.masked_fill(~across, lowest(scores)).softmax(-1) * across
    )  # zero where b is empty
    unlike = embed.dropout(words - weights @ words) * mask.unsqueeze(-1)
    return Inputs(unlike, embed(ids, mask), mask)


LAYOUTS: dict[str, Callable[[Embeddings, Tensor, Tensor, Tensor, bool], Inputs]] = {
    "joint": _joint,
    "separate": _separate,
    "aligned": _aligned,
}


def first_inputs(
    embed: Embeddings,
    input_ids: Tensor,
    mask: Tensor,
    sep_id: int | None,
    layout: str,
    *,
    trim: bool = True,
) -> Inputs:
    """Embed one text, or two, as the states that the first cell reads.

    Args:
        embed: of words and positions.
        input_ids: token ids, (B, L), L at most the number of positions.
        mask: 1 at real tokens, (B, L), int64.
        sep_id: the separator of pairs; None means single texts, which are both states.
        layout: of pairs. "joint": each text where it stands, the other one hidden. "separate": both from
            position 0, so about half as long. "aligned": both texts where they stand, and each word less
            the words of the other text that it is like (softmax of inner products), which is near zero
            where the other text says the same.
        trim: with "separate", cut what neither text reaches; a graph whose sizes may not depend on the
            tokens keeps it.

    Returns:
        The two states and the mask of their tokens, L' <= L long.
    """
    if sep_id is None:
        state = embed(input_ids, mask)
        return Inputs(state, state, mask)
    return LAYOUTS[layout](embed, input_ids, *split_pair(input_ids, mask, sep_id), trim)
