"""The verbs that ask a finished student: ``evaluate`` on labelled rows, ``predict`` on any texts."""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adabert_nni.config import Config, DataConfig, add_arguments, given_settings
from adabert_nni.data.files_in import read_texts
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json, write_json
from adabert_nni.settings import STAGES
from adabert_nni.verbs.options import json_file, positive, student_folder
from adabert_nni.verbs.stages import scores

if TYPE_CHECKING:
    from adabert_nni.student.predict import Answer

COLUMNS = ("text", "text_pair")
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
        from adabert_nni import scoring

        return scoring.evaluate(student, data, batch)
    if alien := sorted(given.keys() - {*COLUMNS, "label"}):
        raise AdaBertError(
            f"evaluate: rows are given with {', '.join(alien)}; a file goes with text, text_pair and "
            "label only"
        )
    from adabert_nni import scoring

    columns = _columns(given.get("text"), given.get("text_pair"))
    return scoring.evaluate_file(student, rows, columns, given.get("label", "label"), batch)


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
        known = {key for key in STAGES["data"].__pydantic_fields__}
        settings = read_json(told)["settings"]
        given = {**{key: settings[key] for key in known & settings.keys()}, **given}
    data = Config.from_mapping(given, "settings").data
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
        raise AdaBertError(f"predict: format is {form!r}, it must be one of {', '.join(FORMATS)}")
    if args.texts and args.input is not None:
        raise AdaBertError("predict: texts and --input are given; give one of them")
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
    return iter([f"{_written(lines, args.output)} rows: {args.output}"])


def in_tuples(texts: list[str], columns: int) -> Iterator[tuple[str, ...]]:
    """Texts as rows of ``columns``; AdaBertError if they do not come out even."""
    if len(texts) % columns:
        raise AdaBertError(
            f"predict: got {len(texts)} texts for a student of pairs; give two a row"
        )
    return zip(*[iter(texts)] * columns, strict=True)


def from_lines(stream: Iterable[bytes], columns: int) -> Iterator[tuple[str, ...]]:
    """A row a line; the texts of a pair have a tab between them."""
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise AdaBertError(
                f"standard input line {number}: not UTF-8 ({error.reason})"
            ) from None
        yield tuple(text.split("\t")) if columns > 1 else (text,)


def _columns(text: str | None, text_pair: str | None) -> tuple[str, ...]:
    first = text or "text"
    return (first,) if text_pair is None else (first, text_pair)


def _jsonl(answers: "Iterable[Answer]") -> Iterator[str]:
    for answer in answers:
        record = dict(zip(COLUMNS, answer.texts, strict=False))
        told = {k: round(v, 6) if isinstance(v, float) else v for k, v in answer.told().items()}
        yield json.dumps({**record, **told}, ensure_ascii=False)


def _csv(answers: "Iterable[Answer]") -> Iterator[str]:
    def line(cells: Iterable[object]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(cells)
        return buffer.getvalue()

    for number, answer in enumerate(answers):
        if number == 0:
            yield line([*COLUMNS[: len(answer.texts)], *answer.told()])
        told = (f"{v:.6f}" if isinstance(v, float) else v for v in answer.told().values())
        yield line([*answer.texts, *told])


FORMATS: dict[str, Callable[["Iterable[Answer]"], Iterator[str]]] = {"jsonl": _jsonl, "csv": _csv}


def _written(lines: Iterator[str], path: Path) -> int:
    """Write lines to a file that is there whole or not at all; how many there were."""
    half, count = path.with_name(f".{path.name}.partial"), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
                count += 1
        os.replace(half, path)
    except OSError as error:
        raise AdaBertError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error
    finally:
        half.unlink(missing_ok=True)
    return count - (path.suffix == ".csv" and count > 0)


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
    add_arguments(parser, ["data"])


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
