"""Where in the cache what runs share lies: folders named by the hash of what they are made from.

It builds nothing, and must not know what is done with the folders.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adabert_nni.config import LATER, AugmentConfig, Config, DataConfig, run_hash
from adabert_nni.data.loading import Splits
from adabert_nni.errors import AdaBertError
from adabert_nni.pipeline.rows import read_rows
from adabert_nni.teacher.proposals import find_sources, source_hashes
from adabert_nni.teacher.source import locate_teacher, made_of

OF_ALL_TASKS = ("data_dir", "max_length", "selection_share", "split_seed")
USUAL = ("accuracy",)  # metrics that a teacher's name does not tell
OF_PROBES = ("probe_epochs", "probe_calibration")  # settings that a teacher does not depend on


@dataclass(frozen=True)
class Places:
    """Where in the cache what runs share lies, or will, and what decides it.

    Attributes:
        teacher: folder of the teacher.
        probes: folder of the probe table.
        augmented: folder of the augmented rows; None where none are wanted.
        teacher_from: the rows among it, and the weights that it starts from.
        probes_from: the same, and all rows of the table.
        augmented_from: the rows, and the sources of words.
    """

    teacher: Path
    probes: Path
    augmented: Path | None
    teacher_from: dict[str, Any]
    probes_from: dict[str, Any]
    augmented_from: dict[str, Any]


def places(config: Config, splits: Splits) -> Places:
    """Name the folders by what they are made from; builds nothing.

    Args:
        config: all settings.
        splits: what ``read_rows`` gave.

    Returns:
        The folders, of which none need be there.

    Raises:
        AdaBertError: if the teacher or a source of words cannot be had.
    """
    data, settings, wanted = config.data, config.teacher, config.augment
    base, task = locate_teacher(settings.teacher), splits.task.name
    rows = (splits.train, splits.selection, splits.validation)
    teacher_from = {
        "data": run_hash(data, [[part.texts, part.labels] for part in rows]),
        "base": made_of(settings.teacher, base),
        **{
            k: v
            for k, v in vars(settings).items()
            if k not in ("teacher", *OF_PROBES) and LATER.get(k, object()) != v
        },
    }
    if (metrics := splits.task.metrics) != USUAL:
        teacher_from["metrics"] = list(metrics)
    if (before := first_task(config)) is not None:
        teacher_from["before"] = places(before, read_rows(before.data)).teacher.name
    if config.run.precision != "auto":
        teacher_from["precision"] = config.run.precision
    probes_from = {**teacher_from, **{k: getattr(settings, k) for k in OF_PROBES}}
    if len(splits.unlabelled):
        probes_from["more"] = run_hash(splits.unlabelled.texts)
    augmented, augmented_from = None, dict[str, Any]()
    if wanted.augment_copies:
        augmented_from = {
            "rows": run_hash(splits.train.ids, [part.texts for part in rows]),
            "sources": source_hashes(find_sources(wanted.augment_source, base)),
            "seed": data.split_seed,
            **{
                k: v
                for k, v in vars(wanted).items()
                if k not in ("augment_source", "augment_for")  # what a source is, is hashed
                and LATER.get(k, object()) != v
            },
        }
        augmented = config.run.cache / "augmented" / f"{task}-{run_hash(augmented_from)}"
        probes_from["augmented"] = augmented.name
    return Places(
        config.run.cache / "teachers" / f"{task}-{run_hash(teacher_from)}",
        config.run.cache / "probes" / f"{task}-{run_hash(probes_from)}",
        augmented,
        teacher_from,
        probes_from,
        augmented_from,
    )


def first_task(config: Config) -> Config | None:
    """What the teacher is fine-tuned on before this task.

    Args:
        config: all settings.

    Returns:
        Those of the other task; None if there is none.

    Raises:
        AdaBertError: if that is the task itself.
    """
    data, via = config.data, config.teacher.teacher_via
    if via is None:
        return None
    if data.train is None and via == data.task:
        raise AdaBertError(f"teacher_via: got {via}, which is the task itself; give another one")
    kept = {key: getattr(data, key) for key in OF_ALL_TASKS}
    return replace(
        config,
        data=DataConfig(task=via, **kept),
        teacher=replace(config.teacher, teacher_via=None),
        augment=AugmentConfig(),
    )
