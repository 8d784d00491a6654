"""The table of verbs: what each runs, how its result is printed, its example and its options.

What a verb does is in ``verbs``; the command line around it is ``cli``.
"""

import argparse
import functools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from adabert_nni.verbs.augment import add_augment, augment
from adabert_nni.verbs.benchmark import add_benchmarks, benchmark
from adabert_nni.verbs.checks import PROBLEM
from adabert_nni.verbs.doctor import add_doctor, doctor
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
from adabert_nni.verbs.stages import (
    add_derive,
    add_judge,
    derive,
    judge,
    probe,
    search,
    teacher,
)

OK, FAILED = 0, 1  # exit codes of a verb that returns


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
    "judge": Verb(shown(judge), "adabert judge runs/first --draws 12", add_judge),
    "derive": Verb(
        shown(derive),
        "adabert derive runs/first --fine-tune --student-epochs 20 --output runs/second",
        add_derive,
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
