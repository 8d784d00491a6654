"""``adabert paper``: runs the cells of the paper's tables, and lays ours beside the paper's figures."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adabert_nni.config import add_arguments, given_settings
from adabert_nni.errors import AdaBertError
from adabert_nni.paper.cells import Asked, Cell
from adabert_nni.paper.tables import TABLES

RENDER = "render"
# What the cells decide themselves, or what their tasks exclude.
TAKEN = {
    **{"task": "--tasks", "seed": "--seeds", "output": "--runs"},
    **dict.fromkeys(("train", "validation", "text", "text_pair", "label"), "--tasks"),
}


def paper(args: argparse.Namespace) -> Iterator[str]:
    """Run what is missing of a table of the paper, or render all that there is."""
    overrides = _overrides(args)
    if args.what == RENDER:
        yield _render(args, overrides)
        return
    seeds = args.seeds or (0,)
    cells = TABLES[args.what](Asked(args.tasks, seeds, overrides))
    if args.systems:
        cells = _of_systems(cells, args.systems, args.what)
    runs = {cell.run for cell in cells}  # so a wrong setting is told before anything runs
    yield f"{args.what}: {len(cells)} cells, {len(runs)} runs"
    if args.dry_run:
        yield from _listed(cells, args.results)
        return
    from adabert_nni.paper.render import draw_cells
    from adabert_nni.paper.run import run_cell

    records = []
    for number, cell in enumerate(cells, start=1):
        records.append(run_cell(cell, args.runs, args.results, overrides))
        name = f"{cell.table} {cell.task} {cell.system} seed {cell.seed}"
        yield f"{number}/{len(cells)} {name}: {records[-1]['metric']} {records[-1]['value']:.4f}"
    if args.what == "figure3":
        yield from map(str, draw_cells(records, args.results).values())


def add_paper(parser: argparse.ArgumentParser) -> None:
    """Options of ``paper``: the table, which of its cells, where they lie, and settings that win."""
    parser.add_argument(
        "what", choices=[*TABLES, RENDER], help="a table, figure3, or all on a page"
    )
    parser.add_argument(
        "--tasks", type=_names, default=(), help="such as sst2,rte (default: the paper's)"
    )
    parser.add_argument("--seeds", type=_seeds, default=(), help="such as 0,1,2 (default: 0)")
    systems = "such as adabert,distilbert; random is random:0 to random:4 (default: all)"
    parser.add_argument("--systems", type=_names, default=(), help=systems)
    parser.add_argument("--dry-run", action="store_true", help="list the cells, done or missing")
    parser.add_argument("--runs", type=Path, default=Path("runs", "paper"), metavar="DIR")
    parser.add_argument("--results", type=Path, default=Path("results", "paper"), metavar="DIR")
    add_arguments(parser)


def _of_systems(cells: list[Cell], wanted: tuple[str, ...], what: str) -> list[Cell]:
    """The cells of the systems that are wanted; "random" stands for "random:0" and all others of its kind."""
    there = dict.fromkeys(cell.system for cell in cells)
    kinds = dict.fromkeys(system.partition(":")[0] for system in there)
    for name in wanted:
        if name not in there and name not in kinds:
            raise AdaBertError(
                f"paper {what}: no cell has the system {name!r}; there are {', '.join(there | kinds)}"
            )
    return [c for c in cells if {c.system, c.system.partition(":")[0]} & set(wanted)]


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as text."""
    given = given_settings(args)
    for key in given:
        if key in TAKEN:
            raise AdaBertError(
                f"paper: --{key.replace('_', '-')} is each cell's own; use {TAKEN[key]} instead"
            )
    return given


def _listed(cells: list[Cell], results: Path) -> Iterator[str]:
    from adabert_nni.paper.run import finished

    for cell in cells:
        state = "missing" if finished(results, cell) is None else "done"
        yield f"{state:<8} {cell.run}  {cell.table} {cell.task} {cell.system} seed {cell.seed}"


def _render(args: argparse.Namespace, overrides: dict[str, Any]) -> str:
    from adabert_nni.config import Config
    from adabert_nni.files import atomic_write
    from adabert_nni.paper.records import load_records
    from adabert_nni.paper.render import render

    values = Config.from_mapping(overrides, "paper render").flat()
    wanted = {key: values[key] for key in overrides}
    records = load_records(args.results, wanted, args.tasks)
    page = args.results.with_suffix(".md")
    atomic_write(page, render(records, args.results))
    return f"{len(records)} cells: {page}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _seeds(text: str) -> tuple[int, ...]:
    names = _names(text)
    if not names or not all(name.isdecimal() for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers such as 0,1,2")
    return tuple(map(int, names))
