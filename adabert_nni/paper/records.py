"""The records of finished cells: which of them belong on a page.

It must not know how a cell is run or shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json

Record = Mapping[str, Any]
DRAWN = ("random", "uniform")  # systems whose draws are summed up


def load_records(results: Path, wanted: Mapping[str, Any], tasks: Sequence[str]) -> list[Record]:
    """The records below ``results`` that were made with these settings.

    Args:
        results: folder of the records.
        wanted: flat settings; each that a record was free to take must be equal.
        tasks: names; none takes all.

    Returns:
        One record a cell.

    Raises:
        AdaBertError: if two runs of other settings claim one cell.
    """
    kept: dict[tuple[Any, ...], Record] = {}
    for path in sorted(results.glob("*/*.json")):
        record = read_json(path)
        settings = {k: v for k, v in record["settings"].items() if k not in record["forced"]}
        if tasks and record["task"] not in tasks:
            continue
        if any(key in settings and settings[key] != value for key, value in wanted.items()):
            continue
        cell = tuple(record[key] for key in ("table", "task", "system", "seed"))
        if cell in kept:
            raise AdaBertError(
                f"{path}: another record of {', '.join(map(str, cell))} has other settings; choose by options "
                "such as --teacher, or move one of them away"
            )
        kept[cell] = record
    return list(kept.values())


def in_table(records: Iterable[Record], table: str, known: Iterable[str], key: str) -> list[str]:
    """The systems or tasks (``key``) of a table: the ``known`` ones, then others that were run, draws as one."""
    found = dict.fromkeys(known)
    for record in records:
        if record["table"] == table:
            name, _, draw = record[key].partition(":")
            found[name if name in DRAWN and draw == str(record["seed"]) else record[key]] = None
    return list(found)


def of(records: Iterable[Record], table: str, system: str, task: str | None = None) -> list[Record]:
    """Those of a system (all draws of one of ``DRAWN``) in a table, on one task or all."""
    return [
        r
        for r in records
        if r["table"] == table
        and r["system"].removesuffix(f":{r['seed']}" if system in DRAWN else "") == system
        and task in (None, r["task"])
    ]
