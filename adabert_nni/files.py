"""The only place that knows how to save safely: atomic writes, manifests, locks, confined names.

What is found at a path was finished: data goes to a hidden temporary sibling, is flushed to the
disk and then renamed. Nothing here knows what the files mean.
"""

import errno
import glob
import hashlib
import json
import logging
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from adabert_nni.errors import AdaBertError

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_HALF = ".partial"
_CANNOT_WRITE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG),
}


def atomic_write(path: str | Path, data: bytes | str) -> None:
    """Write a file so that any reader sees the old content or all of the new one.

    Args:
        path: the file; its parent folders are made.
        data: all of the content; text is written as UTF-8.

    Raises:
        AdaBertError: if the disk is full or the place not writable; the old file is untouched.
    """
    path = Path(path)
    half = _half_of(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with half.open("xb") as file:
                file.write(data.encode("utf-8") if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, path)
        finally:
            half.unlink(missing_ok=True)
        _sync(path.parent)


def write_json(path: str | Path, obj: object, indent: int | None = 2) -> None:
    """Write ``obj`` as JSON, atomically; a NaN or infinite number is an AdaBertError."""
    try:
        text = json.dumps(obj, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise AdaBertError(
            f"{path}: not saved ({error}), numbers must be finite; look for what made a NaN"
        ) from error
    atomic_write(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON as plain data; AdaBertError names a path without any, or with a NaN in it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as error:
        raise AdaBertError(
            f"{path}: cannot be read as JSON ({error}); check the path, or make the file again"
        ) from error


def check_writable(folder: str | Path) -> None:
    """Try to write in a folder, made if absent, before hours go into what it is for; else AdaBertError."""
    atomic_write(probe := Path(folder) / f".{uuid.uuid4().hex[:12]}.probe", bytes(1 << 12))
    probe.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """Fill a temporary sibling folder that becomes ``path`` only if the block succeeds.

    Args:
        path: the folder to make, absent or empty; its parents are made.

    Yields:
        The empty temporary folder to write into; it is removed if the block fails.

    Raises:
        AdaBertError: if ``path`` holds something (checked before the block), or is not writable.
    """
    path, half = Path(path), _half_of(Path(path))
    with _explained(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise AdaBertError(
                f"{path}: there is something here already, and only a new or empty folder is "
                "filled; move it away or choose another folder"
            )
        half.mkdir(parents=True)
        try:
            yield half
            for file in half.rglob("*"):
                _sync(file)
            _sync(half)
            os.rename(half, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(half, ignore_errors=True)


def remove_partials(path: str | Path) -> None:
    """Delete what killed writers of ``path`` left beside it; only while holding its lock."""
    path = Path(path)
    for half in path.parent.glob(f".{glob.escape(path.name)}.*{_HALF}"):
        if half.is_dir():
            shutil.rmtree(half, ignore_errors=True)
        else:
            half.unlink(missing_ok=True)


def sha256(path: str | Path) -> str:
    """The file's SHA-256 as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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


def confined(root: str | Path, name: str) -> Path:
    """The path of ``name`` below ``root``; AdaBertError if '..', links or a '/' lead elsewhere."""
    base = Path(root).resolve()
    target = base / name
    if "\0" in name or base not in target.parents or target.resolve() != target:
        raise AdaBertError(
            f"{name!r} is not a name inside {root}: give a relative name without '..', a leading "
            "'/' or symbolic links"
        )
    return target


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
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn a failure to write at ``path`` into one sentence; let all others pass."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors tells of a full disk in words: "I/O error: ... (os error 28)"
        if getattr(error, "errno", None) not in _CANNOT_WRITE and "(os error" not in str(error):
            raise
        raise AdaBertError(
            f"{path}: cannot be written ({error}); make room or choose a writable place, what was "
            "there before is untouched"
        ) from error


def _half_of(path: Path) -> Path:
    """A fresh hidden name in the same folder, so that the rename stays on one file system."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{_HALF}")


def _sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number
