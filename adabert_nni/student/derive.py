"""Cut the student out of the trained supernet: live edges, the first K layers, their trained weights.

Pure functions of an architecture and a state dict; knows neither NNI nor files.
Shapes: V vocabulary, D channels, H teacher width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from adabert_nni.model.architecture import ZERO, Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification


def student_weights(
    architecture: Architecture, supernet: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Rename the supernet's weights to the student's and leave out what it has not.

    Args:
        architecture: what was found.
        supernet: the supernet body's weights; an op's lie under ``cells.<k>.edges.<i_j>.<op>.``.

    Returns:
        Weights of ``AdaBertForSequenceClassification``'s body with a probe on every layer.
    """
    live = architecture.live_edges()
    kept: dict[str, Tensor] = {}
    for name, value in supernet.items():
        room, *rest = name.split(".")
        if room == "cells" and int(rest[0]) < architecture.depth:
            layer, part, *path = rest
            if part != "edges":
                kept[name] = value
            elif path[0] in live and path[1] == live[path[0]]:
                kept[".".join(["cells", layer, "edges", path[0], *path[2:]])] = value
        elif room == "embeddings" or (room == "readouts" and int(rest[0]) <= architecture.depth):
            kept[name] = value
    return kept


def derive(
    architecture: Architecture, supernet: Mapping[str, Tensor], config: AdaBertConfig
) -> AdaBertForSequenceClassification:
    """The student of ``architecture`` with the supernet's trained weights.

    Args:
        architecture: what was found.
        supernet: the supernet body's weights.
        config: the student's settings; its architecture must be this one and ``layer_probes`` set.

    Returns:
        A model whose logits equal those of the supernet fixed to this path.
    """
    student = AdaBertForSequenceClassification(config)
    student.body.load_state_dict(student_weights(architecture, supernet))
    return student


def keep_strongest(
    architecture: Architecture, probs: Mapping[str, Mapping[str, float]], max_incoming: int | None
) -> Architecture:
    """Set all but the ``max_incoming`` strongest incoming edges of each node to ``zero``.

    Strength is the probability of the chosen op; what carries the text comes before what does not. The original
    code keeps two; the paper keeps all, and so does None.

    Args:
        architecture: what was found.
        probs: P_alpha, ``{"edge_i_j": {op: probability}}``.
        max_incoming: edges that may lead into a node, >= 1, or None.

    Returns:
        An architecture of the same depth and nodes; the same one if ``max_incoming`` is None.
    """
    if max_incoming is None:
        return architecture
    edges, live, reached = (
        dict(architecture.edges),
        architecture.live_edges(),
        architecture.reached(),
    )

    def weakness(edge: str) -> tuple[bool, float]:
        return int(edge.split("_")[0]) not in reached, -probs[f"edge_{edge}"][edges[edge]]

    for node in range(2, architecture.nodes + 2):
        incoming = sorted((edge for edge in live if edge.endswith(f"_{node}")), key=weakness)
        edges.update(dict.fromkeys(incoming[max_incoming:], ZERO))
    return Architecture(architecture.depth, architecture.nodes, edges)


def factorise(words: Tensor, positions: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Truncated SVD of the teacher's word embeddings; positions go through the same projection.

    Args:
        words: the teacher's word embeddings, (V, H).
        positions: its position embeddings, (P, H); (0, H) if it has none.
        dim: D; D > H pads with zeros.

    Returns:
        (V, D) and (P, D), both scaled so that a word vector has unit mean square on average.
    """
    words, positions = words.float(), positions.float()
    # Eigenvectors of the H x H Gram matrix are the right singular vectors, found without the V x V side.
    _, vectors = torch.linalg.eigh(words.T @ words)
    basis = vectors.flip(1)[:, :dim]
    basis = basis * torch.where(basis.sum(0) < 0, -1.0, 1.0)  # eigenvectors have no sign: fix one
    factors = [table @ basis for table in (words, positions)]
    size = factors[0].square().mean().sqrt().clamp_min(1e-12)
    return tuple(torch.nn.functional.pad(f / size, (0, dim - f.shape[1])) for f in factors)  # type: ignore[return-value]
