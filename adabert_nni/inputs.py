"""What a search or a student's training starts from: rows, teacher, probe table, embeddings.

Teachers and probe tables lie in the cache and are shared by all runs with the same data and settings. Wires the
stages, computes nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from adabert_nni.checkpoint import built_resumably, read_tensors
from adabert_nni.config import Config, DataConfig, run_hash
from adabert_nni.data.encoding import Encoded, encode
from adabert_nni.data.loading import Splits, load_splits
from adabert_nni.search.run import TaskShape
from adabert_nni.student.derive import factorise
from adabert_nni.teacher.embeddings import embedding_tables
from adabert_nni.teacher.finetune import finetune_teacher, load_tokenizer
from adabert_nni.teacher.probes import TABLE, build_probes
from adabert_nni.teacher.source import locate_teacher, weight_hashes


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
    data, settings = config.data, config.teacher
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
    table = read_tensors(probes / TABLE)
    words, positions = factorise(*embedding_tables(teacher), dim)
    sep_id = tokenizer.sep_token_id if splits.task.is_pair else None
    shape = TaskShape(len(splits.task.labels), sep_id, data.max_length, words, positions)
    joined = train.with_teacher(table["ids"], table["probs"].float())
    return Inputs(splits, teacher, tokenizer, joined, selection, validation, shape, probes.name)
