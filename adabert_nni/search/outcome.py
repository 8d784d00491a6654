"""What a finished search leaves: the student to take, within its targets, and the files.

Must not know how the search went. Needs a strategy whose module has been trained.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.strategy import AdaBertStrategy
from adabert_nni.search.targets import LATENCY, tightened

logger = logging.getLogger(__name__)

MOST_CHOICES, TIGHTER = 5, 0.98  # how often, and beyond what was measured, latency is tightened


def keep(
    search: AdaBertModule,
    sample: dict[str, Any],
    measured: Callable[[Architecture], float] | None,
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Measure the student that was found; while it is too slow, tighten the target and choose again.

    Args:
        search: finished; holds P_alpha and the targets.
        sample: NNI's flat sample of the most probable student.
        measured: gives a student's ms; None measures nothing.

    Returns:
        The sample of the student to take, and by target its ``limit``, what the student is ``predicted`` to
        cost, its ``measured`` ms, and whether it is ``met``.
    """
    asked = {target.key: target for target in search.settings.targets}
    latency = asked.get(LATENCY)
    ms = measured(Architecture.from_sample(sample)) if latency and measured else None
    for _ in range(MOST_CHOICES):
        if latency is None or measured is None or ms is None or ms <= latency.limit:
            break
        share = TIGHTER * (latency.limit - latency.cost.fixed) / (ms - latency.cost.fixed)
        logger.info("search: the student takes %.4g ms of %.4g, choosing again", ms, latency.limit)
        search.settings.targets = tightened(search.settings.targets, LATENCY, share)
        try:
            sample = search.export()
        except AdaBertError:  # none is left
            break
        ms = measured(Architecture.from_sample(sample))
    found, kept = Architecture.from_sample(sample), {}
    for key, target in asked.items():
        cost = target.cost.of(found)
        kept[key] = {"limit": target.limit, "predicted": cost, "met": cost <= target.limit}
    if latency is not None and ms is not None:
        kept[LATENCY] |= {"measured": ms, "met": ms <= latency.limit}
    for key, result in kept.items():
        told = logger.info if result["met"] else logger.warning
        told("search: %s %s: %s", key, "met" if result["met"] else "NOT met", result)
    return sample, kept


def save(folder: Path, sample: dict[str, Any], strategy: AdaBertStrategy) -> Architecture:
    """Write ``architecture.json``, ``sample.json`` and the supernet's weights; the architecture."""
    architecture = Architecture.from_sample(sample)
    architecture.save(folder / "architecture.json")
    write_json(folder / "sample.json", sample)
    weights = {
        name: value.contiguous() for name, value in strategy.supernet.body.state_dict().items()
    }
    save_file(
        {name: value for name, value in weights.items() if not name.endswith("alpha")},
        folder / "supernet.safetensors",
    )
    return architecture
