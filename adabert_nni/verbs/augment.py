"""``adabert augment``: changed copies of a task's training rows, as the students learn from them."""

import argparse
from pathlib import Path

from adabert_nni.config import add_arguments, config_from_args
from adabert_nni.errors import AdaBertError
from adabert_nni.files import atomic_write

EXAMPLES = 5  # rows that are shown with their copies


def augment(args: argparse.Namespace) -> str:
    """Write changed copies of a task's training rows, as the students learn from them."""
    config = config_from_args(args)
    from adabert_nni.pipeline.inputs import augmented_rows
    from adabert_nni.pipeline.places import places
    from adabert_nni.pipeline.rows import read_rows
    from adabert_nni.teacher.augmented import ROWS, summary

    splits = read_rows(config.data)
    folder = augmented_rows(config, splits, places(config, splits))
    if folder is None:
        raise AdaBertError("augment_copies: got 0, which makes no rows; give 1 or more")
    atomic_write(args.output, (folder / ROWS).read_bytes())
    return f"{summary(splits, folder, EXAMPLES)}\nwritten: {args.output}"


def add_augment(parser: argparse.ArgumentParser) -> None:
    """Options of ``augment``: the rows, how they are changed, and the file."""
    parser.add_argument("--output", type=_packed, required=True, metavar="FILE.jsonl.gz")
    for key in ("teacher", "cache"):
        parser.add_argument(f"--{key}", default=argparse.SUPPRESS, help="as in compress")
    add_arguments(parser, ["data", "augment"])


def _packed(text: str) -> Path:
    if not text.endswith(".jsonl.gz"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .jsonl.gz")
    return Path(text)
