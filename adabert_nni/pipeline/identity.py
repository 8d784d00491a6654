"""What a run is: the settings that decide it, and the content of the files that they name.

It reads no rows and does not load torch, so that runs can be named before either.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adabert_nni.config import Config, run_hash
from adabert_nni.files import read_json
from adabert_nni.reading import fields
from adabert_nni.settings import MEASURED, PAPER, STAGES
from adabert_nni.spaces import SPACE_FILES, SPACES, SpaceConfig, is_shipped

INPUTS = "inputs"  # in a manifest: the name of rows, teacher and probes together


def decided_by(config: Config) -> dict[str, Any]:
    """What decides a run, but for its rows and its teacher's weights.

    Args:
        config: all settings.

    Returns:
        ``config.deciding()`` and ``contents(config)``.

    Raises:
        AdaBertError: if a file that is named cannot be read.
    """
    return {**config.deciding(), **contents(config)}


def contents(config: Config) -> dict[str, str]:
    """What is in the files that settings name and that a run would be another one with.

    Args:
        config: all settings.

    Returns:
        ``space_content``, where the space is not one that ships, whose content the package's version tells;
        ``cost_content``, where times were measured elsewhere.

    Raises:
        AdaBertError: if such a file cannot be read.
    """
    space, cost, told = config.search.space, config.search.cost, dict[str, str]()
    if not is_shipped(space, SPACES, SPACE_FILES):
        told["space_content"] = run_hash(SpaceConfig.load(space))
    if cost not in (PAPER, MEASURED):
        told["cost_content"] = run_hash(read_json(Path(cost)))
    return told


def settings_in(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Those entries of a manifest's meta that are settings."""
    known = {key for stage in STAGES.values() for key in fields(stage)}
    return {key: value for key, value in meta.items() if key in known}
