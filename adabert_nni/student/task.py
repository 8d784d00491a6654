"""The task that a student was made for, as its config tells it, and whether rows are of that task."""

from pathlib import Path

from adabert_nni.data.tasks import Task
from adabert_nni.errors import AdaBertError
from adabert_nni.model.modeling import AdaBertConfig
from adabert_nni.problems import CLASSIFICATION, PROBLEMS, Problem

_TEXTS = {1: "one text", 2: "pairs of texts"}


def texts_of(config: AdaBertConfig) -> int:
    """Texts of a row, 1 or 2."""
    return 1 if config.sep_token_id is None else 2


def classes_of(config: AdaBertConfig) -> list[str]:
    """Class names by id; in regression the name of the value."""
    names = {int(index): str(name) for index, name in (config.id2label or {}).items()}
    return [names[index] for index in sorted(names)]


def problem_of(config: AdaBertConfig) -> Problem:
    """What kind of problem it is."""
    known = {problem.hf_name: problem for problem in PROBLEMS.values()}
    return known.get(str(config.problem_type), CLASSIFICATION)


def check_task(config: AdaBertConfig, task: Task, student: Path) -> None:
    """Refuse rows whose classes have other ids than the student's, or whose texts it does not read.

    Args:
        config: the student's, or that of an export.
        task: of the rows.
        student: its folder, for the error.

    Raises:
        AdaBertError: naming what differs.
    """
    own, given = classes_of(config), list(task.labels)
    if own != given:
        raise AdaBertError(
            f"{student}: knows the classes {', '.join(own)}, but {task.name} has {', '.join(given)}; give "
            "the rows that it was made for"
        )
    if texts_of(config) != 1 + task.is_pair:
        raise AdaBertError(
            f"{student}: reads {_TEXTS[texts_of(config)]} a row, but {task.name} has "
            f"{_TEXTS[1 + task.is_pair]}; give the rows that it was made for"
        )
