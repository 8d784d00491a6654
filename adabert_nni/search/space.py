"""The architecture space as an NNI ModelSpace: ``LayerChoice`` per edge, ``InputChoice`` for the depth.

All layers share one label per edge, so one op is chosen for an edge of every cell; the weights are the
layers' own (paper, section 2.2). Knows nothing of how the space is searched.
"""

from collections.abc import Sequence

from nni.nas.nn.pytorch import InputChoice, LayerChoice, ModelSpace
from torch import Tensor

from adabert_nni.model.architecture import edge_names
from adabert_nni.model.body import build_body
from adabert_nni.model.cell import Cell
from adabert_nni.model.ops import OPS, check_ops

DEPTH = "depth"


def edge_label(edge: str) -> str:
    """Label of an edge's choice: ``"0_2"`` -> ``"edge_0_2"``."""
    return f"edge_{edge}"


class AdaBertSpace(ModelSpace):
    """All students of one size: K_max cells whose edges choose among ``ops``, and the depth.

    Under ``model_context(sample)`` the same class builds one student with all K_max layers, of which the
    first K feed its output.
    """

    def __init__(
        self,
        ops: Sequence[str],
        nodes: int,
        max_depth: int,
        dim: int,
        *,
        num_labels: int,
        vocab_size: int,
        max_length: int = 128,
        dropout: float = 0.1,
        sep_id: int | None = None,
        pair_layout: str = "joint",
    ) -> None:
        """Build every candidate of every edge.

        Args:
            ops: candidate ops, names in ``OPS``.
            nodes: intermediate nodes N of the cell.
            max_depth: K_max.
            dim: channels D.
            num_labels: classes C.
            vocab_size: WordPieces V.
            max_length: longest input in tokens.
            dropout: share of activations dropped, [0, 1).
            sep_id: separator of a text pair; None for single texts.
            pair_layout: of text pairs, a key of ``pairs.LAYOUTS``.

        Raises:
            ArchitectureError: if an op is not in ``OPS``.
        """
        super().__init__()
        check_ops(ops, "architecture space")
        self.ops = tuple(ops)
        self.edges = edge_names(nodes)
        self.dim = dim
        self.max_depth = max_depth

        def choice(edge: str) -> LayerChoice:
            return LayerChoice({name: OPS[name].build(dim) for name in ops}, label=edge_label(edge))

        self.body = build_body(
            vocab_size=vocab_size,
            dim=dim,
            max_length=max_length,
            dropout=dropout,
            depth=max_depth,
            num_labels=num_labels,
            build_cell=lambda: Cell(nodes, dim, {edge: choice(edge) for edge in self.edges}),
            readout_layers=list(range(1, max_depth + 1)),
            sep_id=sep_id,
            pair_layout=pair_layout,
        )
        self.depth = InputChoice(max_depth, n_chosen=1, label=DEPTH)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Ids (B, L) and mask (B, L) -> logits (B, C) of the layer that the depth chooses."""
        return self.depth(list(self.body.layer_logits(input_ids, attention_mask)))
