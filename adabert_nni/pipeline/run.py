"""The whole path for one run: inputs, search, student, report. Wires the stages, computes nothing.

Every stage keeps checkpoints and leaves a finished folder, so the same command goes on where a killed run
stopped.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from adabert_nni.checkpoint import Checkpoint, built_resumably, read_tensors
from adabert_nni.config import Config, run_hash
from adabert_nni.files import check_writable, read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.model.ops import check_ops
from adabert_nni.pipeline.identity import INPUTS, decided_by
from adabert_nni.pipeline.inputs import prepare
from adabert_nni.pipeline.results import report
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.pipeline.searching import EpochReport, Searched, refuse_other, reopen, search
from adabert_nni.pipeline.students import fresh_student, student_config, train_and_save
from adabert_nni.report.card import published, shareable
from adabert_nni.spaces import FOUND, FOUND_FILES, SpaceConfig, locate
from adabert_nni.student.derive import derive, keep_strongest
from adabert_nni.student.draw import draw_alike


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
    return _finish(config, search(config, output, on_epoch), output, started)


def train_derived(searched: Path, output: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """Train another student of a finished search, and tell of it as ``compress`` does.

    Args:
        searched: folder of a search, or of the run that holds it.
        output: folder of the new run; finished stages in it are kept.
        overrides: settings that differ from the search's, such as ``student_epochs`` or ``cache``.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if there is no finished search, or ``output`` belongs to another search or other settings.
    """
    started = time.monotonic()
    config, found = reopen(searched, overrides)
    check_writable(output)
    made_from = {**decided_by(config), INPUTS: found.inputs.name}
    if made_from != found.made_from:
        made_from["searched"] = run_hash(found.made_from)
    return _finish(config, replace(found, made_from=made_from), output, started)


def _finish(config: Config, found: Searched, output: Path, started: float) -> dict[str, Any]:
    """The student of a search, trained, and what is told of it."""

    def train(folder: Path, checkpoint: Checkpoint) -> None:
        student = start_student(config, found)
        train_and_save(student, config, found.inputs, folder, checkpoint)

    built_resumably(output / "student", train, published(found.made_from), found.made_from)
    return report(config, found.inputs, output, config.deciding(), started)


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
    found = Architecture.load(locate(architecture, FOUND, FOUND_FILES))
    check_ops(found.edges.values(), str(architecture))
    space = SpaceConfig.load(config.search.space)
    if random_like:
        found = draw_alike(found, space.ops, space.dim, config.run.seed)
    splits = read_rows(config.data)
    settings, chosen = config.deciding(), {"architecture": found.to_dict()}
    decided = {**decided_by(config), **chosen}
    refuse_other(output / "student", shareable(decided))
    check_writable(output)
    inputs = prepare(config, space.dim, splits)

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        student = fresh_student(found, config, space, inputs)
        train_and_save(student, config, inputs, folder, checkpoint)

    made_from = {**decided, INPUTS: inputs.name}
    built_resumably(output / "student", build, published(made_from), made_from)
    return report(config, inputs, output, {**settings, **chosen}, started)
