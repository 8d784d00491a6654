"""Loads what lies in a teacher's folder: its config, its weights with a head for the task, its tokenizer.

No code that comes with a checkpoint runs, no pickled weights are read, the hub is never asked. It must not know
where the folder came from, or how a teacher is trained.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as hub_logging

from adabert_nni.data.tasks import Task
from adabert_nni.errors import AdaBertError, first_line

logger = logging.getLogger(__name__)

# Left unset, transformers asks on the terminal whether to run code that a checkpoint brings.
LOCAL = {"local_files_only": True, "trust_remote_code": False}
WEIGHTS_ONLY = {**LOCAL, "use_safetensors": True}  # no pickle, whatever else lies in the folder
UNREADABLE = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)


def load_config(folder: Path) -> Any:
    """The config in a model folder; AdaBertError if transformers cannot read it."""
    try:
        return AutoConfig.from_pretrained(folder, **LOCAL)
    except UNREADABLE as error:
        raise AdaBertError(
            f"teacher {folder}: its config.json cannot be read ({first_line(error)}); give a folder as "
            "save_pretrained writes it"
        ) from None


def load_classifier(folder: Path, task: Task, *, fresh_head: bool) -> PreTrainedModel:
    """The encoder in a model folder with a classification head for the task, in float32.

    Args:
        folder: what ``locate_teacher`` gives.
        task: gives number and names of the classes.
        fresh_head: whether a head that is missing or of another size may start from random weights.

    Returns:
        The model in eval mode, with the task's class names.

    Raises:
        AdaBertError: if it is no encoder that classifies, or brings no fitting head though it must.
    """
    names = dict(enumerate(task.labels))
    try:
        if not fresh_head:
            found = load_config(folder).id2label
            _check_labels(folder, [found[number] for number in sorted(found)], task)
        with without_warnings():
            model, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                **WEIGHTS_ONLY,
                dtype=torch.float32,
                id2label=names,
                label2id={name: number for number, name in names.items()},
                problem_type=task.problem.hf_name,
                ignore_mismatched_sizes=fresh_head,
                output_loading_info=True,
            )
    except UNREADABLE as error:
        if isinstance(error, AdaBertError):
            raise
        raise AdaBertError(
            f"teacher {folder}: cannot be loaded as a text classifier ({first_line(error)}); "
            "give the folder of an encoder that transformers can classify with"
        ) from None
    if report["missing_keys"] and not fresh_head:
        raise AdaBertError(
            f"teacher {folder}: has no trained classification head (no "
            f"{min(report['missing_keys'])}), but 0 epochs take it as it is; "
            "set --teacher-epochs to 1 or more"
        )
    _tell_fresh(folder, model, report)
    return model


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without what transformers says of a checkpoint: it makes a table of a head that is to be missing."""
    before = hub_logging.get_verbosity()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hub_logging.set_verbosity(before)


def _tell_fresh(folder: Path, model: PreTrainedModel, report: Mapping[str, Any]) -> None:
    """Log which weights start at random; that is as it should be for a head, and not for the encoder."""
    fresh = sorted({*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])})
    encoder = [key for key in fresh if key.startswith(f"{model.base_model_prefix}.")]
    if encoder:
        logger.warning(
            "teacher %s: %d weights of the encoder are not in it and start at random, such as %s",
            *(folder, len(encoder), encoder[0]),
        )
    if head := [key for key in fresh if key not in encoder]:
        logger.info("teacher: its head for this task starts at random (%s)", ", ".join(head))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that lies in a model folder.

    Args:
        folder: a Hugging Face folder; the hub is never asked.

    Returns:
        The tokenizer, a fast one where transformers has one.

    Raises:
        AdaBertError: if there is none that can be read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, **LOCAL)
    except Exception as error:  # the tokenizers' own errors have no class of their own
        raise AdaBertError(
            f"tokenizer in {folder}: cannot be read ({first_line(error)}); "
            "put one there with tokenizer.save_pretrained"
        ) from None


def separator(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the token that ends the first of two texts; AdaBertError if there is none."""
    if tokenizer.sep_token_id is None:
        raise AdaBertError(
            "teacher: its tokenizer has no separator token, so pairs of texts cannot be told apart; use "
            "another teacher"
        )
    return int(tokenizer.sep_token_id)


def _check_labels(folder: Path, found: list[str], task: Task) -> None:
    have, want = [name.lower() for name in found], [name.lower() for name in task.labels]
    if len(have) != len(want) or (have != want and set(have) == set(want)):
        raise AdaBertError(
            f"teacher {folder}: its classes are {found}, task {task.name} has {list(task.labels)} "
            "in this order; fine-tune it (--teacher-epochs 1 or more) or give another one"
        )
    if have != want:
        logger.warning("teacher %s: classes %s are taken as %s", folder, found, list(task.labels))
