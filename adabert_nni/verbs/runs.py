"""The verbs that make whole runs: ``compress``, ``train``, ``baseline``, ``trial``, ``experiment``, ``best``."""

import argparse
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adabert_nni.config import config_from_args, load_config
from adabert_nni.errors import AdaBertError
from adabert_nni.verbs.options import add_settings, checked, output_of, settings_of

if TYPE_CHECKING:
    from adabert_nni.pipeline.plan import Plan

logger = logging.getLogger(__name__)


def compress(args: argparse.Namespace) -> str:
    """Walk the whole path in this process."""
    config = settings_of(args)
    output = output_of(config)
    if args.dry_run:
        from adabert_nni.pipeline.plan import plan

        return _told(plan(config, output))
    from adabert_nni.pipeline import run

    return gained(run.compress(config, output), output)


def _told(made: "Plan") -> str:
    """A plan as text."""
    from adabert_nni.report.tables import markdown_table

    columns = {"stage": "stage", "state": "state", "needs": "needs about", "folder": "folder"}
    rows = []
    for step in made.steps:
        needs = "" if step.state in ("done", "cached") else duration(step.seconds)
        rows.append(
            {"stage": step.stage, "state": step.state, "needs": needs, "folder": step.folder}
        )
    counts = ", ".join(f"{count} {name}" for name, count in made.rows.items())
    return "\n".join(
        [
            f"rows: {counts}; {made.tokens:.1f} tokens each on average",
            "",
            markdown_table(rows, columns),
            "",
            f"in all about {duration(made.seconds)}: an estimate, the floating-point operations over "
            f"{made.gflops:.0f} GFLOP/s, half of what a matrix product reaches here now",
        ]
    )


def duration(seconds: float) -> str:
    """75 -> ``1 min``, 7300 -> ``2.0 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def add_compress(parser: argparse.ArgumentParser) -> None:
    """Options of ``compress``: every setting, and only to look."""
    parser.add_argument(
        "--dry-run", action="store_true", help="show stages, folders and about how long; do nothing"
    )
    add_settings(parser)


def train(args: argparse.Namespace) -> str:
    """Train a given architecture, or a random one of its size, from fresh weights."""
    config = settings_of(args)
    from adabert_nni.pipeline import run

    output = output_of(config, args.architecture, args.random_like)
    metrics = run.train_fixed(config, args.architecture, output, random_like=args.random_like)
    return gained(metrics, output)


def baseline(args: argparse.Namespace) -> str:
    """Train one of the methods that AdaBERT is compared with, from the same teacher and rows."""
    config = settings_of(args)
    from adabert_nni.paper.baseline import train_baseline

    output = output_of(config, "baseline", args.name)
    return gained(train_baseline(config, args.name, output), output)


def gained(metrics: dict[str, Any], output: Path) -> str:
    """Teacher beside student, and where the student and its exports are."""
    from adabert_nni.report.tables import gain_table

    places = {"student": output / "student"}
    for name, record in metrics.get("exports", {}).items():
        places[name] = output / f"student-{name}" / record["file"]
    told = "\n".join(f"{name}: {place}" for name, place in places.items())
    return f"\n{gain_table(metrics)}\n\n{told}"


def trial(args: argparse.Namespace) -> str:
    """Run one NNI trial: its parameters override the options, its numbers go to the web UI."""
    from adabert_nni.search import reporting

    given = config_from_args(args, args.config)
    config = checked(load_config(None, {**given.flat(), **reporting.trial_parameters()}))
    from adabert_nni.pipeline import run
    from adabert_nni.report.summary import numbers

    output = Path(os.environ.get("NNI_OUTPUT_DIR") or config.run.output or "runs/trial")
    metrics = run.compress(config, output, reporting.report_epoch)
    reporting.report_final(numbers(metrics))
    return ""


def experiment(args: argparse.Namespace) -> str | None:
    """Start an NNI experiment on loopback, wait, collect the best trial, stop it."""
    from adabert_nni.search.manager import run_experiment

    # Whatever ends this process must end manager and trials, too: a kill is an interrupt.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        best = run_experiment(args.file, args.output, port=args.port)
    finally:
        signal.signal(signal.SIGTERM, before)
    return None if best is None else _compared(best, args.output)


def best(args: argparse.Namespace) -> str:
    """Collect the best trial so far of an NNI experiment, running or stopped."""
    from adabert_nni.search.collect import collect_best

    return _compared(collect_best(args.experiment, args.output), args.output)


def _compared(best: dict[str, Any], output: Path) -> str:
    """What was gained; the best trial's page is written again, now that it lies beside the others.

    The collected student is worth more than its page: a trial that no page can be made of is told of and kept.
    """
    from adabert_nni.report.html import write_html

    try:
        write_html(output)
    except AdaBertError as error:
        logger.warning("no report.html: %s", error)
    return gained(best, output)


def add_best(parser: argparse.ArgumentParser) -> None:
    """Options of ``best``."""
    parser.add_argument("--experiment", required=True, metavar="ID", help="id that NNI gave it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new folder to fill")


def add_train(parser: argparse.ArgumentParser) -> None:
    """Options of ``train``."""
    parser.add_argument(
        "--architecture", required=True, help="architecture.json, or a name in search_spaces/found"
    )
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
