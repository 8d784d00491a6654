"""``adabert export``: a finished student in another format, compared with what it was made from."""

import argparse
from pathlib import Path
from typing import Any

from adabert_nni.config import given_settings
from adabert_nni.verbs.options import add_rows, rows_asked, student_folder


def export(args: argparse.Namespace) -> str:
    """Write a finished student in another format, and check it."""
    given = {key: value for key, value in given_settings(args).items() if key != "output"}
    return _told(*exported(args.student, args.format, args.output, args.prune_vocabulary, given))


def exported(
    student: Path, format: str, output: Path | None, prune: bool, settings: dict[str, Any]
) -> tuple[dict[str, Any], Path]:
    """Export, checked with the rows that the settings name, if they do.

    Args:
        student: its folder.
        format: a key of the table of formats.
        output: new folder; None appends the format to the student's name.
        prune: cut the vocabulary to the task's pieces.
        settings: flat settings of the data.

    Returns:
        What ``export.json`` says, and the folder.

    Raises:
        AdaBertError: if there is no student, a setting is wrong, or the export differs beyond its bound.
    """
    data = rows_asked(settings)
    from adabert_nni.student.deploy import deploy
    from adabert_nni.student.formats import get_format

    get_format(format)
    student_folder(student)
    if output is None:
        named = student.resolve() if student.name in ("", "..") else student  # "." has no name
        output = named.with_name(f"{named.name}-{format}")
    splits = None
    if {"task", "train"} & settings.keys():
        from adabert_nni.pipeline.rows import unseen_rows

        splits = unseen_rows(data, student)
    return deploy(student, format, output, splits, prune=prune), output


def _told(made: dict[str, Any], output: Path) -> str:
    from adabert_nni.metrics import METRICS
    from adabert_nni.report.tables import difference, megabytes, percent, shown

    sizes = megabytes(made["bytes"]), megabytes(made["student_bytes"])
    same = []
    if "agreement" in made:  # there are classes
        share = percent(made["agreement"])
        rows = "validation rows" if METRICS.keys() & made.keys() else "made-up rows"
        same = [f"same class as the student: {share} of the {rows}"]
    lines = [
        f"size on disk: {sizes[0]}, the student's {sizes[1]}",
        *same,
        f"largest difference of a logit: {made['largest_difference']:.2g} of the largest logit, "
        f"allowed is {made['bound']:.2g}",
    ]
    lines += [
        f"{metric}: {shown(metric, made[metric])}, the student's {shown(metric, made[f'student_{metric}'])}"
        f" ({difference(metric, made[metric] - made[f'student_{metric}'])})"
        for metric in METRICS
        if metric in made
    ]
    return "\n".join([*lines, "", f"{made['format']}: {output / made['file']}"])


def add_export(parser: argparse.ArgumentParser) -> None:
    """Options of ``export``: the student, the format, and the rows to check it with."""
    parser.add_argument("student", type=Path, metavar="DIR", help="the folder 'student' of a run")
    parser.add_argument(
        "--format", required=True, help="folded, bf16, torch-export, onnx or onnx-int8"
    )
    parser.add_argument("--output", type=Path, help="new folder (default: DIR-FORMAT)")
    parser.add_argument(
        "--prune-vocabulary",
        action="store_true",
        help="keep the pieces of the task's texts and single characters; needs --task or --train",
    )
    add_rows(parser)
