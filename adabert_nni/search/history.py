"""What a search tells of every epoch: a line of the log, and the files that the report is drawn from."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adabert_nni.files import write_json
from adabert_nni.search.numbers import FREE_OPS

logger = logging.getLogger(__name__)

PROBS = "probs"  # P_alpha after an epoch, in its entry of the history
COLLAPSE_SHARE = 0.7  # share of skip and zero in P_alpha beyond which the search warns


def tell(epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
    """Log the numbers of an epoch (from 1) of so many, and warn where the cell is about to be empty."""
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    logger.info("search: epoch %d/%d: %s", epoch, epochs, numbers)
    if metrics["free_share"] > COLLAPSE_SHARE:
        logger.warning(
            "search: %.0f %% of P_alpha is on %s: the cell is collapsing; lower beta or alpha_lr",
            100 * metrics["free_share"],
            " and ".join(FREE_OPS),
        )


def write_history(folder: Path, history: Sequence[Mapping[str, Any]], **more: object) -> None:
    """``search.json``: numbers by epoch and ``more``; ``p_alpha.json``: {label: {choice: [share by epoch]}}.

    Args:
        folder: an existing folder.
        history: by epoch its numbers and, at ``PROBS``, P_alpha; at least one epoch.
        more: what else ``search.json`` is to hold.
    """
    numbers = [{k: v for k, v in epoch.items() if k != PROBS} for epoch in history]
    write_json(folder / "search.json", {"epochs": numbers, **more})
    shares = {
        label: {
            str(choice): [round(epoch[PROBS][label][choice], 4) for epoch in history]
            for choice in choices
        }
        for label, choices in history[-1][PROBS].items()
    }
    write_json(folder / "p_alpha.json", shares, indent=None)
