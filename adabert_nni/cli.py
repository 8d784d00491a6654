"""The command line: ``adabert <verb>``. Turns options into settings, calls one function, prints the result.

The only place that prints, sets log handlers and chooses exit codes. What a verb does is in ``verbs``; stages are
imported when it runs, so that a wrong option is refused at once.
"""

import argparse
import difflib
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType

from wrapt import register_post_import_hook

from adabert_nni import __version__
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import ArchitectureError
from adabert_nni.verbs.augment import add_augment, augment
from adabert_nni.verbs.benchmark import add_benchmarks, benchmark
from adabert_nni.verbs.doctor import PROBLEM, add_doctor, doctor
from adabert_nni.verbs.export import add_export, export
from adabert_nni.verbs.options import add_settings
from adabert_nni.verbs.paper import add_paper, paper
from adabert_nni.verbs.predict import add_evaluate, add_predict, evaluate, predict
from adabert_nni.verbs.report import add_plot, add_report, plot, report
from adabert_nni.verbs.runs import (
    add_baseline,
    add_best,
    add_compress,
    add_experiment,
    add_train,
    baseline,
    best,
    compress,
    experiment,
    train,
    trial,
)
from adabert_nni.verbs.stages import add_derive, derive, probe, search, teacher

OK, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = f"""\
exit codes:
  {OK:<4} done
  {FAILED:<4} the work itself failed: no trial succeeded, a check of doctor did, or a fault of ours
  {MISUSED:<4} something you can mend, told in one sentence
  {INTERRUPTED:<4} interrupted; the same command goes on from what is finished

adabert VERB --help shows the options of a verb and an example."""
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


def shown(
    verb: Callable[[argparse.Namespace], str | Iterable[str]],
) -> Callable[[argparse.Namespace], int]:
    """The verb as a command: what it returns is printed, line by line if the lines come one by one."""

    @functools.wraps(verb)
    def run(args: argparse.Namespace) -> int:
        found = verb(args)
        for text in [found] if isinstance(found, str) else found:
            if text:
                print(text, flush=True)
        return OK

    return run


@functools.wraps(experiment)
def _experiment(args: argparse.Namespace) -> int:
    told = experiment(args)
    if told is None:
        print(f"{args.file}: no trial succeeded; their logs are named above", file=sys.stderr)
        return FAILED
    print(told)
    return OK


@functools.wraps(doctor)
def _doctor(args: argparse.Namespace) -> int:
    code = OK
    for finding in doctor(args):
        print(finding, flush=True)
        code = FAILED if finding.state == PROBLEM else code
    return code


def nnictl(args: argparse.Namespace) -> int:
    """Pass everything to nnictl, with the web UI bound to loopback."""
    from adabert_nni.search.loopback import run_nnictl

    return run_nnictl(args.rest)


def _nnictl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="what nnictl is to do")


VERBS: dict[str, Verb] = {
    "compress": Verb(
        shown(compress),
        "adabert compress --task mini-reviews --teacher minilm-l6 --output runs/first",
        add_compress,
    ),
    "train": Verb(
        shown(train),
        "adabert train --architecture runs/first/architecture.json --output runs/again",
        add_train,
    ),
    "baseline": Verb(
        shown(baseline),
        "adabert baseline distilbert --task rte --teacher minilm-l6 --output runs/distilbert",
        add_baseline,
    ),
    "augment": Verb(
        shown(augment),
        "adabert augment --task mini-reviews --teacher minilm-l6 --augment-copies 2 --output more.jsonl.gz",
        add_augment,
    ),
    "teacher": Verb(
        shown(teacher), "adabert teacher --task mini-reviews --teacher minilm-l6", add_settings
    ),
    "probe": Verb(
        shown(probe), "adabert probe --task mini-reviews --teacher minilm-l6", add_settings
    ),
    "search": Verb(
        shown(search),
        "adabert search --task mini-reviews --teacher minilm-l6 --space small --output runs/first",
        add_settings,
    ),
    "derive": Verb(
        shown(derive), "adabert derive runs/first/search --output runs/first/derived", add_derive
    ),
    "evaluate": Verb(
        shown(evaluate),
        "adabert evaluate runs/first/student --rows more.csv --text review --label stars",
        add_evaluate,
    ),
    "predict": Verb(
        shown(predict),
        "adabert predict runs/first/student --input reviews.csv --text review --output answers.jsonl",
        add_predict,
    ),
    "experiment": Verb(
        _experiment,
        "adabert experiment experiments/quickstart.yml --output runs/quickstart",
        add_experiment,
    ),
    "best": Verb(shown(best), "adabert best --experiment ab12cd34 --output runs/best", add_best),
    "trial": Verb(
        shown(trial),
        "adabert trial --task sst2 --search-epochs 6   (as NNI's trialCommand)",
        add_settings,
    ),
    "benchmark": Verb(
        shown(benchmark),
        "adabert benchmark inference --student runs/first/student --output benchmark.json",
        add_benchmarks,
    ),
    "export": Verb(
        shown(export),
        "adabert export runs/first/student --format onnx-int8 --task mini-reviews",
        add_export,
    ),
    "paper": Verb(
        shown(paper),
        "adabert paper table1 --tasks sst2,rte --seeds 0,1,2 --teacher minilm-l6",
        add_paper,
    ),
    "doctor": Verb(_doctor, "adabert doctor --cache /tmp/cache", add_doctor),
    "report": Verb(shown(report), "adabert report runs/first runs/second", add_report),
    "plot": Verb(shown(plot), "adabert plot runs/first", add_plot),
    "nnictl": Verb(
        nnictl, "adabert nnictl create --config experiments/sst2.yml --port 8080", _nnictl
    ),
}


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    top = argparse.ArgumentParser(
        "adabert",
        description="Compress a fine-tuned BERT into a small CNN for your task.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"adabert {__version__}")
    top.add_argument("--debug", action="store_true", help="show tracebacks")
    words = top.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, verb in VERBS.items():
        summary = (verb.run.__doc__ or "").partition("\n")[0]
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
    words = sys.argv[1:] if argv is None else list(argv)
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        print(f"adabert: {_unknown(verb)}", file=sys.stderr)
        return MISUSED
    args = parser().parse_args(words)
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
    except BrokenPipeError:  # of `adabert predict ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _unknown(verb: str) -> str:
    close = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{verb!r} is no verb; {hint}there are {', '.join(VERBS)}"


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
        register_post_import_hook(_no_bars, "transformers")


def _no_bars(transformers: ModuleType) -> None:
    """None of transformers' own for loading and saving weights."""
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
