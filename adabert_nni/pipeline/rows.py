"""The rows of a run as they are split: P_alpha's own, and those that no student has learnt. Computes nothing."""

import logging
from pathlib import Path

from adabert_nni.config import Config, DataConfig, run_hash
from adabert_nni.data.loading import Rows, Splits, keep_apart, load_splits
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json

logger = logging.getLogger(__name__)

HELD_OUT = "held_out"  # in a student's config: the name of the rows that its run reported on


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


def name_of(rows: Rows) -> str:
    """What tells rows from others: eight hexadecimal digits of their texts and labels, in their order."""
    return run_hash(rows.texts, list(rows.labels))


def unseen_rows(data: DataConfig, student: Path) -> Splits:
    """As ``read_rows``, for a finished student to be scored on the validation rows.

    Args:
        data: which rows.
        student: its folder, or that of an export.

    Returns:
        The rows.

    Raises:
        AdaBertError: if they cannot be had; or if validation rows are a part of ``train``, and not the part that
            the student's run held out, so that it may have learnt some of them.
    """
    splits = read_rows(data)
    held, now = read_json(student / "config.json").get(HELD_OUT), name_of(splits.validation)
    if data.train and not data.validation and held not in (None, now):
        raise AdaBertError(
            f"{data.train}: the validation rows that are split off it are not those that were held out of the "
            "student's training, which may have learnt some of them (rows were added, or the run had a "
            "validation file); give --validation, or to evaluate --rows, with rows it has not seen"
        )
    return splits


def rows_of_alpha(config: Config, splits: Splits) -> list[int]:
    """The training rows that P_alpha alone learns from in a search.

    Args:
        config: all settings.
        splits: the rows.

    Returns:
        Their ids; none, where all rows move both.

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
