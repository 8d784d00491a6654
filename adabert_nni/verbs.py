"""The verbs that work on what a run has made: ``adabert benchmark`` and ``adabert export``.

Each takes parsed options and returns the text to show; ``cli`` prints it. Stages are imported when a verb runs.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adabert_nni.config import add_arguments, config_from_args
from adabert_nni.errors import AdaBertError
from adabert_nni.files import atomic_write, read_json, write_json

REFERENCE = "reference"
ROUNDS, QUICK_ROUNDS = 15, 3  # of "ops"
COLUMNS = {
    "model": "model",
    "backend": "backend",
    "batch": "batch",
    "length": "length",
    "params": "parameters",
    "bytes": "on disk",
    "ms": "ms",
    "texts_per_s": "texts/s",
    "speedup_vs_bert_base": "x BERT-base",
    "speedup_vs_bert_base_same_backend": "x it in this backend",
    "gflop_per_s": "GFLOP/s",
    "share_of_peak": "of the peak",
    "floor_ms": "floor, ms",
}
SEARCH_COLUMNS = {
    "model": "step of",
    "backend": "backend",
    "batch": "batch",
    "length": "length",
    "max_depth": "K_max",
    "ms": "ms",
    "worst_ms": "ms at K_max",
    "megabytes": "MB",
    "speedup_vs_nni": "x NNI",
    "speedup_per_pass": "x one pass of it",
    "worst_speedup_vs_nni": "x NNI at K_max",
    "memory_vs_nni": "of its memory",
    "share_of_peak": "of the peak",
    "floor_ms": "floor, ms",
}
GROWTH_COLUMNS = {
    **{"model": "step of", "of": "larger", "from": "from", "to": "to"},
    **{"ms": "x ms", "peak_bytes": "x memory"},
}


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
    from adabert_nni.benchmark.inference import reference_student, run_inference_benchmark
    from adabert_nni.report.tables import markdown_table
    from adabert_nni.student.deploy import WEIGHTS, load_student

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
    from adabert_nni.config import SpaceConfig
    from adabert_nni.report.tables import markdown_table

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

    from adabert_nni.teacher.source import WEIGHTS_ONLY, locate_teacher

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
    parser.add_argument("--batch", type=_positive, default=32, help="rows (default: 32)")
    parser.add_argument("--length", type=_positive, default=128, help="tokens (default: 128)")
    parser.add_argument("--pair", action="store_true", help="rows are pairs of texts")
    _timing(parser)


def _timing(parser: argparse.ArgumentParser) -> None:
    """Options of every benchmark."""
    parser.add_argument("--quick", action="store_true", help="two sizes, within a minute")
    parser.add_argument("--threads", type=_positive, help="default: PyTorch's choice")
    parser.add_argument("--output", type=_json, default=Path("benchmark.json"), metavar="FILE.json")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number >= 1")
    return int(text)


def _json(text: str) -> Path:
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json")
    return Path(text)


BENCHMARKS: dict[str, Benchmark] = {
    "inference": Benchmark(inference, _inference),
    "search": Benchmark(search, _timing),
    "ops": Benchmark(ops, _ops),
}


def add_benchmarks(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` one sub-word per entry of ``BENCHMARKS``."""
    words = parser.add_subparsers(dest="what", required=True, metavar="what")
    for name, benchmark in BENCHMARKS.items():
        summary = (benchmark.run.__doc__ or "").splitlines()[0]
        sub = words.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        benchmark.configure(sub)


def export_student(args: argparse.Namespace) -> str:
    """Write the student of ``args.student`` in another format and say what it lost."""
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
