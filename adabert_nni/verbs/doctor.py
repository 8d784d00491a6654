"""``adabert doctor``: is everything here that a run needs, and what to do where it is not."""

import argparse
from collections.abc import Iterator

from adabert_nni.config import given_settings, load_config
from adabert_nni.verbs.checks import CHECKS, Finding


def doctor(args: argparse.Namespace) -> Iterator[Finding]:
    """Check versions, NNI, ports, disk, memory, GPU and hub, and say what to do where something is wrong."""
    run = load_config(None, given_settings(args)).run
    for check in CHECKS:
        yield from check(run)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Options of ``doctor``."""
    parser.add_argument(
        "--cache",
        default=argparse.SUPPRESS,
        help="the cache folder to look at, else $ADABERT_CACHE",
    )
