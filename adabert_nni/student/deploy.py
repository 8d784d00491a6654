"""A finished student, written in another format: a folder of one file, the tokenizer and ``export.json``.

It must not know where rows come from.
"""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from adabert_nni.data.batches import loader
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.tasks import Rows, Splits
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_new, new_folder, sha256, write_json
from adabert_nni.folders import write_manifest
from adabert_nni.metrics import score
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.student.export import save_tokenizer
from adabert_nni.student.formats import get_format
from adabert_nni.student.onnx_graph import Logits
from adabert_nni.student.parity import agreement, export_student, logits, made_up
from adabert_nni.student.stored import RECORD, WEIGHTS, load_student
from adabert_nni.student.task import check_task
from adabert_nni.student.vocabulary import prune_vocabulary
from adabert_nni.training import row_positions

logger = logging.getLogger(__name__)

RANGE_ROWS = 512  # more did not change the accuracy of int8


def deploy(
    folder: Path,
    name: str,
    output: Path,
    splits: Splits | None = None,
    *,
    prune: bool = False,
) -> dict[str, Any]:
    """Export the student in ``folder`` into the new folder ``output``.

    Args:
        folder: the student's; left as it is.
        name: a key of ``FORMATS``.
        output: new or empty.
        splits: rows of its task. Texts to train tell which pieces a pruned vocabulary keeps; from rows to
            select by int8 takes its ranges, and every format is compared on them; accuracy is reported on the
            validation rows. None: random tokens take their place, and there is no accuracy.
        prune: cut the vocabulary to the task's pieces.

    Returns:
        What ``export.json`` says: of ``export_student``; ``vocabulary``, its pieces; ``student_bytes``
        and ``student_sha256`` of its weights; and on the validation rows ``student_<metric>``, ``<metric>``
        and the ``agreement`` with the student, which reads its own tokens, also where the vocabulary is pruned.

    Raises:
        AdaBertError: as ``load_student``, ``export_student`` and ``prune_vocabulary``; if ``output``
            holds something; if rows are of another task; if a vocabulary is to be pruned without training rows.
    """
    form = get_format(name)
    if prune and splits is None:
        raise AdaBertError(
            "export: a vocabulary is pruned to a task's texts, but none are given; add --task or --train"
        )
    check_new(output)
    student, tokenizer = load_student(folder)
    student.float()  # one that was saved in half precision, too
    if not (folder / WEIGHTS).is_file():
        raise AdaBertError(
            f"{folder}: its weights are not in one {WEIGHTS}; save it without max_shard_size"
        )
    if splits is not None:
        check_task(student.config, splits.task, folder)
    kept, spoken = student, tokenizer
    if prune and splits is not None:
        learnt = (splits.train, splits.selection, splits.unlabelled)
        texts = [text for part in learnt for texts in part.texts for text in texts]
        kept, spoken = prune_vocabulary(student, tokenizer, texts)
    if splits is None:
        logger.warning("export %s: no rows given; ranges and checks use random tokens", name)
        batches = made_up(kept.config)
    else:
        rows = splits.selection.take(list(range(min(RANGE_ROWS, len(splits.selection)))))
        batches = list(loader(_encoded(rows, kept, spoken), 64, shuffle=False, seed=0))
    logger.info("export: writing %s, then comparing it with the student", name)
    with new_folder(output) as half:
        record = export_student(kept, name, half, batches)
        record |= {"vocabulary": kept.config.vocab_size, "version": version("adabert_nni")}
        record["student_bytes"] = (folder / WEIGHTS).stat().st_size
        record["student_sha256"] = sha256(folder / WEIGHTS)
        if splits is not None:
            exported = form.read(half / form.file, kept.config)
            logger.info("export: scoring both on %d validation rows", len(splits.validation))
            before = _encoded(splits.validation, student, tokenizer)
            after = _encoded(splits.validation, kept, spoken)
            record |= _compared(_by_row(exported, after), _by_row(Logits(student), before), splits)
        _save_around(kept, spoken, half)
        write_json(half / RECORD, record)
        write_manifest(half, {})
    return record


def _encoded(
    rows: Rows, student: AdaBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase
) -> Encoded:
    return encode(rows, tokenizer, student.config.max_position_embeddings)


def _by_row(module: nn.Module, rows: Encoded) -> Tensor:
    batches = list(loader(rows, 64, shuffle=False, seed=0))
    order = row_positions(rows, torch.cat([batch["ids"] for batch in batches]))
    return logits(module, batches)[order.argsort()]


def _compared(found: Tensor, wanted: Tensor, splits: Splits) -> dict[str, float]:
    """What an export says of the validation rows beside what the student itself, on its own tokens, does."""
    task, labels = splits.task, splits.validation.labels
    old, new = (score(task.metrics, task.problem.predictions(x), labels) for x in (wanted, found))
    before = {f"student_{metric}": value for metric, value in old.items()}
    return before | new | agreement(found, wanted)


def _save_around(
    student: AdaBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, folder: Path
) -> None:
    """Tokenizer and config, which does not point at modelling code: what is there runs without it."""
    settings = {k: v for k, v in student.config.to_dict().items() if k != "auto_map"}
    write_json(folder / "config.json", settings)
    save_tokenizer(tokenizer, folder, student.config.max_position_embeddings)
