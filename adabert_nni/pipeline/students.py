"""The student of a run: made for the task's rows, trained, scored on validation and saved.

Wires the stages, computes nothing. It must not know whether the architecture was searched or given.
"""

import logging
import time
from pathlib import Path

import torch

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import Config
from adabert_nni.metrics import answers, score
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.pipeline.inputs import Inputs
from adabert_nni.pipeline.rows import HELD_OUT, name_of
from adabert_nni.precision import device
from adabert_nni.problems import unscale_head
from adabert_nni.spaces import SpaceConfig
from adabert_nni.student.export import save_student
from adabert_nni.student.train import train_student
from adabert_nni.training import predict

logger = logging.getLogger(__name__)


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
        problem_type=inputs.splits.task.problem.hf_name,
        id2label=names,
        label2id={label: index for index, label in names.items()},
        **{HELD_OUT: name_of(inputs.splits.validation)},
    )


def reads_one_text(config: AdaBertConfig) -> bool:
    """Whether a student of pairs cannot see one of the two texts, whatever it learns."""
    if config.sep_token_id is None or config.pair_layout == "aligned":
        return False
    return len(Architecture.from_dict(config.architecture).inputs_read()) < 2


def fresh_student(
    architecture: Architecture, config: Config, space: SpaceConfig, inputs: Inputs
) -> AdaBertForSequenceClassification:
    """A student with random weights by the run's seed, but for the teacher's factorised embeddings."""
    torch.manual_seed(config.run.seed)
    student = AdaBertForSequenceClassification(student_config(architecture, space, inputs))
    student.body.embeddings.start_from(inputs.shape.words, inputs.shape.positions)
    return student


def train_and_save(
    student: AdaBertForSequenceClassification,
    config: Config,
    inputs: Inputs,
    folder: Path,
    checkpoint: Checkpoint,
) -> None:
    """Train ``student``, or go on with it; write it with its scores and tokenizer into ``folder``."""
    if reads_one_text(student.config):
        logger.warning(
            "student: the cell has edges from one of its two inputs only, so that it reads one text of a pair; "
            "take another architecture, or pair_layout: aligned in the space"
        )
    torch.manual_seed(config.run.seed)
    started, task = time.monotonic(), inputs.splits.task
    student.to(device())  # type: ignore[arg-type]
    history = train_student(
        student,
        inputs.answers if config.student.transfer == "last" else inputs.train,
        inputs.selection,
        config.student,
        gamma=config.search.gamma,
        temperature=config.search.temperature,
        seed=config.run.seed,
        checkpoint=checkpoint,
        problem=task.problem,
        precision=config.precision,
    )
    exported = student.without_probes().to(device())  # type: ignore[arg-type]
    unscale_head(exported, task.scale)
    found = predict(exported, inputs.validation, label="evaluate")
    save_student(
        exported.cpu(),
        inputs.tokenizer,
        folder,
        scores=score(task.metrics, task.problem.predictions(found), inputs.validation.labels),
        history=history,
        seconds=time.monotonic() - started + checkpoint.spent,
        predictions=answers(found),
    )
