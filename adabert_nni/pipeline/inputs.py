"""What a search or a student's training starts from: rows, teacher, probe table, embeddings.

Teachers and probe tables lie in the cache and are shared by all runs with the same data and settings. Wires the
stages, computes nothing.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from adabert_nni.checkpoint import built_resumably
from adabert_nni.config import Config
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Splits
from adabert_nni.pipeline.places import Places, first_task, places
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.search.task import TaskShape
from adabert_nni.student.derive import factorise
from adabert_nni.teacher.augmented import build_augmented, read_augmented
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.finetune import finetune_teacher
from adabert_nni.teacher.loading import load_tokenizer, separator
from adabert_nni.teacher.probes import build_probes, load_probes
from adabert_nni.teacher.proposals import find_sources
from adabert_nni.teacher.source import locate_teacher

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """What a search or a student's training starts from.

    Attributes:
        splits: the rows.
        teacher: the teacher's folder.
        tokenizer: the teacher's tokenizer, which is the student's too.
        train: train rows, those without a label and augmented ones, joined with the probe table, (R, J, C).
        searched: the first of them, which the search learns from: all, or all that are not augmented.
        answers: the same rows joined with what the teacher's own head says alone, (R, 1, C).
        selection: rows of the training split that are set apart; labels, here and in ``train``, in the
            units of ``splits.task.scale``.
        validation: rows that are only reported on.
        shape: sizes and initial embeddings.
        name: task and hash of what the teacher and the probes were made from, the rows among it.
    """

    splits: Splits
    teacher: Path
    tokenizer: PreTrainedTokenizerBase
    train: Encoded
    searched: Encoded
    answers: Encoded
    selection: Encoded
    validation: Encoded
    shape: TaskShape
    name: str


def use_threads(config: Config) -> None:
    """From here on let PyTorch compute with as many CPU threads as the settings say, if they say."""
    if config.run.threads is not None:
        torch.set_num_threads(config.run.threads)


def augmented_rows(config: Config, splits: Splits, found: Places) -> Path | None:
    """Build or reuse the augmented rows of ``splits.train``; their folder, None where none are wanted."""
    if found.augmented is None:
        return None
    wanted = config.augment
    sources = find_sources(wanted.augment_source, locate_teacher(config.teacher.teacher))
    return built_resumably(
        found.augmented,
        lambda folder, checkpoint: build_augmented(
            splits,
            sources,
            copies=wanted.augment_copies,
            replace=wanted.augment_replace,
            cut=wanted.augment_cut,
            splice=wanted.augment_splice,
            neighbours=wanted.augment_neighbours,
            seed=config.data.split_seed,
            folder=folder,
            checkpoint=checkpoint,
        ),
        found.augmented_from,
    )


def build_teacher(config: Config, splits: Splits, found: Places) -> Path:
    """Fine-tune the teacher, on the task before this one first if there is one, or reuse it; its folder."""
    settings, before = config.teacher, first_task(config)

    def start() -> Path | None:
        if before is None:
            return None
        rows = read_rows(before.data)
        return build_teacher(before, rows, places(before, rows))

    return built_resumably(
        found.teacher,
        lambda folder, checkpoint: finetune_teacher(
            settings.teacher,
            splits,
            start=start(),
            epochs=settings.teacher_epochs,
            lr=settings.teacher_lr,
            batch=settings.teacher_batch,
            weight_decay=settings.teacher_weight_decay,
            max_length=config.data.max_length,
            seed=config.data.split_seed,
            folder=folder,
            checkpoint=checkpoint,
            precision=config.precision,
        ),
        found.teacher_from,
    )


def prepare(config: Config, dim: int, splits: Splits) -> Inputs:
    """Build or reuse the augmented rows, the teacher and its probe table.

    Args:
        config: all settings.
        dim: channels D of the student, to which the embeddings are factorised.
        splits: what ``read_rows`` gave.

    Returns:
        The rows, the teacher and its tokenizer, and the sizes of the student.

    Raises:
        AdaBertError: if the teacher or a source of words cannot be had.
    """
    use_threads(config)
    data, found, task = config.data, places(config, splits), splits.task
    changed = augmented_rows(config, splits, found)
    teacher = build_teacher(config, splits, found)
    further = (
        splits.unlabelled if changed is None else splits.unlabelled.plus(read_augmented(changed))
    )
    rows = (splits.train, splits.selection, splits.validation, further)
    tokenizer, start = load_tokenizer(teacher), time.monotonic()
    train, selection, validation, more = (encode(r, tokenizer, data.max_length) for r in rows)
    logger.info("tokens: %d rows in %.1f s", sum(map(len, rows)), time.monotonic() - start)
    probes = built_resumably(
        found.probes,
        lambda folder, checkpoint: build_probes(
            teacher,
            train,
            selection,
            labels=len(task.labels),
            seed=data.split_seed,
            folder=folder,
            epochs=config.teacher.probe_epochs,
            checkpoint=checkpoint,
            problem=task.problem,
            scale=task.scale,
            more=more,
            calibrated=config.teacher.probe_calibration == "selection",
            precision=config.precision,
        ),
        found.probes_from,
    )
    table = load_probes(probes)
    words, positions = factorise(*embedding_tables(teacher), dim)
    sep_id = separator(tokenizer) if task.is_pair else None
    shape = TaskShape(
        len(task.labels), sep_id, data.max_length, words, positions, problem=task.problem
    )
    learnt = (train.plus(more) if len(more) else train).in_units(task.scale)
    joined, answers = (
        learnt.with_teacher(table["ids"], beliefs.float())
        for beliefs in (table["probs"], table["teacher"].unsqueeze(1))
    )
    rest = (selection.in_units(task.scale), validation, shape, probes.name)
    own = len(train) + len(splits.unlabelled)
    searched = joined.first(own) if config.augment.augment_for == "student" else joined
    return Inputs(splits, teacher, tokenizer, joined, searched, answers, *rest)
