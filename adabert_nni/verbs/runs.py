"""The verbs that make whole runs: ``compress``, ``train``, ``baseline``, ``trial`` and ``experiment``."""

import argparse
import os
from pathlib import Path
from typing import Any

from adabert_nni.config import config_from_args, load_config
from adabert_nni.verbs.options import add_settings, checked, output_of, settings_of


def compress(args: argparse.Namespace) -> str:
    """Walk the whole path in this process."""
    config = settings_of(args)
    from adabert_nni import pipeline

    output = output_of(config)
    return gained(pipeline.compress(config, output), output)


def train(args: argparse.Namespace) -> str:
    """Train a given architecture, or a random one of its size, from fresh weights."""
    config = settings_of(args)
    from adabert_nni import pipeline

    output = output_of(config, str(args.architecture), args.random_like)
    metrics = pipeline.train_fixed(config, args.architecture, output, random_like=args.random_like)
    return gained(metrics, output)


def baseline(args: argparse.Namespace) -> str:
    """Train one of the methods that AdaBERT is compared with, from the same teacher and rows."""
    config = settings_of(args)
    from adabert_nni.paper.baseline import train_baseline

    output = output_of(config, "baseline", args.name)
    return gained(train_baseline(config, args.name, output), output)


def gained(metrics: dict[str, Any], output: Path) -> str:
    """Teacher beside student, and where the student is."""
    from adabert_nni.report.tables import gain_table

    return f"\n{gain_table(metrics)}\n\nstudent: {output / 'student'}"


def trial(args: argparse.Namespace) -> str:
    """Run one NNI trial: its parameters override the options, its numbers go to the web UI."""
    from adabert_nni.search import reporting

    given = config_from_args(args, args.config)
    config = checked(load_config(None, {**given.flat(), **reporting.trial_parameters()}))
    from adabert_nni import pipeline
    from adabert_nni.report.summary import numbers

    output = Path(os.environ.get("NNI_OUTPUT_DIR") or config.run.output or "runs/trial")
    metrics = pipeline.compress(config, output, reporting.report_epoch)
    reporting.report_final(numbers(metrics))
    return ""


def experiment(args: argparse.Namespace) -> str | None:
    """Start an NNI experiment on loopback, wait, collect the best trial, stop it."""
    from adabert_nni.search.manager import run_experiment

    best = run_experiment(args.file, args.output, port=args.port)
    return None if best is None else gained(best, args.output)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Options of ``train``."""
    parser.add_argument("--architecture", type=Path, required=True, help="architecture.json")
    parser.add_argument(
        "--random-like", action="store_true", help="a random cell of its depth and size, by --seed"
    )
    add_settings(parser)


def add_baseline(parser: argparse.ArgumentParser) -> None:
    """Options of ``baseline``."""
    parser.add_argument("name", help="such as bert-pkd-half, distilbert, tinybert, bilstm-soft")
    add_settings(parser)


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Options of ``experiment``."""
    parser.add_argument(
        "file", type=Path, help="NNI experiment YAML, such as experiments/quickstart.yml"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the best trial's results"
    )
    parser.add_argument(
        "--port", type=int, help="port of the web UI (default: a free one from 8080)"
    )
