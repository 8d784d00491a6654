"""``adabert export``: a finished student in another format, compared with what it was made from."""

import argparse
from pathlib import Path
from typing import Any

from adabert_nni.config import add_arguments, config_from_args
from adabert_nni.errors import AdaBertError


def export(args: argparse.Namespace) -> str:
    """Write a finished student in another format, and check it."""
    given = any(key in vars(args) for key in ("task", "train"))
    config = config_from_args(args)
    from adabert_nni.student.deploy import deploy
    from adabert_nni.student.formats import get_format

    get_format(args.format)
    if not (args.student / "config.json").is_file():
        raise AdaBertError(
            f"{args.student}: holds no config.json; give the folder 'student' of a run"
        )
    output = args.output or args.student.with_name(f"{args.student.name}-{args.format}")
    rows: dict[str, Any] = {}
    if given:
        from adabert_nni.inputs import read_rows

        splits = read_rows(config.data)
        rows = {"task": splits.task, "train": splits.train, "selection": splits.selection}
        rows["validation"] = splits.validation
    made = deploy(args.student, args.format, output, prune=args.prune_vocabulary, **rows)
    return _told(made, output)


def _told(made: dict[str, Any], output: Path) -> str:
    from adabert_nni.metrics import METRICS
    from adabert_nni.report.tables import megabytes, percent

    sizes = megabytes(made["bytes"]), megabytes(made["student_bytes"])
    lines = [
        f"size on disk: {sizes[0]}, the student's {sizes[1]}",
        f"same class as the student: {percent(made['agreement'])} of the rows it was checked on",
        f"largest difference of a logit: {made['largest_difference']:.2g} of the largest logit, "
        f"allowed is {made['bound']:.2g}",
    ]
    lines += [
        f"{metric}: {percent(made[metric])}, the student's {percent(made[f'student_{metric}'])}"
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
    add_arguments(parser, ["data"])
