"""The rows of a run: as they are split, changed copies of them, and those that are P_alpha's. Computes nothing."""

import logging
from pathlib import Path

from adabert_nni.checkpoint import built_resumably
from adabert_nni.config import Config, DataConfig
from adabert_nni.data.loading import Splits, keep_apart, load_splits
from adabert_nni.errors import AdaBertError
from adabert_nni.pipeline.places import Places
from adabert_nni.teacher.augmented import build_augmented
from adabert_nni.teacher.proposals import find_sources
from adabert_nni.teacher.source import locate_teacher

logger = logging.getLogger(__name__)


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
        unlabelled=data.unlabelled,
        problem_type=data.problem_type,
        selection_share=data.selection_share,
        train_rows=data.train_rows,
        seed=data.split_seed,
    )


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


def rows_of_alpha(config: Config, splits: Splits) -> list[int]:
    """Ids of the training rows that P_alpha alone learns from in a search; none, where all move both.

    Raises:
        AdaBertError: if they are too few, or copies of them would move the weights.
    """
    share, augment = config.search.alpha_share, config.augment
    if not share:
        return []
    if augment.augment_copies and augment.augment_for == "all":
        raise AdaBertError(
            f"alpha_share: got {share} with augment_for all, by which the weights would learn from changed "
            "copies of the rows that are P_alpha's; take augment_for student"
        )
    return keep_apart(splits, share, config.data.split_seed)
