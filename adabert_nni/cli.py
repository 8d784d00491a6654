"""The command line: ``adabert <verb>``. Parses options, runs the verb, tells mistakes in one sentence.

The only place that sets log handlers; exit codes are chosen, and results printed, here and in ``commands``, the
table of verbs. Stages are imported when a verb runs, so that a wrong option is refused at once.
"""

import argparse
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType

from wrapt import register_post_import_hook

from adabert_nni import __version__
from adabert_nni.commands import FAILED, OK, VERBS
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import ArchitectureError
from adabert_nni.reading import hint

MISUSED, INTERRUPTED = 2, 130
EXIT_CODES = f"""\
exit codes:
  {OK:<4} done
  {FAILED:<4} the work itself failed: no trial succeeded, a check of doctor did, or a fault of ours
  {MISUSED:<4} something you can mend, told in one sentence
  {INTERRUPTED:<4} interrupted; the same command goes on from what is finished

adabert VERB --help shows the options of a verb and an example."""
SMALLER = (
    "the GPU has too little memory; give smaller batches (--teacher-batch, --search-batch, --student-batch), "
    "or leave it out with CUDA_VISIBLE_DEVICES=''; the same command then goes on from what is finished"
)
SPINS = "5000"  # some microseconds; fewer slow down a row at a time
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
    args, left = parser().parse_known_args(words)
    if left and hasattr(args, "texts") and not any(word.startswith("-") for word in left):
        args.texts += left  # which follow an option
    elif left:
        print(f"adabert {args.verb}: {_unknown_option(args.verb, left)}", file=sys.stderr)
        return MISUSED
    _log(args.debug)
    _wait_briefly()
    try:
        return VERBS[args.verb].run(args)
    except (Exception, KeyboardInterrupt) as error:
        if any(isinstance(found, KeyboardInterrupt) for found in _chain(error)):
            print(
                f"adabert {args.verb}: interrupted; the same command goes on from what is finished",
                file=sys.stderr,
            )
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):  # of `adabert predict ... | head`: nobody reads on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        if _lacks_memory(error) and not args.debug:
            print(f"adabert {args.verb}: {SMALLER}", file=sys.stderr)
            return MISUSED
        if isinstance(error, (AdaBertError, ArchitectureError)) and not args.debug:
            print(f"adabert {args.verb}: {error}", file=sys.stderr)
            return MISUSED
        raise


def _wait_briefly() -> None:
    """Let threads of PyTorch that wait for one another go to sleep soon; it reads this when it is loaded.

    GNU OpenMP lets them go round 300,000 times first where there is a core for each. Beside another busy process
    they spend on that the time slices that the one they wait for needs (results/performance.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that were being handled when it rose: an interrupt can break the tidying up.

    So does ``shutil.rmtree`` of Python 3.11, which closes a descriptor twice if it is interrupted there.
    """
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _lacks_memory(error: BaseException) -> bool:
    """Whether a GPU was too small; told by the name of torch's error, for torch may not be loaded."""
    return any(type(found).__name__ == "OutOfMemoryError" for found in _chain(error))


def _unknown(verb: str) -> str:
    return f"{verb!r} is no verb{hint(verb, VERBS)}; there are {', '.join(VERBS)}"


def _unknown_option(verb: str, left: Sequence[str]) -> str:
    option = next((word for word in left if word.startswith("-")), None)
    if option is None:
        return f"got {left[0]!r} and does not know what it is for; see adabert {verb} --help"
    own = argparse.ArgumentParser(add_help=False)
    VERBS[verb].configure(own)
    known = re.findall(r"--[a-z0-9-]+", own.format_usage())
    name = option.partition("=")[0]
    return f"{name} is no option of it{hint(name, known)}; see adabert {verb} --help"


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
        # It tells in red that there is an error, or an interrupt, before that is told.
        logging.getLogger("nni.nas.strategy.base").setLevel(logging.CRITICAL)
        register_post_import_hook(_no_bars, "transformers")


def _no_bars(transformers: ModuleType) -> None:
    """None of transformers' own for loading and saving weights."""
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
