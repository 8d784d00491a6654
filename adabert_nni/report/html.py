"""``report.html``: one run as a page that asks nothing of any network, and its drawings.

Decides what is shown; how it looks is in ``report.html.j2``, which escapes every text. What a run has not left
is not shown. It must not know models: all comes from the files in the run's folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from adabert_nni.errors import AdaBertError
from adabert_nni.files import atomic_write
from adabert_nni.report import comparison, figures
from adabert_nni.report.families import FAMILIES
from adabert_nni.report.headline import claim, tiles
from adabert_nni.report.plot import cell_svg, cell_text
from adabert_nni.report.runs import Run, read_run
from adabert_nni.report.tables import (
    gain_rows,
    percent,
)

PAGE, CELL = "report.html", "cell.svg"
OF_OWN_ROWS = ("train", "validation")
SECONDS = {
    "teacher_seconds": "fine-tuning the teacher",
    "student_seconds": "training the student",
    "run_seconds": "this run, in its last process",
}


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
    compared = [read_run(other) for other in others]
    for other in compared:
        _check_comparable(run, other)
    try:
        text = page(run, compared)
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


def _check_comparable(run: Run, other: Run) -> None:
    """Refuse a run of another task, or of own rows from another file."""
    one, two = (
        [each.metrics.get("task"), each.metrics.get("metric")]
        + [Path(str(each.settings.get(key))).name for key in OF_OWN_ROWS]
        for each in (run, other)
    )
    if one != two:
        apart = ", ".join(f"{a} and {b}" for a, b in zip(one, two, strict=True) if a != b)
        raise AdaBertError(
            f"{run.folder} and {other.folder} are of other tasks or rows ({apart}); give runs of one task"
        )


def palette() -> str:
    """CSS variables of the ops' colours, those of the drawn cell, for light and dark pages."""

    def block(dark: bool) -> str:
        return "".join(
            f"--{name}:{(family.dark if dark else family.light)[0]};"
            for name, family in FAMILIES.items()
        )

    return f":root{{{block(False)}}}@media (prefers-color-scheme:dark){{:root{{{block(True)}}}}}"


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
