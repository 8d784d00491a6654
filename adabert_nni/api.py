"""The verbs of the command line as Python functions of the same names and keys, ``compress(task="sst2")``.

Settings are the flat keys of YAML and the options; an unknown one is refused. ``from adabert_nni import compress``
works too, but for ``search`` and ``teacher``, which are folders of the package. Nothing is decided here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adabert_nni.config import Config, load_config
from adabert_nni.errors import AdaBertError
from adabert_nni.verbs.options import checked, output_of, student_folder

__all__ = [
    "best",
    "compress",
    "derive",
    "evaluate",
    "export",
    "judge",
    "predict",
    "probe",
    "search",
    "teacher",
    "train",
]

Place = str | Path


def compress(config: Place | None = None, **settings: Any) -> dict[str, Any]:
    """Walk the whole path; what ``metrics.json`` says.

    Args:
        config: YAML file with settings; None takes the defaults.
        **settings: flat keys, such as ``task="mini-reviews", teacher="minilm-l6", output="runs/x"``; they win.

    Returns:
        Scores, sizes and speed-ups of student and teacher; all files lie below ``output``.
    """
    given = _checked(config, settings)
    from adabert_nni.pipeline import run

    return run.compress(given, output_of(given))


def train(
    architecture: Place, config: Place | None = None, *, random_like: bool = False, **settings: Any
) -> dict[str, Any]:
    """Train the architecture in a file, or a named one, from fresh weights; else as ``compress``."""
    given = _checked(config, settings)
    from adabert_nni.pipeline import run

    output = output_of(given, str(architecture), random_like)
    return run.train_fixed(given, architecture, output, random_like=random_like)


def teacher(config: Place | None = None, **settings: Any) -> dict[str, Any]:
    """Fine-tune or reuse the teacher; its ``folder`` and scores."""
    given = _checked(config, settings)
    from adabert_nni.pipeline import stages

    return stages.teacher(given)


def probe(config: Place | None = None, **settings: Any) -> dict[str, Any]:
    """Build or reuse the table of the teacher's layers; its ``folder`` and the accuracy of each layer."""
    given = _checked(config, settings)
    from adabert_nni.pipeline import stages

    return stages.probe(given)


def search(config: Place | None = None, **settings: Any) -> dict[str, Any]:
    """Search only; the ``folder``, the file ``architecture`` and what was found."""
    given = _checked(config, settings)
    from adabert_nni.pipeline import stages

    return stages.search(given, output_of(given))


def derive(
    search: Place, output: Place, *, fine_tune: bool = False, **settings: Any
) -> dict[str, Any]:
    """Write the student of a finished search without training it; its ``folder`` and scores.

    With ``fine_tune`` it is trained on, by other settings of the student if they are given; then what ``compress``
    gives.
    """
    from adabert_nni.pipeline import run, stages

    make = run.train_derived if fine_tune else stages.derive
    return make(Path(search), Path(output), settings)


def judge(
    search: Place, *, draws: int = 12, gradients: int | None = None, **settings: Any
) -> dict[str, Any]:
    """Whether a finished search decided better than chance; what it found beside ``draws`` random cells.

    Args:
        search: folder of a search, or of the run that holds it.
        draws: random cells of the found one's depth and size, and as many drawn from P_alpha, >= 2.
        gradients: steps, >= 2, whose gradients to P_alpha are judged too; None judges none.
        **settings: flat keys that differ from the search's, such as ``cache``.

    Returns:
        Losses and scores in the supernet on the selection rows: ``found``, ``alike``, ``drawn``; and by choice the
        ``rank`` of what was chosen; where they are asked for ``gradients``, signal and noise of a step.
    """
    from adabert_nni.pipeline.judge import judge as judged

    return judged(Path(search), draws, settings, gradients)


def evaluate(
    student: Place, rows: Place | None = None, *, batch: int = 64, **settings: Any
) -> dict[str, Any]:
    """Score a student.

    Args:
        student: its folder, or that of an export.
        rows: a file, all of whose rows count; None takes the validation rows of the task.
        batch: rows per step.
        **settings: flat keys of the data; with ``rows`` only ``text``, ``text_pair`` and ``label``.

    Returns:
        ``task``, ``rows``, the metrics in [0, 1], ``seconds``.
    """
    from adabert_nni.verbs.predict import scored

    return scored(
        student_folder(Path(student)), None if rows is None else Path(rows), settings, batch
    )


def predict(
    student: Place, texts: Iterable[str | tuple[str, str]], *, batch: int = 64
) -> list[dict[str, Any]]:
    """Label and probability, or value, of each text, or pair of texts, in their order.

    Args:
        student: its folder, or that of an export.
        texts: strings, or pairs of them for a student of pairs.
        batch: rows per step.

    Returns:
        ``{"label": ..., "probability": ...}`` a row; in regression ``{"value": ...}``.

    Raises:
        AdaBertError: if there is no student, or a row is not what it reads.
    """
    from adabert_nni.student.predict import load_classifier, predictions

    if isinstance(texts, str):
        raise AdaBertError(f"got the text {texts[:40]!r}; give a list of texts")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise AdaBertError(
            f"got a {type(texts).__name__}; give a list of texts, such as one column of it"
        )
    rows = (tuple(text) if isinstance(text, tuple | list) else (text,) for text in texts)
    found = predictions(load_classifier(student_folder(Path(student))), rows, batch)
    return [answer.told() for answer in found]


def export(
    student: Place,
    format: str,
    output: Place | None = None,
    *,
    prune_vocabulary: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Write a student in another format; what ``export.json`` says.

    Args:
        student: its folder.
        format: folded, bf16, torch-export, onnx or onnx-int8.
        output: new folder; None appends the format to the student's name.
        prune_vocabulary: keep only the pieces of the task's texts.
        **settings: flat keys of the data to check with; without ``task`` and ``train`` there is none.

    Returns:
        Sizes, the largest difference from the student, and scores if there were rows.
    """
    from adabert_nni.verbs.export import exported

    place = None if output is None else Path(output)
    return exported(Path(student), format, place, prune_vocabulary, settings)[0]


def best(experiment: str, output: Place) -> dict[str, Any]:
    """Collect the best trial of an NNI experiment, running or stopped; its ``metrics.json``."""
    from adabert_nni.search.collect import collect_best

    return collect_best(experiment, Path(output))


def _checked(config: Place | None, settings: Mapping[str, Any]) -> Config:
    return checked(load_config(config, settings))
