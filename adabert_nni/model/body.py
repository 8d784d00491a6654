"""Embedding, stacked cells and readouts: what the supernet and the student have in common.

The caller passes the op of each edge in, so nothing here knows whether an architecture is being
searched. Shapes: B batch, L tokens, D channels, C classes, V vocabulary.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from .cell import Cell, Readout

LAYOUTS = ("joint", "separate")
UNKNOWN_STD = 0.02  # of embeddings that no teacher gives


def split_pair(
    input_ids: Tensor, mask: Tensor, sep_id: int, layout: str, *, trim: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Split ``[CLS] a [SEP] b [SEP]`` into its two texts.

    The end of text a is the first separator, which holds for tokenizers with and without token types.

    Args:
        input_ids: token ids of both texts, (B, L).
        mask: 1 at real tokens, (B, L).
        sep_id: id of the separator.
        layout: "joint" keeps each text where it is; "separate" moves text b to the front, so
            that both texts start at position 0.
        trim: with "separate", cut what neither text reaches; a graph whose sizes may not depend on the
            tokens keeps it.

    Returns:
        ids of a, mask of a, ids of b, mask of b: (B, L') each, L' <= L.
    """
    is_sep = (input_ids == sep_id).long()
    of_a = mask * (is_sep.cumsum(1) - is_sep == 0)
    of_b = mask - of_a
    if layout == "joint":
        return input_ids, of_a, input_ids, of_b
    start = of_a.sum(1, keepdim=True)
    # Left a tensor, not a number, so that a traced graph does not take it for a constant.
    longest = torch.maximum(of_a.sum(1), of_b.sum(1)).max() if trim else input_ids.shape[1]
    position = torch.arange(input_ids.shape[1], device=input_ids.device)[:longest] + start
    inside = position < mask.sum(1, keepdim=True)
    ids_b = input_ids.gather(1, position.clamp_max(input_ids.shape[1] - 1))
    return input_ids[:, :longest], of_a[:, :longest], ids_b, inside.long()


class Embeddings(nn.Module):
    """Factorised word embeddings plus positions, normalised (paper, section 3.1, "AdaBERT Setup")."""

    def __init__(self, vocab_size: int, dim: int, max_length: int, dropout: float) -> None:
        """Build tables of (V, D) words and (max_length, D) positions."""
        super().__init__()
        self.words = nn.Embedding(vocab_size, dim)
        self.positions = nn.Embedding(max_length, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

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
        positions = self.positions.weight[: input_ids.shape[1]]
        return self.dropout(self.norm(self.words(input_ids) + positions)) * mask.unsqueeze(-1)


class Body(nn.Module):
    """Embeddings, K cells and one readout per layer that has a probe."""

    def __init__(
        self,
        embeddings: Embeddings,
        cells: list[Cell],
        readouts: dict[int, Readout],
        sep_id: int | None,
        pair_layout: str,
    ) -> None:
        """Stack ``cells``; ``readouts`` maps a layer (1..K) to its readout; ``sep_id`` None means single text."""
        super().__init__()
        self.embeddings = embeddings
        self.cells = nn.ModuleList(cells)
        self.readouts = nn.ModuleDict({str(layer): readout for layer, readout in readouts.items()})
        self.sep_id = sep_id
        self.pair_layout = pair_layout

    def layer_logits(
        self, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield logits (B, C) of every layer that has a readout, first layer first.

        A generator: layers run as they are asked for, under the caller's grad mode, so a caller can stop
        at depth K or run the rest without a graph.

        Args:
            input_ids: token ids, (B, L), L <= max_length.
            attention_mask: 1 at real tokens, (B, L); None means all are real.

        Yields:
            Logits (B, C).
        """
        limit = self.embeddings.positions.num_embeddings
        input_ids = input_ids[:, :limit]
        mask = (
            torch.ones_like(input_ids)
            if attention_mask is None
            else attention_mask[:, :limit].long()
        )
        if self.sep_id is None:
            before = last = self.embeddings(input_ids, mask)
        else:
            ids_a, of_a, ids_b, of_b = split_pair(input_ids, mask, self.sep_id, self.pair_layout)
            before, last = self.embeddings(ids_a, of_a), self.embeddings(ids_b, of_b)
            mask = of_a | of_b
        real = mask.unsqueeze(-1).to(last.dtype)
        for layer, cell in enumerate(self.cells, start=1):
            before, last = last, cell(before, last, real)
            if str(layer) in self.readouts:
                yield self.readouts[str(layer)](last, real)


def build_body(
    *,
    vocab_size: int,
    dim: int,
    max_length: int,
    dropout: float,
    depth: int,
    num_labels: int,
    build_cell: Callable[[], Cell],
    readout_layers: list[int],
    sep_id: int | None,
    pair_layout: str,
) -> Body:
    """Build a ``Body`` of ``depth`` cells from plain settings.

    Args:
        vocab_size: WordPieces V.
        dim: channels D.
        max_length: longest input in tokens; what goes beyond is cut.
        dropout: share of activations dropped in training, [0, 1).
        depth: cells stacked, K of a student or K_max of a supernet, >= 1.
        num_labels: classes C.
        build_cell: called once a layer, so that each has its own weights.
        readout_layers: layers with a readout, each in 1..depth.
        sep_id: separator of a text pair; None for single texts.
        pair_layout: "joint" or "separate", see ``split_pair``.

    Returns:
        The body, with PyTorch's initial weights.

    Raises:
        ValueError: if ``pair_layout`` is not one of ``LAYOUTS``.
    """
    if pair_layout not in LAYOUTS:
        raise ValueError(f"pair_layout is {pair_layout!r}; it must be one of {', '.join(LAYOUTS)}")
    readouts = {layer: Readout(dim, num_labels, dropout) for layer in readout_layers}
    embeddings = Embeddings(vocab_size, dim, max_length, dropout)
    return Body(embeddings, [build_cell() for _ in range(depth)], readouts, sep_id, pair_layout)
