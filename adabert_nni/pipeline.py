"""The whole path for one run: data, teacher, probes, search, student, report. Wires the stages, computes nothing.

Every stage keeps checkpoints and leaves a finished folder, so the same command goes on where a killed run
stopped. Teachers and probe tables lie in the cache and are shared by all runs with the same data and settings.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from adabert_nni.checkpoint import Checkpoint, built_resumably
from adabert_nni.config import NOT_HASHED, Config, SpaceConfig, run_hash
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Splits, load_splits
from adabert_nni.files import read_json
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.ops import check_ops
from adabert_nni.report.summary import write_report
from adabert_nni.search.run import TaskShape, run_search
from adabert_nni.student.derive import derive, factorise, keep_strongest
from adabert_nni.student.draw import draw_alike
from adabert_nni.student.export import save_student
from adabert_nni.student.train import evaluate, train_student
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.finetune import finetune_teacher, load_tokenizer
from adabert_nni.teacher.probes import TABLE, build_probes
from adabert_nni.teacher.source import locate_teacher, weight_hashes

EpochReport = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Inputs:
    """What a search or a student's training starts from.

    Attributes:
        splits: the rows.
        teacher: the teacher's folder.
        tokenizer: the teacher's tokenizer, which is the student's too.
        train: train rows joined with the probe table.
        selection: rows of the training split that are set apart.
        validation: rows that are only reported on.
        shape: sizes and initial embeddings.
        name: task and hash of what the teacher and the probes were made from, the rows among it.
    """

    splits: Splits
    teacher: Path
    tokenizer: PreTrainedTokenizerBase
    train: Encoded
    selection: Encoded
    validation: Encoded
    shape: TaskShape
    name: str


def prepare(config: Config, dim: int) -> Inputs:
    """Load the data; build or reuse the teacher and its probe table.

    Args:
        config: all settings.
        dim: channels D of the student, to which the embeddings are factorised.

    Returns:
        The rows, the teacher and its tokenizer, and the sizes of the student.

    Raises:
        AdaBertError: if the data or the teacher cannot be had.
    """
    data, settings = config.data, config.teacher
    splits = load_splits(
        data.task,
        data_dir=data.data_dir,
        train=data.train,
        validation=data.validation,
        text=data.text,
        text_pair=data.text_pair,
        label=data.label,
        selection_share=data.selection_share,
        train_rows=data.train_rows,
        seed=data.split_seed,
    )
    base = locate_teacher(settings.teacher)
    rows = (splits.train, splits.selection, splits.validation)
    made_from = {
        "data": run_hash(data, [[part.texts, part.labels] for part in rows]),
        "base": weight_hashes(base),
        **{k: v for k, v in vars(settings).items() if k not in ("teacher", "probe_epochs")},
    }
    name = f"{splits.task.name}-{run_hash(made_from)}"
    teacher = built_resumably(
        config.run.cache / "teachers" / name,
        lambda folder, checkpoint: finetune_teacher(
            settings.teacher,
            splits,
            epochs=settings.teacher_epochs,
            lr=settings.teacher_lr,
            batch=settings.teacher_batch,
            weight_decay=settings.teacher_weight_decay,
            max_length=data.max_length,
            seed=data.split_seed,
            folder=folder,
            checkpoint=checkpoint,
        ),
        made_from,
    )
    tokenizer = load_tokenizer(teacher)
    train, selection, validation = (encode(part, tokenizer, data.max_length) for part in rows)
    made_from["probe_epochs"] = settings.probe_epochs
    probes = built_resumably(
        config.run.cache / "probes" / f"{splits.task.name}-{run_hash(made_from)}",
        lambda folder, checkpoint: build_probes(
            teacher,
            train,
            selection,
            labels=len(splits.task.labels),
            seed=data.split_seed,
            folder=folder,
            epochs=settings.probe_epochs,
            checkpoint=checkpoint,
        ),
        made_from,
    )
    table = load_file(probes / TABLE)
    words, positions = factorise(*embedding_tables(teacher), dim)
    sep_id = tokenizer.sep_token_id if splits.task.is_pair else None
    shape = TaskShape(len(splits.task.labels), sep_id, data.max_length, words, positions)
    joined = train.with_teacher(table["ids"], table["probs"].float())
    return Inputs(splits, teacher, tokenizer, joined, selection, validation, shape, probes.name)


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
    inputs = prepare(config, space.dim)
    settings = _hashed(config)
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
        student = derive(
            architecture,
            load_file(searched / "supernet.safetensors"),
            student_config(architecture, space, inputs),
        )
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
    inputs = prepare(config, space.dim)

    def build(folder: Path, checkpoint: Checkpoint) -> None:
        torch.manual_seed(config.run.seed)
        student = AdaBertForSequenceClassification(student_config(found, space, inputs))
        student.body.embeddings.start_from(inputs.shape.words, inputs.shape.positions)
        train_and_save(student, config, inputs, folder, checkpoint)

    settings = {**_hashed(config), "architecture": found.to_dict()}
    built_resumably(output / "student", build, settings, {**settings, "inputs": inputs.name})
    return _report(config, inputs, output, settings, started)


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
