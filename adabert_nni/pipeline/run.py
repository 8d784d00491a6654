"""The whole path for one run: inputs, search, student, report. Wires the stages, computes nothing.

Every stage keeps checkpoints and leaves a finished folder, so the same command goes on where a killed run
stopped.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adabert_nni.checkpoint import Checkpoint, built_resumably, read_tensors
from adabert_nni.config import Config
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_writable, read_json
from adabert_nni.folders import check_manifest, same_meta
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.model.ops import check_ops
from adabert_nni.pipeline.inputs import Inputs, prepare
from adabert_nni.pipeline.limits import set_limits
from adabert_nni.pipeline.results import report
from adabert_nni.pipeline.rows import read_rows, rows_of_alpha
from adabert_nni.pipeline.students import fresh_student, student_config, train_and_save
from adabert_nni.report.card import published, shareable
from adabert_nni.search.run import run_search
from adabert_nni.search.tensorboard import epoch_scalars
from adabert_nni.spaces import FOUND, SpaceConfig, locate
from adabert_nni.student.derive import derive, keep_strongest
from adabert_nni.student.draw import draw_alike

EpochReport = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Searched:
    """A finished search.

    Attributes:
        folder: with ``architecture.json``, ``search.json`` and the supernet's weights.
        inputs: what it started from.
        space: the architecture space.
        settings: what decides the run, in the manifests of its folders.
    """

    folder: Path
    inputs: Inputs
    space: SpaceConfig
    settings: dict[str, Any]


def search(config: Config, output: Path, on_epoch: EpochReport | None = None) -> Searched:
    """Search below ``output / "search"``, or reuse what was searched there; arguments as in ``compress``."""
    space = SpaceConfig.load(config.search.space)
    check_ops(space.ops, f"space {config.search.space}")
    splits = read_rows(config.data)
    settings = config.deciding()
    _refuse_other(output / "search", settings)
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

    made_from = {**settings, "inputs": inputs.name}
    folder = built_resumably(output / "search", run, settings, made_from)
    return Searched(folder, inputs, space, settings)


def reopen(searched: Path, overrides: dict[str, Any]) -> tuple[Config, Searched]:
    """A finished search with what it started from, which is taken from the cache or built again.

    Args:
        searched: folder of a search, or of the run that holds it.
        overrides: settings that differ from the search's, such as ``student_start`` or ``cache``.

    Returns:
        The settings, and the search.

    Raises:
        AdaBertError: if there is no finished search.
    """
    folder = searched / "search" if (searched / "search").is_dir() else searched
    if not (folder / "supernet.safetensors").is_file():
        kept = (folder / "search.json").is_file()  # of a collected trial
        told = "keeps its search without the supernet" if kept else "holds no finished search"
        raise AdaBertError(
            f"{searched}: {told}; give the folder of `adabert search` or `adabert compress`, or that of the trial"
        )
    settings = check_manifest(folder)
    config = Config.from_mapping({**settings, **overrides}, str(folder))
    space = SpaceConfig.load(config.search.space)
    return config, Searched(
        folder, prepare(config, space.dim, read_rows(config.data)), space, settings
    )


def start_student(config: Config, found: Searched) -> AdaBertForSequenceClassification:
    """The student of a search before it is trained on: with the supernet's weights, or fresh ones."""
    architecture = keep_strongest(
        Architecture.load(found.folder / "architecture.json"),
        read_json(found.folder / "search.json")["probs"],
        config.student.max_incoming,
    )
    if config.student.student_start == "fresh":
        return fresh_student(architecture, config, found.space, found.inputs)
    weights = read_tensors(found.folder / "supernet.safetensors")
    return derive(architecture, weights, student_config(architecture, found.space, found.inputs))


def compress(config: Config, output: Path, on_epoch: EpochReport | None = None) -> dict[str, Any]:
    """Walk the whole path and write everything below ``output``.

    Args:
        config: all settings.
        output: folder of the run; finished stages in it are kept.
        on_epoch: called with (epoch, metrics) after each epoch of the search.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if anything the user can mend is wrong, or ``output`` belongs to other settings.
    """
    started = time.monotonic()
    found = search(config, output, on_epoch)

    def train(folder: Path, checkpoint: Checkpoint) -> None:
        student = start_student(config, found)
        train_and_save(student, config, found.inputs, folder, checkpoint)

    made_from = {**found.settings, "inputs": found.inputs.name}
    built_resumably(output / "student", train, published(made_from), made_from)
    return report(config, found.inputs, output, found.settings, started)


def train_fixed(
    config: Config, architecture: str | Path, output: Path, *, random_like: bool = False
) -> dict[str, Any]:
    """Train a given architecture from fresh weights; teacher and probes as in ``compress``.

    Args:
        config: all settings; those of the search count only for gamma and the temperature.
        architecture: file written by a search, or the name of one in ``search_spaces/found``.
        output: folder of the run.
        random_like: draw a random cell of the same depth and size by ``config.run.seed`` instead.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if the data or the teacher cannot be had, the name is unknown, or ``output`` is of other
            settings.
        ArchitectureError: if the file holds no architecture of known ops.
    """
    started = time.monotonic()
    found = Architecture.load(locate(architecture, FOUND, (".json",)))
    check_ops(found.edges.values(), str(architecture))
    space = SpaceConfig.load(config.search.space)
    if random_like:
        found = draw_alike(found, space.ops, space.dim, config.run.seed)
    splits = read_rows(config.data)
    settings = {**config.deciding(), "architecture": found.to_dict()}
    _refuse_other(output / "student", shareable(settings))
    check_writable(output)
    inputs = prepare(config, space.dim, splits)

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        student = fresh_student(found, config, space, inputs)
        train_and_save(student, config, inputs, folder, checkpoint)

    made_from = {**settings, "inputs": inputs.name}
    built_resumably(output / "student", build, published(made_from), made_from)
    return report(config, inputs, output, settings, started)


def _refuse_other(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a finished folder of other settings before a teacher is trained in vain.

    What its manifest tells beside ``settings``, such as the inputs, is compared once they are there.
    """
    try:
        found = check_manifest(folder)
    except AdaBertError:  # there is none, or it is damaged and will be made again
        return
    same_meta(folder, {key: found[key] for key in settings if key in found}, settings)
