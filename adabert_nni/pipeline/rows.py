"""The rows of a run as they are split, and those of them that are P_alpha's alone. Computes nothing."""

import logging

from adabert_nni.config import Config, DataConfig
from adabert_nni.data.loading import Splits, keep_apart, load_splits
from adabert_nni.errors import AdaBertError

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
