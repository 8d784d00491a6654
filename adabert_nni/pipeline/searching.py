"""The search of a run, and a finished one opened again. Wires the stages, computes nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from adabert_nni.checkpoint import Checkpoint, built_resumably
from adabert_nni.config import Config
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_writable
from adabert_nni.folders import check_manifest, same_meta
from adabert_nni.model.ops import check_ops
from adabert_nni.pipeline.identity import INPUTS, contents, decided_by, settings_in
from adabert_nni.pipeline.inputs import Inputs, prepare
from adabert_nni.pipeline.limits import set_limits
from adabert_nni.pipeline.places import places
from adabert_nni.pipeline.rows import read_rows, rows_of_alpha
from adabert_nni.reading import fields
from adabert_nni.search.run import run_search
from adabert_nni.search.tensorboard import epoch_scalars
from adabert_nni.settings import STAGES, Precision
from adabert_nni.spaces import SpaceConfig

EpochReport = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Searched:
    """A finished search.

    Attributes:
        folder: with ``architecture.json``, ``search.json`` and the supernet's weights.
        inputs: what it started from.
        space: the architecture space.
        made_from: what decides the run, in the manifests of its folders.
    """

    folder: Path
    inputs: Inputs
    space: SpaceConfig
    made_from: dict[str, Any]


def search(config: Config, output: Path, on_epoch: EpochReport | None = None) -> Searched:
    """Search below ``output / "search"``, or reuse what was searched there; arguments as in ``compress``."""
    space = SpaceConfig.load(config.search.space)
    check_ops(space.ops, f"space {config.search.space}")
    splits = read_rows(config.data)
    decided = decided_by(config)
    refuse_other(output / "search", {**decided, INPUTS: places(config, splits).probes.name})
    check_writable(output)
    limits = set_limits(config, space, splits.task, output)
    held = rows_of_alpha(config, splits)
    inputs = prepare(config, space.dim, splits)
    scalars = epoch_scalars(output / "tensorboard")

    def after_epoch(epoch: int, metrics: dict[str, float]) -> None:
        scalars(epoch, metrics)
        if on_epoch is not None:
            on_epoch(epoch, metrics)

    def run(folder: Path, checkpoint: Checkpoint) -> None:
        run_search(
            space,
            config.search,
            inputs.shape,
            inputs.searched,
            inputs.selection,
            seed=config.run.seed,
            folder=folder,
            costs=limits.costs,
            targets=limits.targets,
            measured=limits.measured,
            on_epoch=after_epoch,
            checkpoint=checkpoint,
            precision=config.precision,
            held=held,
        )

    made_from = {**decided, INPUTS: inputs.name}
    return Searched(built_resumably(output / "search", run, made_from), inputs, space, made_from)


def reopen(searched: Path, overrides: dict[str, Any]) -> tuple[Config, Searched]:
    """A finished search with what it started from, which is taken from the cache or built again.

    Args:
        searched: folder of a search, or of the run that holds it.
        overrides: settings that differ from the search's, such as ``student_start`` or ``cache``.

    Returns:
        The settings, and the search.

    Raises:
        AdaBertError: if there is no finished search, a setting was decided by it, or a file that its settings name
            is another one now.
    """
    stages = ("data", "teacher", "augment", "search")
    before = {key for stage in stages for key in fields(STAGES[stage])} - {"data_dir"}
    if decided := sorted(before & overrides.keys()):
        raise AdaBertError(
            f"{searched}: got {', '.join(decided)}, but the search is finished; only settings of the student and "
            "of the run can still differ"
        )
    folder = searched / "search" if (searched / "search").is_dir() else searched
    if not (folder / "supernet.safetensors").is_file():
        kept = (folder / "search.json").is_file()  # of a collected trial
        told = "keeps its search without the supernet" if kept else "holds no finished search"
        raise AdaBertError(
            f"{searched}: {told}; give the folder of `adabert search` or `adabert compress`, or that of the trial"
        )
    made_from = check_manifest(folder)
    config = Config.from_mapping({**settings_in(made_from), **overrides}, str(folder))
    now = contents(config)
    same_meta(folder, {key: made_from.get(key) for key in now}, now)
    space, splits = SpaceConfig.load(config.search.space), read_rows(config.data)
    of_any = (replace(config, run=replace(config.run, precision=p)) for p in get_args(Precision))
    if made_from.get(INPUTS) not in (None, *(places(c, splits).probes.name for c in of_any)):
        raise AdaBertError(
            f"{searched}: its rows or its teacher are others than those it was searched with; put them back, or "
            "search again into another folder"
        )
    return config, Searched(folder, prepare(config, space.dim, splits), space, made_from)


def refuse_other(folder: Path, decided: dict[str, Any]) -> None:
    """Refuse a finished folder that was decided by something else before a teacher is trained in vain.

    What its manifest tells beside that is compared once it is there.
    """
    try:
        found = check_manifest(folder)
    except AdaBertError:  # there is none, or it is damaged and will be made again
        return
    found = {key: found[key] for key in decided if key in found}
    other = {key: value for key, value in decided.items() if found.get(key) != value}
    students = other.keys() <= fields(STAGES["student"]).keys() and None not in other.values()
    if folder.name == "search" and other and students:
        options = " ".join(f"--{key.replace('_', '-')} {other[key]}" for key in sorted(other))
        raise AdaBertError(
            f"{folder}: its student has other settings; for another student of the same search "
            f"run `adabert derive {folder.parent} --fine-tune {options} --output NEW`, else choose another folder"
        )
    same_meta(folder, found, decided)
