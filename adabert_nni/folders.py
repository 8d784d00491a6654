"""Folders that many runs share: what they were made from, whether they are whole, who may write them.

Nothing here knows what is in them. It must not write a file itself (`files` does).
"""

import glob
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from adabert_nni.errors import AdaBertError
from adabert_nni.files import (
    HALF,
    confined,
    explained,
    make_folder,
    new_folder,
    read_json,
    sha256,
    write_json,
)

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"


def write_manifest(folder: str | Path, meta: dict[str, Any]) -> None:
    """Write ``manifest.json``: the SHA-256 of every file below ``folder``, and ``meta`` as JSON."""
    folder = Path(folder)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    files = {name: sha256(folder / name) for name in names if name != MANIFEST}
    write_json(folder / MANIFEST, {"files": files, "meta": meta})


def check_manifest(folder: str | Path) -> dict[str, Any]:
    """Compare every file that a folder's manifest lists with its SHA-256.

    Args:
        folder: what `write_manifest` has seen; files added since then are not looked at.

    Returns:
        The manifest's ``meta``.

    Raises:
        AdaBertError: naming the first file that is missing, altered or outside the folder.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    try:
        files, meta = dict(manifest["files"]), dict(manifest["meta"])
    except (KeyError, TypeError, ValueError) as error:
        raise AdaBertError(
            f"{folder / MANIFEST}: not a manifest, which holds 'files' and 'meta'; make it again"
        ) from error
    for name, wanted in files.items():
        file = confined(folder, name)
        if not file.is_file():
            raise AdaBertError(f"{file}: listed in {MANIFEST} but missing; make the folder again")
        if (got := sha256(file)) != wanted:
            raise AdaBertError(
                f"{file}: its sha256 is {got[:12]}... but {MANIFEST} says {str(wanted)[:12]}...; "
                "it was altered or damaged, so make the folder again or copy it anew"
            )
    return meta


@contextmanager
def locked(path: str | Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file ``<path>.lock``; the system frees it however the process dies.

    Args:
        path: what only one process may write; it need not exist.
        wait: wait for another process (one log line tells), or refuse at once.

    Raises:
        AdaBertError: if another process holds it and ``wait`` is False, or it is not writable.
    """
    path = Path(path)
    lock = FileLock(path.with_name(path.name + ".lock"))
    with explained(path):
        make_folder(path.parent)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise AdaBertError(
                    f"{path}: another process is writing here and only one may; wait until it has "
                    "ended or choose another folder"
                ) from error
            logger.info("%s: waiting for another process that is writing it", path)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def built_once(
    path: str | Path, build: Callable[[Path], object], meta: dict[str, Any] | None = None
) -> Path:
    """Build a cached folder once, however many processes ask for it at the same time.

    Args:
        path: the folder; with a valid manifest it is left as it is, damaged it is built again.
        build: fills the empty folder that it is given; what it returns is not used.
        meta: what the folder is made from (plain JSON), kept in its manifest; None accepts any.

    Returns:
        ``path``, complete.

    Raises:
        AdaBertError: if ``path`` holds something else, or was made from another ``meta``.
    """
    path = Path(path)
    with locked(path):
        remove_partials(path)
        if (path / MANIFEST).exists():
            try:
                found = check_manifest(path)
            except AdaBertError as error:
                logger.warning("%s: damaged, building it again (%s)", path, error)
                shutil.rmtree(path)
            else:
                same_meta(path, found, meta)
                return path
        with new_folder(path) as folder:
            build(folder)
            write_manifest(folder, meta or {})
        return path


def same_meta(path: Path, found: dict[str, Any], wanted: dict[str, Any] | None) -> None:
    """Raise AdaBertError listing the keys in which a folder's meta is not the one wanted, if any."""
    wanted = found if wanted is None else json.loads(json.dumps(wanted))  # tuples become lists
    keys = [key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key)]
    if keys:
        told = "; ".join(f"{k} is {found.get(k)!r}, wanted {wanted.get(k)!r}" for k in keys)
        raise AdaBertError(
            f"{path}: made from other settings ({told}); delete it or choose another folder"
        )


def remove_partials(path: str | Path) -> None:
    """Delete what killed writers of ``path`` left beside it; only while holding its lock."""
    path = Path(path)
    for half in path.parent.glob(f".{glob.escape(path.name)}.*{HALF}"):
        if half.is_dir():
            shutil.rmtree(half, ignore_errors=True)
        else:
            half.unlink(missing_ok=True)
