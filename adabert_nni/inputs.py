"""What a search or a student's training starts from: rows, teacher, probe table, embeddings.

Teachers and probe tables lie in the cache and are shared by all runs with the same data and settings. Wires the
stages, computes nothing.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from adabert_nni.checkpoint import built_resumably
from adabert_nni.config import Config, DataConfig, run_hash
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Splits, load_splits
from adabert_nni.search.run import TaskShape
from adabert_nni.student.derive import factorise
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.finetune import finetune_teacher, load_tokenizer
from adabert_nni.teacher.probes import TABLE, build_probes
from adabert_nni.teacher.source import locate_teacher, weight_hashes

logger = logging.getLogger(__name__)


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


def read_rows(data: DataConfig) -> Splits:
    """The rows that the settings name, split."""
    logger.info("rows: reading %s", data.train or data.task)
    return load_splits(
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


@dataclass(frozen=True)
class Places:
    """Where in the cache a teacher and its probe table lie, or will.

    Attributes:
        teacher: folder of the teacher.
        probes: folder of the probe table.
        made_from: what decides the teacher, the rows and the weights that it starts from among it.
    """

    teacher: Path
    probes: Path
    made_from: dict[str, Any]


def places(config: Config, splits: Splits) -> Places:
    """Name the folders by what they are made from; builds nothing, and AdaBertError without a teacher."""
    data, settings = config.data, config.teacher
    rows = (splits.train, splits.selection, splits.validation)
    made_from = {
        "data": run_hash(data, [[part.texts, part.labels] for part in rows]),
        "base": weight_hashes(locate_teacher(settings.teacher)),
        **{k: v for k, v in vars(settings).items() if k not in ("teacher", "probe_epochs")},
    }
    task, probed = splits.task.name, {**made_from, "probe_epochs": settings.probe_epochs}
    return Places(
        config.run.cache / "teachers" / f"{task}-{run_hash(made_from)}",
        config.run.cache / "probes" / f"{task}-{run_hash(probed)}",
        made_from,
    )


def build_teacher(config: Config, splits: Splits, found: Places) -> Path:
    """Fine-tune the teacher, or reuse it; its folder."""
    settings = config.teacher
    return built_resumably(
        found.teacher,
        lambda folder, checkpoint: finetune_teacher(
            settings.teacher,
            splits,
            epochs=settings.teacher_epochs,
            lr=settings.teacher_lr,
            batch=settings.teacher_batch,
            weight_decay=settings.teacher_weight_decay,
            max_length=config.data.max_length,
            seed=config.data.split_seed,
            folder=folder,
            checkpoint=checkpoint,
        ),
        found.made_from,
    )


def prepare(config: Config, dim: int, splits: Splits) -> Inputs:
    """Build or reuse the teacher and its probe table.

    Args:
        config: all settings.
        dim: channels D of the student, to which the embeddings are factorised.
        splits: what ``read_rows`` gave.

    Returns:
        The rows, the teacher and its tokenizer, and the sizes of the student.

    Raises:
        AdaBertError: if the teacher cannot be had.
    """
    data, found = config.data, places(config, splits)
    teacher = build_teacher(config, splits, found)
    rows = (splits.train, splits.selection, splits.validation)
    tokenizer, start = load_tokenizer(teacher), time.monotonic()
    train, selection, validation = (encode(part, tokenizer, data.max_length) for part in rows)
    logger.info("tokens: %d rows in %.1f s", sum(map(len, rows)), time.monotonic() - start)
    probes = built_resumably(
        found.probes,
        lambda folder, checkpoint: build_probes(
            teacher,
            train,
            selection,
            labels=len(splits.task.labels),
            seed=data.split_seed,
            folder=folder,
            epochs=config.teacher.probe_epochs,
            checkpoint=checkpoint,
        ),
        {**found.made_from, "probe_epochs": config.teacher.probe_epochs},
    )
    table = load_file(probes / TABLE)
    words, positions = factorise(*embedding_tables(teacher), dim)
    sep_id = tokenizer.sep_token_id if splits.task.is_pair else None
    shape = TaskShape(len(splits.task.labels), sep_id, data.max_length, words, positions)
    joined = train.with_teacher(table["ids"], table["probs"].float())
    return Inputs(splits, teacher, tokenizer, joined, selection, validation, shape, probes.name)
