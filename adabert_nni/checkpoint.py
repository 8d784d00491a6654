"""What unfinished work goes on from after a kill: its last states, safely on the disk.

A state is nested plain data with tensors in it (`states`). Tensors are kept as safetensors and the rest as
JSON, so reading one runs nothing. What a state means is known by the loops that make it.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adabert_nni.errors import AdaBertError
from adabert_nni.files import new_folder, read_json, write_json
from adabert_nni.folders import (
    built_once,
    check_manifest,
    remove_partials,
    same_meta,
    write_manifest,
)
from adabert_nni.states import pack, unpack

logger = logging.getLogger(__name__)

SECONDS = 60.0  # from one save to the next, or more where saving is slow:
SHARE = 0.02  # of the time is spent on it at most
_TENSORS, _TREE = "tensors.safetensors", "tree.json"


class Checkpoint:
    """The states of one unfinished piece of work, numbered folders in a folder of their own.

    Attributes:
        spent: seconds that killed processes had worked up to the state that was loaded.
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any], *, keep: int | None = 2) -> None:
        """Look nothing up yet, write nothing yet.

        Args:
            folder: where the states lie; made by the first ``save``.
            made_from: plain JSON that decides what comes of the work; states of another are refused.
            keep: how many of the last states stay, > 1, so that one may be damaged; None keeps all.
        """
        self._folder, self._made_from, self._keep = folder, dict(made_from), keep
        self._begun = time.monotonic()
        self._next = self._begun + SECONDS
        self._cost, self._saves = 0.0, 0  # seconds spent on saving, and how often
        self.spent = 0.0

    def part(self, name: str) -> "Checkpoint":
        """A checkpoint for the part ``name`` of the work that keeps all its states."""
        return Checkpoint(self._folder / name, self._made_from, keep=None)

    def due(self) -> bool:
        """Whether it is time to save: after a minute, or when that has cost under 2 % of the time."""
        return time.monotonic() >= self._next

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state, which is found whole or not at all, and drop those beyond ``keep``.

        Args:
            state: dicts, lists and tuples (which come back as lists) of tensors, numbers, text and
                None; a tensor that occurs twice is written once.

        Raises:
            AdaBertError: if it cannot be written; the states before it are untouched.
        """
        start = time.monotonic()
        last = int(states[-1].name) if (states := self._states()) else 0
        path = self._folder / f"{last + 1:06d}"
        remove_partials(path)
        with new_folder(path) as half:
            tensors: dict[str, Tensor] = {}
            tree = pack(state, tensors, {})
            save_file(tensors, half / _TENSORS)
            write_json(half / _TREE, tree, indent=None)  # thousands of short lists
            seconds = self.spent + start - self._begun
            write_manifest(half, {"made_from": self._made_from, "seconds": seconds})
        for old in self._states()[: -self._keep] if self._keep else ():
            shutil.rmtree(old, ignore_errors=True)
        end = time.monotonic()
        self._cost, self._saves = self._cost + end - start, self._saves + 1
        with_next = self._cost + end - start  # which will take as long as this one
        self._next = max(end + SECONDS, self._begun + with_next / SHARE)

    def tell(self) -> None:
        """Log what saving has cost this process."""
        if self._saves:
            lasted, name = time.monotonic() - self._begun, self._folder.name
            logger.info("%s: %d states in %.1f of %.0f s", name, self._saves, self._cost, lasted)

    def load(self) -> dict[str, Any] | None:
        """The last state, its tensors on the CPU; the one before if it is damaged; None without any.

        Returns:
            What was saved; a warning tells of every state that had to be dropped.

        Raises:
            AdaBertError: if the state was made from something else.
        """
        states = self._states()
        for path in reversed(states):
            if (state := self._read(path)) is not None:
                return state
        if states:
            logger.warning("%s: no state is left whole, starting afresh", self._folder)
        return None

    def load_all(self) -> Iterator[dict[str, Any]]:
        """All states from the first on, up to a damaged one: that and what follows it is dropped."""
        states = self._states()
        for index, path in enumerate(states):
            if (state := self._read(path)) is None:
                for late in states[index:]:
                    shutil.rmtree(late, ignore_errors=True)
                return
            yield state

    def _states(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]" * 6))

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            meta = check_manifest(path)
            found: dict[str, Any] = unpack(read_json(path / _TREE), read_tensors(path / _TENSORS))
        except (AdaBertError, KeyError, ValueError, TypeError) as error:
            logger.warning("%s: damaged, going on without it (%s)", path, error)
            shutil.rmtree(path, ignore_errors=True)
            return None
        same_meta(self._folder, meta["made_from"], self._made_from)
        self.spent = float(meta["seconds"])
        return found


def built_resumably(
    path: Path,
    build: Callable[[Path, Checkpoint], object],
    meta: dict[str, Any],
    made_from: dict[str, Any] | None = None,
) -> Path:
    """``folders.built_once`` for work that takes long: a checkpoint lies beside the folder meanwhile.

    Args:
        path: the folder; its checkpoint is ``<path>.checkpoint`` and goes when it is finished.
        build: fills the empty folder, and goes on from the checkpoint, that it is given.
        meta: what the folder is made from.
        made_from: what a checkpoint is made from, if that is more.

    Returns:
        ``path``, complete.

    Raises:
        AdaBertError: if the folder or the checkpoint holds something else, or cannot be written.
    """
    states = path.with_name(f"{path.name}.checkpoint")

    def build_and_tell(folder: Path) -> None:
        checkpoint = Checkpoint(states, made_from or meta)
        build(folder, checkpoint)
        checkpoint.tell()

    built = built_once(path, build_and_tell, meta)
    shutil.rmtree(states, ignore_errors=True)
    return built


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, on the CPU; AdaBertError if it is none."""
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise AdaBertError(
            f"{path}: holds no tensors that can be read ({error}); delete its folder, or make it again"
        ) from error
