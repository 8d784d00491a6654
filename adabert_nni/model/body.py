"""Embedding, stacked cells and readouts: what the supernet and the student have in common.

The caller passes the op of each edge in, so nothing here knows whether an architecture is being
searched. Shapes: B batch, L tokens, D channels, C classes, V vocabulary.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from .cell import Cell, Readout
from .pairs import LAYOUTS, Embeddings, first_inputs


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
        before, last, mask = first_inputs(
            self.embeddings, input_ids, mask, self.sep_id, self.pair_layout
        )
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
        pair_layout: a key of ``LAYOUTS``, see ``first_inputs``.

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
