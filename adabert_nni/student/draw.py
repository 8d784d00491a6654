"""Random architectures as a yardstick for the searched one.

``draw_any`` is the paper's (its "Random" row in table 3); ``draw_alike`` is the harder one: what is found must
beat it by its ops alone, not by its depth and size.
"""

import random
from collections.abc import Mapping, Sequence

from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.ops import OPS

TRIES = 200_000
TOLERANCE = 0.05  # of the size to be met


def cell_size(architecture: Architecture, dim: int) -> int:
    """Parameters of the live edges of one cell of ``dim`` channels."""
    return sum(OPS[op].size(dim) for op in architecture.live_edges().values())


def draw_any(ops: Sequence[str], nodes: int, max_depth: int, seed: int) -> Architecture:
    """A structure drawn uniformly among all of a space that read their input.

    Args:
        ops: the ops of the space, at least one of them not ``zero``.
        nodes: N of its cells, 1 to 8.
        max_depth: K_max.
        seed: >= 0; the same seed gives the same structure.

    Returns:
        An architecture of 1 to ``max_depth`` layers.
    """
    generator = random.Random(seed)
    while True:
        depth = generator.randint(1, max_depth)
        edges = {edge: generator.choice(list(ops)) for edge in edge_names(nodes)}
        drawn = Architecture(depth, nodes, edges)
        if drawn.reads_input():
            return drawn


def draw_alike(like: Architecture, ops: Sequence[str], dim: int, seed: int) -> Architecture:
    """A cell drawn uniformly among those of the same depth and, within 5 %, the same size that read their input.

    Args:
        like: the architecture whose depth, nodes and size are met.
        ops: the ops of the space, each as probable as the others on every edge.
        dim: channels D.
        seed: >= 0; the same seed gives the same cell.

    Returns:
        An architecture other than ``like``.

    Raises:
        AdaBertError: if none is found, as when ``like`` is of a size that few cells have.
    """
    generator = random.Random(seed)
    wanted = cell_size(like, dim)
    for _ in range(TRIES):
        edges = {edge: generator.choice(list(ops)) for edge in like.edges}
        drawn = Architecture(like.depth, like.nodes, edges)
        alike = abs(cell_size(drawn, dim) - wanted) <= TOLERANCE * wanted
        if alike and drawn != like and drawn.reads_input():
            return drawn
    raise AdaBertError(
        f"random architecture: none of {TRIES} draws has {wanted} parameters a cell within 5 %; "
        "give an architecture of a more common size"
    )


def draw_from(
    probs: Mapping[str, Mapping[str, float]], like: Architecture, seed: int
) -> Architecture:
    """A cell that reads its input, its edges drawn from P_alpha, each apart from the others.

    Args:
        probs: P_alpha, ``{"edge_i_j": {op: probability}}``.
        like: whose depth and nodes are met.
        seed: >= 0; the same seed gives the same cell.

    Returns:
        An architecture, which may be ``like`` itself.

    Raises:
        AdaBertError: if none is found, as when every edge is all but certainly ``zero``.
    """
    generator = random.Random(seed)
    for _ in range(TRIES):
        edges = {}
        for edge in like.edges:
            ops, weights = zip(*probs[f"edge_{edge}"].items(), strict=True)
            (edges[edge],) = generator.choices(ops, weights)
        drawn = Architecture(like.depth, like.nodes, edges)
        if drawn.reads_input():
            return drawn
    raise AdaBertError(f"random architecture: none of {TRIES} draws from P_alpha reads its input")
