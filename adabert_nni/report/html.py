"""``report.html``: one run as a page that asks nothing of any network, and its drawings.

Decides what is shown; how it looks is in ``report.html.j2``, which escapes every text. What a run has not left
is not shown. It must not know models: all comes from the files in the run's folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from adabert_nni.errors import AdaBertError
from adabert_nni.files import atomic_write
from adabert_nni.report import comparison, figures
from adabert_nni.report.families import FAMILIES
from adabert_nni.report.plot import cell_svg, cell_text
from adabert_nni.report.runs import Run, read_run
from adabert_nni.report.tables import (
    gain_rows,
    megabytes,
    millions,
    milliseconds,
    percent,
    ratio,
    shown,
)

SIDES = ("student", "teacher")
PAGE, CELL = "report.html", "cell.svg"
SECONDS = {
    "teacher_seconds": "fine-tuning the teacher",
    "student_seconds": "training the student",
    "run_seconds": "this run, in its last process",
}


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page: what it is, the number, and what it is beside another."""

    name: str
    value: str
    note: str = ""


def write_html(folder: Path, others: Sequence[Path] = (), output: Path | None = None) -> Path:
    """Write the page of a run.

    Args:
        folder: of the finished run.
        others: folders of more runs of its task, to compare it with.
        output: the file; None takes ``report.html`` in ``folder``.

    Returns:
        The file.

    Raises:
        AdaBertError: if a folder holds no finished run, an altered one, or one of another task.
    """
    run, path = read_run(folder), output or folder / PAGE
    try:
        text = page(run, [read_run(other) for other in others])
    except (LookupError, TypeError, AttributeError, UndefinedError) as error:
        raise AdaBertError(
            f"{folder}: a file of the run lacks what a report shows ({error!r}); it was altered or is "
            "of another version, so run it again"
        ) from error
    atomic_write(path, text)
    return path


def redraw(folder: Path) -> Path:
    """Draw the cell of a run again; the file."""
    path, architecture = folder / CELL, read_run(folder).architecture
    if architecture is None:
        raise AdaBertError(f"{folder}: holds no architecture.json, so there is no cell to draw")
    atomic_write(path, cell_svg(architecture))
    return path


def page(run: Run, others: Sequence[Run] = ()) -> str:
    """The page of ``run``, and of how it compares with ``others``, as HTML."""
    for other in others:
        if other.metrics.get("task") != run.metrics.get("task"):
            raise AdaBertError(
                f"report: {run.folder} is of the task {run.metrics.get('task')} and {other.folder} of "
                f"{other.metrics.get('task')}; give runs of one task"
            )
    loader = PackageLoader("adabert_nni", "report")
    jinja = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["percent"] = percent
    return jinja.get_template("report.html.j2").render(
        task=run.metrics.get("task", "a task"),
        claim=claim(run.metrics),
        tiles=tiles(run.metrics),
        gains=gain_rows(run.metrics),
        cell=Markup(cell_svg(run.architecture)) if run.architecture else "",
        words=cell_text(run.architecture) if run.architecture else "",
        p_alpha=_p_alpha(run),
        figures=figures.of_run(run),
        comparison=comparison.compare(run, others),
        columns=comparison.COLUMNS,
        evaluation=run.evaluation if run.evaluation.get("confusion") else {},
        settings=_told(run.settings),
        versions=run.versions,
        times=_times(run.metrics),
        palette=Markup(palette()),
    )


def claim(metrics: Mapping[str, Any]) -> str:
    """The result in one sentence, of what ``metrics`` has."""
    parts = []
    if "speedup_vs_bert_base" in metrics:
        parts.append(
            f"is {ratio(metrics['speedup_vs_bert_base'], 'faster', 'slower')} than BERT-base"
        )
    if "speedup_vs_teacher" in metrics:
        parts.append(f"{ratio(metrics['speedup_vs_teacher'], 'faster', 'slower')} than its teacher")
    metric = metrics.get("metric", "accuracy")
    if metrics[f"teacher_{metric}"] > 0:
        share = metrics[f"student_{metric}"] / metrics[f"teacher_{metric}"]
        parts.append(f"keeps {100 * share:.1f} % of the teacher's {metric}")
    told = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"A student of {millions(metrics['student_params'])} parameters that {told}."


def tiles(metrics: Mapping[str, Any]) -> list[Tile]:
    """The numbers at the top of the page."""
    metric = metrics.get("metric", "accuracy")
    student, teacher = (shown(metric, metrics[f"{side}_{metric}"]) for side in SIDES)
    found = [
        Tile(metric, student, f"teacher {teacher}"),
        Tile(
            "parameters",
            millions(metrics["student_params"]),
            f"teacher {millions(metrics['teacher_params'])}",
        ),
    ]
    if "student_bytes" in metrics:
        size = megabytes(metrics["student_bytes"])
        found.append(Tile("on disk", size, f"teacher {megabytes(metrics['teacher_bytes'])}"))
    if "student_ms" in metrics:
        of = f"{metrics['batch']} x {metrics['length']} tokens, " if "batch" in metrics else ""
        found.append(
            Tile(
                "per batch",
                milliseconds(metrics["student_ms"]),
                f"{of}teacher {milliseconds(metrics['teacher_ms'])}",
            )
        )
    if "speedup_vs_bert_base" in metrics:
        faster = f"{metrics['speedup_vs_bert_base']:.1f}x"
        found.append(Tile("speed", faster, f"BERT-base's, {_where(metrics)}"))
    if "depth" in metrics:
        cells = "cell" if metrics["depth"] == 1 else "cells"
        found.append(Tile("depth", f"{metrics['depth']} {cells}", "stacked, one architecture"))
    return found


def palette() -> str:
    """CSS variables of the ops' colours, those of the drawn cell, for light and dark pages."""

    def block(dark: bool) -> str:
        return "".join(
            f"--{name}:{(family.dark if dark else family.light)[0]};"
            for name, family in FAMILIES.items()
        )

    return f":root{{{block(False)}}}@media (prefers-color-scheme:dark){{:root{{{block(True)}}}}}"


def _where(metrics: Mapping[str, Any]) -> str:
    count = metrics.get("threads")
    threads = f"{count} thread{'s' if count > 1 else ''}" if count else ""
    return ", ".join(
        filter(None, [str(metrics.get("device", "")), threads, metrics.get("dtype", "")])
    )


def _p_alpha(run: Run) -> list[list[dict[str, Any]]]:
    """Final P_alpha as tables, that of the edges and that of the depth.

    A row has the ``name`` of its distribution, and per choice its name, its share and whether it was taken.
    """
    if run.architecture is None:
        return []
    taken = {f"edge_{edge}": op for edge, op in run.architecture.edges.items()}
    edges, depths = [], []
    for label, shares in run.search.get("probs", {}).items():
        if label == figures.DEPTH:
            counts = {int(index) + 1: share for index, share in shares.items()}
            cells = [(str(k), share, k == run.architecture.depth) for k, share in counts.items()]
            depths.append({"name": "cells", "cells": cells})
        else:
            cells = [(op, share, taken.get(label) == op) for op, share in shares.items()]
            edges.append({"name": figures.edge_name(label), "cells": cells})
    return [table for table in (edges, depths) if table]


def _times(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(name, _duration(metrics[key])) for key, name in SECONDS.items() if key in metrics]
    if "peak_bytes" in metrics:
        found.append(("most memory held", f"{metrics['peak_bytes'] / 1e9:.1f} GB"))
    return found


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 120 else f"{seconds:.0f} s"


def _told(settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Settings that are set, as text, in their order."""
    return [(key, str(value)) for key, value in settings.items() if value is not None]
