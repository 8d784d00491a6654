"""Files and folders that are whole or not there: atomic writes, JSON, checksums, confined names.

What is found at a path was finished: data goes to a hidden temporary sibling, is flushed to the
disk and then renamed. Nothing here knows what the files mean.
"""

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from adabert_nni.errors import AdaBertError

HALF = ".partial"
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
    with explained(path):
        make_folder(path.parent)
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
    with explained(Path(folder)):
        make_folder(Path(folder))
        with tempfile.TemporaryFile(dir=folder) as probe:  # it has no name that a kill could leave
            probe.write(bytes(1 << 12))
            probe.flush()
            os.fsync(probe.fileno())


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are absent; AdaBertError if it cannot be."""
    with explained(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError as error:  # as below /proc, where nothing can be made
            raise AdaBertError(f"{path}: cannot be made here; choose a writable place") from error


def check_new(path: Path) -> None:
    """Refuse a place that holds something already; an empty folder does not."""
    with explained(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise AdaBertError(
                f"{path}: there is something here already, and only a new or empty folder is "
                "filled; move it away or choose another folder"
            )


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
    check_new(path)
    make_folder(path.parent)
    with explained(path):
        half.mkdir()
        try:
            yield half
            usual = (
                half.stat().st_mode & 0o666
            )  # safetensors writes files that only their owner may read
            for file in half.rglob("*"):
                if file.is_file():
                    file.chmod(usual)
                _sync(file)
            _sync(half)
            os.rename(half, path)
            _sync(path.parent)
        finally:
            shutil.rmtree(half, ignore_errors=True)


def sha256(path: str | Path) -> str:
    """The file's SHA-256 as 64 lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


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
def explained(path: Path) -> Iterator[None]:
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
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{HALF}")


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
