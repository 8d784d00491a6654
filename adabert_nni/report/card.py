"""The model card of a student folder: README.md with the front matter that the hub reads.

Every measured number in it is formatted from ``metrics``; the card measures nothing. It must not
know where the folder lies: paths in the settings are cut to their last part, so that a card can be
shared.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adabert_nni.config import NOT_HASHED, run_hash
from adabert_nni.data.embedded import is_embedded
from adabert_nni.data.tasks import Task
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture
from adabert_nni.report.plot import cell_text
from adabert_nni.report.tables import COLUMNS, gain_rows, markdown_table, millions

REQUIRED = (
    "teacher_params",
    "student_params",
    "depth",
    "speedup_vs_teacher",
    "speedup_vs_bert_base",
)
TAGS = ["adabert", "neural-architecture-search", "knowledge-distillation", "model-compression"]
ANSWERS = {
    "classifier": "classifies {inputs} as {labels}",
    "regressor": "gives {inputs} a number, {labels}",
}
COMMAND = "`adabert compress --config config.yml`"
GIVEN = "architecture"  # in the settings of a run that has searched none
TRAINED = (
    "`adabert train --config config.yml --architecture architecture.json`, where `architecture.json` is the entry "
    "`architecture` of `config.json`"
)

BODY = (Path(__file__).parent / "card.md").read_text(encoding="utf-8")  # with fields in braces


def model_card(
    *,
    task: Task,
    metrics: Mapping[str, Any],
    architecture: Architecture,
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
    license_id: str | None = None,
) -> str:
    """README.md of a student folder.

    Args:
        task: what the student classifies.
        metrics: the content of ``metrics.json``: at least ``REQUIRED`` and the task's first metric; what else
            ``gain_rows`` and the speed line know of is shown too.
        architecture: the student's.
        settings: flat keys of the run (``Config.flat()``); of one whose architecture was given, that too.
        versions: package -> version that made the student.
        license_id: such as ``apache-2.0``; None leaves the licence to who publishes the student.

    Returns:
        Front matter and Markdown text.

    Raises:
        AdaBertError: if metrics lacks a key, or is of another depth than the architecture.
    """
    needed = (*(f"{side}_{task.metrics[0]}" for side in ("teacher", "student")), *REQUIRED)
    if missing := [key for key in needed if metrics.get(key) is None]:
        raise AdaBertError(
            f"model card: metrics lacks {', '.join(missing)}; measure the student first"
        )
    if metrics["depth"] != architecture.depth:
        raise AdaBertError(
            f"model card: metrics has depth {metrics['depth']} but the architecture has "
            f"{architecture.depth}; give the metrics of this student"
        )
    noun = "classifier" if len(task.labels) > 1 else "regressor"
    inputs = "a pair of texts" if task.is_pair else "a text"
    made_with = ", ".join(f"{name} {version}" for name, version in versions.items())
    body = BODY.format(
        name=_name(task),
        task=task.name,
        noun=noun,
        answers=ANSWERS[noun].format(
            inputs=f"{inputs} ({', '.join(map(_code, task.texts))})",
            labels=" or ".join(map(_code, task.labels)),
        ),
        split=task.validation,
        table=markdown_table(gain_rows(metrics), COLUMNS),
        speed=_speed(metrics),
        example='{"text": "...", "text_pair": "..."}' if task.is_pair else '"..."',
        cell=cell_text(architecture),
        teacher=_teacher(metrics, settings),
        data=_data(task),
        command=TRAINED if GIVEN in settings else COMMAND,
        settings=_yaml(_told(settings)),
        versions=f"Made with {made_with}." if made_with else "",
    )
    return f"---\n{_yaml(_front_matter(task, metrics, license_id))}\n---\n\n{body}"


def _told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the command reads from a file: no folders, no architecture, no task beside own rows."""
    idle = {GIVEN, "task"} if settings.get("train") else {GIVEN}
    return {key: value for key, value in shareable(settings).items() if key not in idle}


def _name(task: Task) -> str:
    return f"adabert-{task.name}"


def _code(text: str) -> str:
    """A code span of CommonMark 0.31, section 6.1, that shows the text whatever is in it, on one line."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{edge}{' '.join(text.splitlines())}{edge}{fence}"


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True).strip()


def _speed(metrics: Mapping[str, Any]) -> str:
    """What the times mean: the settings they were taken with, as far as ``metrics`` has them."""
    shown = {"device": "on {}", "threads": "with {} threads", "dtype": "in {}"}
    where = ", ".join(text.format(metrics[key]) for key, text in shown.items() if key in metrics)
    where = where.replace("with 1 threads", "with 1 thread")
    return (
        f"Depth, in stacked cells: {metrics['depth']}. Times are medians of forward passes that "
        f"took turns in one run{f' ({where})' if where else ''}. BERT-base was built from its "
        "config with random weights, for its speed alone."
    )


def _teacher(metrics: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    name, epochs = settings.get("teacher"), settings.get("teacher_epochs")
    via = settings.get("teacher_via")
    named = f"`{_last_part(name)}`" if name else "A BERT"
    first = f"on {via} first, then " if via else ""
    trained = f", fine-tuned {first}on the task for {epochs} epochs" if epochs else ""
    trained = trained.replace(" 1 epochs", " 1 epoch")
    return (
        f"Teacher: {named}, {millions(metrics['teacher_params'])} parameters{trained}. The student "
        "learnt from the labels and from probes on every layer of it."
    )


def _data(task: Task) -> str:
    if task.hub:
        name, part = task.hub
        return f"[{name}](https://huggingface.co/datasets/{name}), configuration `{part}`."
    if is_embedded(task.name):
        return f"The small task `{task.name}`, whose rows are generated by the package itself."
    return "Rows of the author's own."


def _front_matter(task: Task, metrics: Mapping[str, Any], license_id: str | None) -> dict[str, Any]:
    dataset = {"name": task.name, "type": task.name, "split": task.validation}
    if task.hub:
        dataset |= {"type": task.hub[0], "config": task.hub[1]}
    scores = {name: metrics[key] for name in task.metrics if (key := f"student_{name}") in metrics}
    result = {
        "task": {"type": "text-classification", "name": "Text Classification"},
        "dataset": dataset,
        "metrics": [{"type": name, "value": value} for name, value in scores.items()],
    }
    return {
        **({"license": license_id} if license_id else {}),
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": TAGS,
        **({"datasets": [task.hub[0]]} if task.hub else {}),
        "metrics": list(scores),
        "model-index": [{"name": _name(task), "results": [result]}],
    }


def shareable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that decide the result, without anybody's folders; None means the default."""
    kept = {
        key: value for key, value in settings.items() if value is not None and key not in NOT_HASHED
    }
    return {key: _last_part(value) for key, value in kept.items()}


def published(made_from: Mapping[str, Any]) -> dict[str, Any]:
    """What a student's manifest tells: it goes to a hub, so folders do not show, but they count."""
    return {**shareable(made_from), "made_from": run_hash(made_from)}


def _last_part(value: object) -> object:
    is_path = isinstance(value, Path) or (isinstance(value, str) and value.startswith(("/", "~")))
    return Path(str(value)).name if is_path else value
