"""Where P_alpha stands, in numbers that a person can follow from epoch to epoch. Shapes: E edges, O ops."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adabert_nni.search.targets import Target

FREE_OPS = ("skip_connect", "zero")


def entropy(distribution: Tensor) -> float:
    """Mean entropy in nats of the rows of (n, m)."""
    return float(-(distribution * distribution.clamp_min(1e-12).log()).sum(-1).mean())


def alpha_numbers(
    edges: Tensor, depths: Tensor, ops: Sequence[str], targets: Sequence[Target]
) -> dict[str, float]:
    """What P_alpha expects and how decided it is.

    Args:
        edges: probabilities of the ops on every edge, (E, O).
        depths: of 1 to K_max layers, (K_max,).
        ops: names of the O ops.
        targets: what the student must keep to.

    Returns:
        ``expected_depth`` in cells; ``expected_<target>`` in the target's unit; ``entropy``, nats, the edges'
        mean; ``free_share``, of the ``FREE_OPS`` on the edges, 0 to 1.
    """
    free = [index for index, op in enumerate(ops) if op in FREE_OPS]
    numbers = torch.arange(1, len(depths) + 1).to(depths)
    expected = {
        f"expected_{target.key.removeprefix('max_')}": float(target.cost.expected(edges, depths))
        for target in targets
    }
    return {
        "expected_depth": float((depths * numbers).sum()),
        **expected,
        "entropy": entropy(edges),
        "free_share": float(edges[:, free].sum(-1).mean()) if free else 0.0,
    }
