"""The verbs that ask a finished student: ``evaluate`` on labelled rows, ``predict`` on any texts."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adabert_nni.config import DataConfig, given_settings
from adabert_nni.data.files_in import read_texts
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json
from adabert_nni.reading import fields
from adabert_nni.settings import STAGES
from adabert_nni.verbs.answers import COLUMNS, FORMATS, from_lines, in_tuples, written
from adabert_nni.verbs.options import (
    OF_STUDENT,
    add_rows,
    json_file,
    positive,
    rows_asked,
    student_folder,
)
from adabert_nni.verbs.stages import scores

SETTINGS = "settings.json"


def evaluate(args: argparse.Namespace) -> str:
    """Score a student on the rows of a task, of its own run or of a file."""
    given = {key: value for key, value in given_settings(args).items() if key != "output"}
    found = scored(student_folder(args.student), args.rows, given, args.batch)
    if args.output is not None:
        write_json(args.output, found)
    shown = {name: found[name] for name in found if name not in ("task", "rows", "seconds")}
    return f"{found['task']}, {found['rows']} rows in {found['seconds']:.1f} s: {scores(shown)}"


def scored(student: Path, rows: Path | None, given: dict[str, Any], batch: int) -> dict[str, Any]:
    """Score a student on the rows of a file, or on those that the settings name; as ``scoring.evaluate``."""
    if rows is None:
        data = data_of(student, given)
        from adabert_nni.pipeline import scoring

        return scoring.evaluate(student, data, batch)
    if alien := sorted(given.keys() - {*COLUMNS, "label"}):
        raise AdaBertError(
            f"evaluate: rows are given with {', '.join(alien)}; a file goes with text, text_pair and "
            "label only"
        )
    from adabert_nni.pipeline import scoring

    return scoring.evaluate_file(student, rows, batch, **given)


def data_of(student: Path, given: dict[str, Any]) -> DataConfig:
    """The rows that are asked for, else those of the run that made the student.

    Args:
        student: its folder; a run has its settings beside it.
        given: flat settings of the data.

    Returns:
        Checked settings.

    Raises:
        AdaBertError: if neither tells a task, or a value is wrong.
    """
    told = student.resolve().parent / SETTINGS
    if not {"task", "train"} & given.keys():
        if not told.is_file():
            raise AdaBertError(
                f"{student}: which rows? there is no {told.name} of a run beside it; give --task, "
                "--train or --rows"
            )
        known = fields(STAGES["data"]).keys() - set(OF_STUDENT)
        settings = read_json(told)["settings"]
        given = {**{key: settings[key] for key in known & settings.keys()}, **given}
        for key in ("train", "validation"):  # as the run was given them, in its working folder
            path = settings.get(key)
            if path and Path(path).suffix and not Path(path).exists():
                raise AdaBertError(
                    f"{told}: the run's {key} rows, {path}, are not found from here; go to the folder that it "
                    "was run in, or give --train, --task or --rows"
                )
    data = rows_asked(given)
    if data.train is None:
        from adabert_nni.data.tasks import get_task

        get_task(data.task)
    return data


def predict(args: argparse.Namespace) -> Iterator[str]:
    """Classify texts from the command line, a file or the standard input: label and probability, or value."""
    folder = student_folder(args.student)
    suffix = args.output.suffix[1:] if args.output is not None else "jsonl"
    write = FORMATS.get(form := args.format or suffix)
    if write is None:
        raise AdaBertError(
            f"format is {form!r}, it must be one of {', '.join(FORMATS)}; give --format, or a file that ends so"
        )
    if args.texts and args.input is not None:
        raise AdaBertError("texts and --input are given; give one of them")
    if (args.text or args.text_pair) and args.input in (None, Path("-")):
        raise AdaBertError(
            "--text and --text-pair name columns of --input FILE; the standard input has a text a line"
        )
    from adabert_nni.progress import progress
    from adabert_nni.student.predict import load_classifier, predictions

    classifier = load_classifier(folder)
    if args.texts:
        rows, total = in_tuples(args.texts, classifier.columns), None
    elif args.input is not None and str(args.input) != "-":
        rows, total = read_texts(args.input, _columns(args.text, args.text_pair)), None
        if args.input.is_file():
            with args.input.open("rb") as file:
                total = None if args.input.suffix == ".gz" else sum(1 for _ in file)
    else:
        rows, total = from_lines(sys.stdin.buffer, classifier.columns), None
    answers = predictions(classifier, progress(rows, total, "predict"), args.batch)
    lines = write(answers)
    if args.output is None:
        return lines
    count = written(lines, args.output)
    headed = form == "csv" and count > 0  # its first line names the columns
    return iter([f"{count - headed} rows: {args.output}"])


def _columns(text: str | None, text_pair: str | None) -> tuple[str, ...]:
    first = text or "text"
    return (first,) if text_pair is None else (first, text_pair)


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Options of ``evaluate``: the student, and which rows."""
    _student(parser)
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="all rows of a csv, tsv or jsonl file, plain or .gz",
    )
    parser.add_argument(
        "--output", type=json_file, metavar="FILE.json", help="also write the scores here"
    )
    add_rows(parser)


def add_predict(parser: argparse.ArgumentParser) -> None:
    """Options of ``predict``: the student, texts in, answers out."""
    _student(parser)
    parser.add_argument("texts", nargs="*", help="texts; pairs take two each")
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="csv, tsv or jsonl, plain or .gz; - or nothing: the standard input, a row a line, a tab in a pair",
    )
    parser.add_argument("--text", metavar="COLUMN", help="column with the text (default: text)")
    parser.add_argument(
        "--text-pair", metavar="COLUMN", help="column with the second text of a pair"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the standard output")
    parser.add_argument("--format", help="jsonl or csv (default: by --output, else jsonl)")


def _student(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "student", type=Path, metavar="DIR", help="folder of a student, or of an export of one"
    )
    parser.add_argument("--batch", type=positive, default=64, help="rows per step (default: 64)")
