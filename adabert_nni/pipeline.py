"""The whole path for one run: inputs, search, student, report. Wires the stages, computes nothing.

Every stage keeps checkpoints and leaves a finished folder, so the same command goes on where a killed run
stopped.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adabert_nni.checkpoint import Checkpoint, built_resumably, read_tensors
from adabert_nni.config import NOT_HASHED, Config, SpaceConfig
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_manifest, check_writable, read_json, same_meta
from adabert_nni.inputs import Inputs, prepare, read_rows
from adabert_nni.limits import set_limits
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import check_ops
from adabert_nni.report.summary import write_report
from adabert_nni.search.run import run_search
from adabert_nni.student.derive import derive, keep_strongest
from adabert_nni.student.draw import draw_alike
from adabert_nni.student.export import save_student
from adabert_nni.student.train import evaluate, train_student

EpochReport = Callable[[int, dict[str, float]], None]


def student_config(architecture: Architecture, space: SpaceConfig, inputs: Inputs) -> AdaBertConfig:
    """The Hugging Face config of a student that still has a probe on every layer."""
    names = dict(enumerate(inputs.splits.task.labels))
    return AdaBertConfig(
        architecture.to_dict(),
        vocab_size=len(inputs.shape.words),
        hidden_size=space.dim,
        max_position_embeddings=inputs.shape.max_length,
        hidden_dropout_prob=space.dropout,
        sep_token_id=inputs.shape.sep_id,
        pair_layout=space.pair_layout,
        layer_probes=True,
        id2label=names,
        label2id={label: index for index, label in names.items()},
    )


def fresh_student(
    architecture: Architecture, config: Config, space: SpaceConfig, inputs: Inputs
) -> AdaBertForSequenceClassification:
    """A student with random weights by the run's seed, but for the teacher's factorised embeddings."""
    torch.manual_seed(config.run.seed)
    student = AdaBertForSequenceClassification(student_config(architecture, space, inputs))
    student.body.embeddings.start_from(inputs.shape.words, inputs.shape.positions)
    return student


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
    space = SpaceConfig.load(config.search.space)
    check_ops(space.ops, f"space {config.search.space}")
    if config.run.threads is not None:
        torch.set_num_threads(config.run.threads)
    splits = read_rows(config.data)
    settings = _hashed(config)
    _refuse_other(output / "search", settings)
    check_writable(output)
    limits = set_limits(config, space, splits.task, output)
    inputs = prepare(config, space.dim, splits)
    made_from = {**settings, "inputs": inputs.name}

    def search(folder: Path, checkpoint: Checkpoint) -> None:
        run_search(
            space,
            config.search,
            inputs.shape,
            inputs.train,
            inputs.selection,
            seed=config.run.seed,
            folder=folder,
            costs=limits.costs,
            targets=limits.targets,
            measured=limits.measured,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )

    searched = built_resumably(output / "search", search, settings, made_from)

    def train(folder: Path, checkpoint: Checkpoint) -> None:
        architecture = keep_strongest(
            Architecture.load(searched / "architecture.json"),
            read_json(searched / "search.json")["probs"],
            config.student.max_incoming,
        )
        if config.student.student_start == "fresh":
            student = fresh_student(architecture, config, space, inputs)
        else:
            weights = read_tensors(searched / "supernet.safetensors")
            student = derive(architecture, weights, student_config(architecture, space, inputs))
        train_and_save(student, config, inputs, folder, checkpoint)

    built_resumably(output / "student", train, settings, made_from)
    return _report(config, inputs, output, settings, started)


def train_fixed(
    config: Config, architecture: Path, output: Path, *, random_like: bool = False
) -> dict[str, Any]:
    """Train a given architecture from fresh weights; teacher and probes as in ``compress``.

    Args:
        config: all settings; those of the search count only for gamma and the temperature.
        architecture: file written by a search.
        output: folder of the run.
        random_like: draw a random cell of the same depth and size by ``config.run.seed`` instead.

    Returns:
        What ``metrics.json`` says.

    Raises:
        AdaBertError: if the data or the teacher cannot be had, or ``output`` is of other settings.
        ArchitectureError: if the file holds no architecture of known ops.
    """
    started = time.monotonic()
    found = Architecture.load(architecture)
    check_ops(found.edges.values(), str(architecture))
    space = SpaceConfig.load(config.search.space)
    if random_like:
        found = draw_alike(found, space.ops, space.dim, config.run.seed)
    splits = read_rows(config.data)
    settings = {**_hashed(config), "architecture": found.to_dict()}
    _refuse_other(output / "student", settings)
    check_writable(output)
    inputs = prepare(config, space.dim, splits)

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        student = fresh_student(found, config, space, inputs)
        train_and_save(student, config, inputs, folder, checkpoint)

    built_resumably(output / "student", build, settings, {**settings, "inputs": inputs.name})
    return _report(config, inputs, output, settings, started)


def _refuse_other(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a finished folder of other settings before a teacher is trained in vain."""
    try:
        found = check_manifest(folder)
    except AdaBertError:  # there is none, or it is damaged and will be made again
        return
    same_meta(folder, found, settings)


def _report(
    config: Config, inputs: Inputs, output: Path, settings: dict[str, Any], started: float
) -> dict[str, Any]:
    return write_report(
        output,
        teacher=inputs.teacher,
        task=inputs.splits.task,
        settings=settings,
        repetitions=config.run.repetitions,
        seconds=time.monotonic() - started,
    )


def _hashed(config: Config) -> dict[str, Any]:
    """The settings that decide what a run gives."""
    return {key: value for key, value in config.flat().items() if key not in NOT_HASHED}


def train_and_save(
    student: AdaBertForSequenceClassification,
    config: Config,
    inputs: Inputs,
    folder: Path,
    checkpoint: Checkpoint,
) -> None:
    """Train ``student``, or go on with it; write it with its scores and tokenizer into ``folder``."""
    torch.manual_seed(config.run.seed)
    started = time.monotonic()
    history = train_student(
        student,
        inputs.train,
        inputs.selection,
        config.student,
        gamma=config.search.gamma,
        temperature=config.search.temperature,
        seed=config.run.seed,
        checkpoint=checkpoint,
    )
    exported = student.without_probes()
    scores = evaluate(exported, inputs.validation, inputs.splits.task.metrics)
    save_student(
        exported,
        inputs.tokenizer,
        folder,
        scores=scores,
        history=history,
        seconds=time.monotonic() - started + checkpoint.spent,
    )
