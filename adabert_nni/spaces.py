"""What `search_spaces/` holds, by name or path: spaces that a search chooses in, and architectures that it found.

Whether their operations exist is for the table of operations to say.
"""

import sysconfig
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic import model_validator as rule
from pydantic.dataclasses import dataclass

from adabert_nni.errors import AdaBertError
from adabert_nni.fields import BelowOne, Text, Whole
from adabert_nni.reading import checked, hint, read_yaml
from adabert_nni.settings import SETTINGS

SPACES, FOUND = "architecture", "found"  # rooms of search_spaces/
# Suffixes of their files, the one of named files first.
SPACE_FILES, FOUND_FILES = (".yml", ".yaml"), (".json",)


@dataclass(frozen=True, config=SETTINGS)
class SpaceConfig:
    """The architectures that a search chooses among."""

    ops: tuple[Text, ...]
    """Names of operations, each a key of the table of operations"""
    nodes: Annotated[Whole, Field(ge=1, le=8)] = 3
    """Intermediate nodes of a cell, 1 to 8"""
    max_depth: Annotated[Whole, Field(ge=1, le=24)] = 8
    """Most layers a student may have, 1 to 24"""
    dim: Annotated[Whole, Field(ge=8, le=1024)] = 128
    """Channels, 8 to 1024"""
    pair_layout: Literal["joint", "separate", "aligned"] = "joint"
    """Two texts: joint in one masked sequence, separate, each from position 0, or aligned word by word"""
    dropout: BelowOne = 0.1
    """Dropout after the embedding and before the head of each layer, 0 or more and below 1"""

    @rule(mode="after")
    def _distinct_ops(self) -> "SpaceConfig":
        if not self.ops:
            raise ValueError("ops is empty but needs at least one operation")
        if twice := sorted({op for op in self.ops if self.ops.count(op) > 1}):
            raise ValueError(f"ops names {', '.join(twice)} twice: leave one out")
        return self

    @classmethod
    def load(cls, name_or_path: str | Path) -> "SpaceConfig":
        """Read a space from YAML.

        What ends in ``.yml`` or ``.yaml`` is a path. Anything else is a name: the file
        ``search_spaces/architecture/<name>.yml`` of the working folder comes first, so that a space
        can be made one's own by copying it; then the one that ships with the package.

        Args:
            name_or_path: such as "paper", or "spaces/mine.yml".

        Returns:
            The space; whether its operations exist is for the table of operations to say.

        Raises:
            AdaBertError: if there is none, or it holds an unknown key or a wrong value.
        """
        path = locate(name_or_path, SPACES, SPACE_FILES)
        space: SpaceConfig = checked({"space": cls}, read_yaml(path), str(path))["space"]
        return space


def locate(name_or_path: str | Path, room: str, suffixes: tuple[str, ...]) -> Path:
    """The file that is meant: what ends in one of ``suffixes`` is a path, anything else a name.

    Args:
        name_or_path: such as "paper", or "spaces/mine.yml".
        room: ``SPACES`` or ``FOUND``.
        suffixes: endings of the room's files, the one of named files first.

    Returns:
        The path as given; or the file ``search_spaces/<room>/<name>`` of the working folder, else the one that
        ships with the package.

    Raises:
        AdaBertError: if no file has the name.
    """
    path = Path(name_or_path)
    if path.suffix in suffixes:
        return path
    roots = (*_shipped(room), Path("search_spaces", room))  # the last one wins
    files = (sorted(root.glob(f"*{suffixes[0]}")) for root in roots)
    known = {file.stem: file for found in files for file in found}
    name, kind = str(name_or_path), {SPACES: "space", FOUND: "architecture"}[room]
    if name not in known:
        raise AdaBertError(
            f"{kind}: {name!r} is unknown{hint(name, known)}; known: "
            f"{', '.join(sorted(known))}; or give a path that ends in {suffixes[0]}"
        )
    return known[name]


def is_shipped(name_or_path: str | Path, room: str, suffixes: tuple[str, ...]) -> bool:
    """Whether the file that ``locate`` finds is, byte by byte, one that ships with the package."""
    path = locate(name_or_path, room, suffixes)
    if not path.is_file():
        return False
    known = (root / path.name for root in _shipped(room))
    return any(own.is_file() and own.read_bytes() == path.read_bytes() for own in known)


def _shipped(room: str) -> tuple[Path, Path]:
    """The room where the package is installed, and in its source tree, which comes first."""
    installed = Path(sysconfig.get_path("data"), "share", "adabert_nni")
    source = Path(__file__).resolve().parents[1]
    return installed / "search_spaces" / room, source / "search_spaces" / room
