"""What a trial says to NNI, and what it hears: parameters in, numbers per epoch and at the end out."""

import math
from collections.abc import Callable
from typing import Any

import nni

from adabert_nni.errors import AdaBertError


def trial_parameters() -> dict[str, Any]:
    """The point of the tuning space that NNI gave this trial; empty outside an experiment."""
    return dict(nni.get_next_parameter() or {})


def report_epoch(epoch: int, metrics: dict[str, float]) -> None:
    """Send an epoch's numbers to the web UI; ``default`` is its curve."""
    _send(nni.report_intermediate_result, metrics)


def report_final(metrics: dict[str, float]) -> None:
    """Send the final numbers; ``default`` ranks the trials."""
    _send(nni.report_final_result, metrics)


def _send(report: Callable[[Any], None], metrics: dict[str, float]) -> None:
    finite = _finite(metrics)
    try:
        report(finite)
    except OSError as error:  # what requests raises when nobody answers
        raise AdaBertError(
            "report to NNI: its manager does not answer, so this trial ends; its checkpoint stays, and "
            "'adabert nnictl resume' goes on from there"
        ) from error


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    """Refuse what NNI would take for a success.

    Raises:
        AdaBertError: if a number is NaN or infinite, or ``default`` is missing.
    """
    wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
    if wrong or "default" not in metrics:
        raise AdaBertError(
            f"report to NNI: {', '.join(wrong) or 'default'} is not a finite number; "
            "nothing was reported; look at the trial's log for the step that made it so"
        )
    return metrics
