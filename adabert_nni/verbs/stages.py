"""The verbs that take one stage at a time: ``teacher``, ``probe``, ``search``, ``judge`` and ``derive``."""

import argparse
from pathlib import Path
from typing import Any

from adabert_nni.config import add_arguments, given_settings
from adabert_nni.verbs.options import output_of, settings_of
from adabert_nni.verbs.runs import gained


def teacher(args: argparse.Namespace) -> str:
    """Fine-tune the teacher, or reuse the one in the cache; show its folder and scores."""
    config = settings_of(args)
    from adabert_nni.pipeline import stages

    found = stages.teacher(config)
    rows = found["rows"]
    return "\n".join(
        [
            f"selection:  {scores(found['selection'])} ({rows['selection']} rows)",
            f"validation: {scores(found['validation'])}",
            f"epoch {found['epoch']} of {found['settings']['epochs']}, {found['seconds']:.0f} s, "
            f"{found['params'] / 1e6:.2f} M parameters, {found['layers']} layers",
            "",
            f"teacher: {found['folder']}",
        ]
    )


def probe(args: argparse.Namespace) -> str:
    """Build the table of what each layer of the teacher believes; show its accuracy per layer."""
    config = settings_of(args)
    from adabert_nni.pipeline import stages
    from adabert_nni.report.tables import markdown_table, shown

    found = stages.probe(config)
    metric = _metric(found)
    sides = {side: f"{side}_{metric}" for side in ("selection", "train")}
    rows: list[dict[str, Any]] = [
        {
            "layer": layer + 1,
            **{side: shown(metric, found[key][layer]) for side, key in sides.items()},
        }
        for layer in range(found["layers"])
    ]
    own = {side: shown(metric, found[f"teacher_{key}"]) for side, key in sides.items()}
    columns = {"layer": "layer", "selection": "selection", "train": "train"}
    table = markdown_table([*rows, {"layer": "teacher", **own}], columns)
    return f"{table}\n\nprobes: {found['folder']}"


def search(args: argparse.Namespace) -> str:
    """Search only; `adabert compress` with the same options goes on from it."""
    config = settings_of(args)
    from adabert_nni.pipeline import stages
    from adabert_nni.report.tables import shown

    found = stages.search(config, output_of(config))
    metric = _metric(found)
    edges = ", ".join(f"{edge} {op}" for edge, op in found["edges"].items())
    lines = [
        f"depth {found['depth']}; edges: {edges or 'none'}",
        f"selection {metric} in the supernet: {shown(metric, found[f'selection_{metric}'])}",
    ]
    for key, target in found["targets"].items():
        lines.append(f"{key} {target['limit']:g}: {'met' if target['met'] else 'NOT MET'}")
    folders = [f"search: {found['folder']}", f"architecture: {found['architecture']}"]
    return "\n".join([*lines, "", *folders])


def judge(args: argparse.Namespace) -> str:
    """Tell whether a finished search decided better than chance, by its own supernet on the selection rows."""
    from adabert_nni.pipeline.judge import judge as judged
    from adabert_nni.report.judged import judged_text

    return judged_text(judged(args.search, args.draws, given_settings(args), args.gradients))


def add_judge(parser: argparse.ArgumentParser) -> None:
    """Options of ``judge``: the search's folder and how many draws; other settings are those of the search."""
    _add_searched(parser)
    for key, told in {"cache": "folder of teachers and probes", "threads": "CPU threads"}.items():
        parser.add_argument(f"--{key}", default=argparse.SUPPRESS, help=told)
    parser.add_argument("--draws", type=int, default=12, metavar="N", help="of each kind (12)")
    parser.add_argument(
        "--gradients",
        type=int,
        metavar="N",
        help="also take N steps, and tell signal and noise of P_alpha's gradient",
    )


def derive(args: argparse.Namespace) -> str:
    """Cut the student out of a finished search and write it as it is, or train it by other settings."""
    overrides = given_settings(args)
    name = "trained" if args.fine_tune else "derived"
    output = Path(overrides.pop("output", args.search.parent / name))
    if args.fine_tune:
        from adabert_nni.pipeline.run import train_derived

        return gained(train_derived(args.search, output, overrides), output)
    from adabert_nni.pipeline import stages

    found = stages.derive(args.search, output, overrides)
    return "\n".join(
        [
            f"selection:  {scores(found['selection'])}",
            f"validation: {scores(found['validation'])}",
            "",
            f"student of {found['depth']} layers: {found['folder']}",
        ]
    )


def _metric(found: dict[str, Any]) -> str:
    """The metric that ``selection_<metric>`` is of."""
    told = (key.removeprefix("selection_") for key in found if key.startswith("selection_"))
    from adabert_nni.metrics import METRICS

    return next(name for name in told if name in METRICS)


def scores(metrics: dict[str, float]) -> str:
    """``{"accuracy": 0.9, "f1": 0.8}`` -> ``accuracy 90.00 %, f1 80.00 %``; what is no share stays a number."""
    from adabert_nni.report.tables import shown

    return ", ".join(f"{name} {shown(name, value)}" for name, value in metrics.items())


def add_derive(parser: argparse.ArgumentParser) -> None:
    """Options of ``derive``: the search's folder; other settings are those of the search."""
    _add_searched(parser, "student", "run")
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="train it on, and tell what was gained: another student of the same search",
    )


def _add_searched(parser: argparse.ArgumentParser, *stages: str) -> None:
    parser.add_argument(
        "search", type=Path, metavar="DIR", help="folder of a search, or the run that holds it"
    )
    add_arguments(parser, stages)
    parser.add_argument(
        "--data-dir", dest="data_dir", default=argparse.SUPPRESS, help="where the rows lie now"
    )
