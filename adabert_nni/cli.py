"""The command line: ``adabert <verb>``. Turns options into settings, calls one function, prints the result.

The only place that prints, sets log handlers and chooses exit codes: 0 done, 1 the work itself failed,
2 something the user can mend, 130 interrupted. Stages are imported when their verb runs, so that a wrong
option is refused at once.
"""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adabert_nni.config import (
    Config,
    SpaceConfig,
    add_arguments,
    config_from_args,
    load_config,
    run_hash,
)
from adabert_nni.data.tasks import get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.files import check_writable
from adabert_nni.model.architecture import ArchitectureError
from adabert_nni.model.ops import check_ops
from adabert_nni.verbs import BENCHMARKS, add_benchmarks, add_export, export_student

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
QUIET = (
    "pytorch_lightning",
    "lightning",
    "nni",
    "transformers",
    "httpx",
    "filelock",
    "matplotlib",
    "datasets",
)


def compress(args: argparse.Namespace) -> int:
    """Walk the whole path in this process."""
    config = _checked(config_from_args(args, args.config))
    from adabert_nni import pipeline

    output = _output(config)
    return _gained(pipeline.compress(config, output), output)


def train(args: argparse.Namespace) -> int:
    """Train a given architecture, or a random one of its size, from fresh weights."""
    config = _checked(config_from_args(args, args.config))
    from adabert_nni import pipeline

    output = _output(config, str(args.architecture), args.random_like)
    metrics = pipeline.train_fixed(config, args.architecture, output, random_like=args.random_like)
    return _gained(metrics, output)


def _checked(config: Config) -> Config:
    """Refuse an unknown task, space or op before the stages are imported, which takes seconds."""
    if config.data.train is None:
        get_task(config.data.task)
    check_ops(SpaceConfig.load(config.search.space).ops, f"space {config.search.space}")
    return config


def _output(config: Config, *more: object) -> Path:
    """Where the run goes: as asked, or ``runs/<task>/<hash of the settings>``."""
    task = "own" if config.data.train else config.data.task
    return config.run.output or Path("runs", task, run_hash(config.flat(), *more))


def _gained(metrics: dict[str, Any], output: Path) -> int:
    from adabert_nni.report.tables import gain_table

    print(f"\n{gain_table(metrics)}\n\nstudent: {output / 'student'}")
    return OK


def trial(args: argparse.Namespace) -> int:
    """Run one NNI trial: its parameters override the options, its numbers go to the web UI."""
    from adabert_nni.search import reporting

    given = config_from_args(args, args.config)
    config = _checked(load_config(None, {**given.flat(), **reporting.trial_parameters()}))
    from adabert_nni import pipeline
    from adabert_nni.report.summary import numbers

    output = Path(os.environ.get("NNI_OUTPUT_DIR") or config.run.output or "runs/trial")
    metrics = pipeline.compress(config, output, reporting.report_epoch)
    reporting.report_final(numbers(metrics))
    return OK


def experiment(args: argparse.Namespace) -> int:
    """Start an NNI experiment on loopback, wait, collect the best trial, stop it."""
    from adabert_nni.search.manager import run_experiment

    best = run_experiment(args.file, args.output, port=args.port)
    if best is None:
        print(f"{args.file}: no trial succeeded; their logs are named above", file=sys.stderr)
        return FAILED
    return _gained(best, args.output)


def benchmark(args: argparse.Namespace) -> int:
    """Time what a run has made beside what it is compared with."""
    check_writable(args.output.parent)
    print(BENCHMARKS[args.what].run(args))
    return OK


def export(args: argparse.Namespace) -> int:
    """Write a finished student in another format, and check it."""
    print(export_student(args))
    return OK


def nnictl(args: argparse.Namespace) -> int:
    """Pass everything to nnictl, with the web UI bound to loopback."""
    from adabert_nni.search.loopback import run_nnictl

    return run_nnictl(args.rest)


@dataclass(frozen=True)
class Verb:
    """One word of the command line.

    Attributes:
        run: does the work and returns the exit code.
        example: shown by ``--help``.
        configure: adds the verb's own options to its parser.
    """

    run: Callable[[argparse.Namespace], int]
    example: str
    configure: Callable[[argparse.ArgumentParser], None]


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, help="YAML file with the same keys as the options, which win"
    )
    add_arguments(parser)


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--architecture", type=Path, required=True, help="architecture.json")
    parser.add_argument(
        "--random-like", action="store_true", help="a random cell of its depth and size, by --seed"
    )
    _settings(parser)


def _experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="NNI experiment YAML, such as experiments/quickstart.yml"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the best trial's results"
    )
    parser.add_argument(
        "--port", type=int, help="port of the web UI (default: a free one from 8080)"
    )


def _nnictl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="what nnictl is to do")


VERBS: dict[str, Verb] = {
    "compress": Verb(
        compress,
        "adabert compress --task mini-reviews --teacher minilm-l6 --output runs/first",
        _settings,
    ),
    "train": Verb(
        train,
        "adabert train --architecture runs/first/architecture.json --output runs/again",
        _train,
    ),
    "experiment": Verb(
        experiment,
        "adabert experiment experiments/quickstart.yml --output runs/quickstart",
        _experiment,
    ),
    "trial": Verb(
        trial, "adabert trial --task sst2 --search-epochs 6   (as NNI's trialCommand)", _settings
    ),
    "benchmark": Verb(
        benchmark,
        "adabert benchmark inference --student runs/first/student --output benchmark.json",
        add_benchmarks,
    ),
    "export": Verb(
        export,
        "adabert export runs/first/student --format onnx-int8 --task mini-reviews",
        add_export,
    ),
    "nnictl": Verb(
        nnictl, "adabert nnictl create --config experiments/sst2.yml --port 8080", _nnictl
    ),
}


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    top = argparse.ArgumentParser(
        "adabert", description="Compress a fine-tuned BERT into a small CNN for your task."
    )
    top.add_argument("--debug", action="store_true", help="show tracebacks")
    words = top.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, verb in VERBS.items():
        summary = (verb.run.__doc__ or "").splitlines()[0]
        sub = words.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example: {verb.example}",
            allow_abbrev=False,
        )
        verb.configure(sub)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    args = parser().parse_args(argv)
    _log(args.debug)
    try:
        return VERBS[args.verb].run(args)
    except (AdaBertError, ArchitectureError) as error:
        if args.debug:
            raise
        print(f"adabert {args.verb}: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print(
            f"adabert {args.verb}: interrupted; the same command goes on from what is finished",
            file=sys.stderr,
        )
        return INTERRUPTED


def _log(debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    if not debug:
        warnings.simplefilter("ignore")  # those of the libraries; ours are log lines
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
