"""Own rows by the name that the user gives: a file, a folder of ``save_to_disk``, or a data set of the hub.

All give the same: a ``Source`` per split. It must not know which columns count, or what a label means.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adabert_nni.data.files_in import Source, read_file
from adabert_nni.data.hub import fetch
from adabert_nni.errors import AdaBertError

HUB = "hub:"
TRAIN, VALIDATION, TEST, UNLABELLED = "train", "validation", "test", "unsupervised"
_SPLITS = {  # what a data set may call a split -> what we call it
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval"), VALIDATION),
    "test": TEST,
    **dict.fromkeys(("unsupervised", "unlabelled", "unlabeled"), UNLABELLED),
}
_REMEDY = (
    "give a file (.csv, .tsv, .jsonl, .parquet) or a folder that Dataset.save_to_disk has written"
)


def read_source(name: str) -> dict[str, Source]:
    """Read all splits that ``name`` holds.

    Args:
        name: a .csv, .tsv, .jsonl (plain or .gz) or .parquet file; a folder written by ``save_to_disk`` of a
            Dataset or DatasetDict; or a hub name, ``[hub:]<name>``, ``[hub:]<owner>/<name>[/<config>]``.

    Returns:
        Rows by split, each at least one: "train", "validation", "test", "unsupervised"; of what has no splits
        "train" alone. Splits of other names are left out.

    Raises:
        AdaBertError: if it cannot be had, within seconds where there is no network; if it holds no rows.
    """
    path = Path(name).expanduser()
    if name.startswith(HUB):
        return _splits(_from_hub(name.removeprefix(HUB)), name)
    if os.path.isdir(path):
        return _splits(_from_folder(path), name)
    if path.suffix == ".parquet":
        return _splits(_from_parquet(path), name)
    if os.path.exists(path) or _looks_like_a_path(path, name):
        return {TRAIN: read_file(path)}
    return _splits(_from_hub(name), name)


def _looks_like_a_path(path: Path, name: str) -> bool:
    # A dot and letters end a file's name; hub names with one, which are rare, take "hub:".
    ending = path.suffix.removeprefix(".").isalpha()
    return ending or name.startswith((".", "~", "/")) or name.count("/") > 2


def _from_hub(name: str) -> Any:
    owner, *rest = name.split("/")
    parts = ("/".join((owner, *rest[:1])), *rest[1:])
    if len(parts) > 2 or not all(part.strip() for part in (owner, *rest)):
        raise AdaBertError(
            f"{HUB}{name}: no data set is called so; give hub:<owner>/<name>[/<config>], or {_REMEDY[5:]}"
        )
    return fetch(parts, None, _REMEDY)


def _from_folder(path: Path) -> Any:
    from datasets import load_from_disk  # a second of imports

    try:
        return load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise AdaBertError(
            f"{path}: this folder cannot be read as a data set ({str(error).partition(chr(10))[0]}); {_REMEDY}"
        ) from None


def _from_parquet(path: Path) -> Any:
    import pyarrow
    from datasets import Dataset
    from datasets.table import InMemoryTable
    from pyarrow import parquet

    try:
        return Dataset(InMemoryTable(parquet.read_table(path)))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise AdaBertError(
            f"{path}: cannot be read ({str(error).partition(chr(10))[0]}); give a whole parquet file"
        ) from None


def _splits(found: Any, where: str) -> dict[str, Source]:
    """A Source per split of a Dataset or DatasetDict."""
    parts = dict(found) if isinstance(found, dict) else {TRAIN: found}
    known = {_SPLITS[name]: part for name, part in parts.items() if name in _SPLITS and len(part)}
    if not known:
        sizes = ", ".join(f"{name} ({len(part)} rows)" for name, part in parts.items())
        raise AdaBertError(
            f"{where}: none of its splits can be used, which are {sizes}; it needs one called train"
        )
    return {name: _source(part, f"{where} {name}") for name, part in known.items()}


def _source(part: Any, where: str) -> Source:
    """The columns of a Dataset that hold one value a row; ids of classes become their names."""
    from datasets import ClassLabel, Value

    scalar = {n: f for n, f in part.features.items() if isinstance(f, Value | ClassLabel)}
    classes = {n: list(f.names) for n, f in scalar.items() if isinstance(f, ClassLabel)}
    columns = {name: _values(part[name][:], classes.get(name)) for name in scalar}
    rows = zip(*columns.values(), strict=True)
    records = [(i, dict(zip(columns, row, strict=True))) for i, row in enumerate(rows, start=1)]
    return Source(where, records, classes)


def _values(values: Sequence[Any], names: list[str] | None) -> list[Any]:
    if names is not None:  # -1 is the hub's way to hide the labels of a test split
        return [None if v is None or v < 0 else names[v] for v in values]
    return [str(v) if isinstance(v, bool) else v for v in values]
