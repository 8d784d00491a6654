"""``adabert benchmark``: times what a run has made beside what it is compared with."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adabert_nni.benchmark.columns import COLUMNS, GROWTH_COLUMNS, SEARCH_COLUMNS
from adabert_nni.files import atomic_write, check_writable, read_json, write_json
from adabert_nni.verbs.options import json_file, positive

REFERENCE = "reference"
ROUNDS, QUICK_ROUNDS = 15, 3  # of "ops"


@dataclass(frozen=True)
class Benchmark:
    """One word after ``adabert benchmark``.

    Attributes:
        run: does the work and returns what to show; the first line of its docstring is its help.
        configure: adds its options.
    """

    run: Callable[[argparse.Namespace], str]
    configure: Callable[[argparse.ArgumentParser], None]


def inference(args: argparse.Namespace) -> str:
    """Time a student in every format beside BERT-base, its teacher and its peers."""
    from adabert_nni.benchmark.field import reference_student
    from adabert_nni.benchmark.inference import run_inference_benchmark
    from adabert_nni.report.tables import markdown_table
    from adabert_nni.student.stored import WEIGHTS, load_student

    given = args.student != REFERENCE
    student, tokenizer = load_student(Path(args.student)) if given else (reference_student(), None)
    found = run_inference_benchmark(
        student,
        teacher=_teacher(args.teacher, Path(args.student) if given else None),
        tokenizer=tokenizer,
        stored=Path(args.student, WEIGHTS).stat().st_size if given else None,
        quick=args.quick,
        threads=args.threads,
    )
    lines = [_surroundings(found["settings"]), "", markdown_table(found["rows"], COLUMNS)]
    if found["tokenisation"]:
        spoken = {key: COLUMNS[key] for key in ("batch", "length", "ms", "texts_per_s")}
        lines += ["", "tokenisation, not in the times above:", ""]
        lines += [markdown_table(found["tokenisation"], spoken)]
    lines += ["", *(f"left out: {sentence}" for sentence in found["left_out"])]
    return _written({"student": args.student, **found}, lines, args.output)


def search(args: argparse.Namespace) -> str:
    """Time a training step of the search beside NNI's own GumbelDARTS."""
    from adabert_nni.benchmark.search import run_search_benchmark
    from adabert_nni.report.tables import markdown_table, percent

    found = run_search_benchmark(quick=args.quick, threads=args.threads)
    rows = [{**row, "megabytes": row["peak_bytes"] / 1e6} for row in found["rows"]]
    lines = [_surroundings(found["settings"]), "", markdown_table(rows, SEARCH_COLUMNS)]
    if found["growth"]:
        lines += ["", markdown_table(found["growth"], GROWTH_COLUMNS)]
    if found["around"]:
        share = percent(found["around"]["around_share"])
        lines += ["", f"a search's time around its arithmetic, sampled estimator: {share}"]
    lines += ["", *(f"left out: {sentence}" for sentence in found["left_out"])]
    return _written(found, lines, args.output)


def ops(args: argparse.Namespace) -> str:
    """Time each op of a space on this machine: a table for ``--cost FILE``."""
    from adabert_nni.benchmark.ops import Size, measure_ops, rows
    from adabert_nni.report.tables import markdown_table
    from adabert_nni.spaces import SpaceConfig

    space = SpaceConfig.load(args.space)
    size = Size(args.batch, args.length, pair=args.pair)
    rounds = QUICK_ROUNDS if args.quick else ROUNDS
    times = measure_ops(space, size, threads=args.threads, repetitions=rounds)
    times.save(args.output)
    lines = [f"batch {size.batch}, length {size.length}, threads {times.threads}, float32", ""]
    lines += [markdown_table(rows(times), {"part": "part", "ms": "ms"}), ""]
    return "\n".join([*lines, f"written: {args.output}"])


def _surroundings(settings: dict[str, Any]) -> str:
    return (
        f"{settings['device']}; threads {settings['threads']}; peak {settings['peak_gflops']:.0f} "
        f"GFLOP/s before, {settings['peak_gflops_afterwards']:.0f} after; commit "
        f"{settings['commit']}"
    )


def _written(found: dict[str, Any], lines: list[str], output: Path) -> str:
    """Write a benchmark as JSON, and its text beside it; what to show of it."""
    text = "\n".join(lines)
    write_json(output, found)
    atomic_write(output.with_suffix(".md"), text + "\n")
    return f"{text}\n\nwritten: {output}, {output.with_suffix('.md')}"


def _teacher(source: str | None, student: Path | None) -> Any:
    """The teacher as asked for, or the one of the student's run if it is still there."""
    from transformers import AutoModelForSequenceClassification

    from adabert_nni.teacher.loading import WEIGHTS_ONLY
    from adabert_nni.teacher.source import locate_teacher

    if source is None:
        told = student.resolve().parent / "teacher.json" if student is not None else Path()
        folder = Path(read_json(told).get("folder", "")) if told.is_file() else Path()
        if not (folder / "config.json").is_file():
            return None
    else:
        folder = locate_teacher(source)
    return AutoModelForSequenceClassification.from_pretrained(folder, **WEIGHTS_ONLY)


def _inference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--student", required=True, metavar="DIR", help=f"folder of a student, or '{REFERENCE}'"
    )
    parser.add_argument(
        "--teacher", metavar="NAME_OR_DIR", help="default: what teacher.json of the run names"
    )
    _timing(parser)


def _ops(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", default="paper", metavar="NAME_OR_FILE", help="default: paper")
    parser.add_argument("--batch", type=positive, default=32, help="rows (default: 32)")
    parser.add_argument("--length", type=positive, default=128, help="tokens (default: 128)")
    parser.add_argument("--pair", action="store_true", help="rows are pairs of texts")
    _timing(parser)


def _timing(parser: argparse.ArgumentParser) -> None:
    """Options of every benchmark."""
    parser.add_argument("--quick", action="store_true", help="two sizes, within a minute")
    parser.add_argument("--threads", type=positive, help="default: PyTorch's choice")
    parser.add_argument(
        "--output", type=json_file, default=Path("benchmark.json"), metavar="FILE.json"
    )


BENCHMARKS: dict[str, Benchmark] = {
    "inference": Benchmark(inference, _inference),
    "search": Benchmark(search, _timing),
    "ops": Benchmark(ops, _ops),
}


def benchmark(args: argparse.Namespace) -> str:
    """Time what a run has made beside what it is compared with."""
    check_writable(args.output.parent)
    return BENCHMARKS[args.what].run(args)


def add_benchmarks(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` one sub-word per entry of ``BENCHMARKS``."""
    words = parser.add_subparsers(dest="what", required=True, metavar="what")
    for name, benchmark in BENCHMARKS.items():
        summary = (benchmark.run.__doc__ or "").splitlines()[0]
        sub = words.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        benchmark.configure(sub)
