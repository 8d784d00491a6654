"""The verbs that show a finished run: ``adabert report`` and ``adabert plot``.

Each takes parsed options and returns the text to show.
"""

import argparse
from pathlib import Path


def report(args: argparse.Namespace) -> str:
    """Write the page of a finished run, and compare it with others of its task."""
    from adabert_nni.report.html import write_html

    first, *others = args.runs
    return f"written: {write_html(first, others, args.output)}"


def plot(args: argparse.Namespace) -> str:
    """Draw the cell of a finished run again."""
    from adabert_nni.report.html import redraw

    return "\n".join(f"written: {redraw(folder)}" for folder in args.runs)


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Options of ``plot``: the runs."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="DIR", help="the folder of a finished run"
    )


def add_report(parser: argparse.ArgumentParser) -> None:
    """Options of ``report``: the runs, of which the first is told of, and the file."""
    add_plot(parser)
    parser.add_argument("--output", type=Path, help="file (default: report.html in the first DIR)")
