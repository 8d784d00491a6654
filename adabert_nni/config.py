"""From YAML, options and NNI parameters to checked settings; also the spaces and a run's hash.

The keys are flat, and the same in YAML, on the command line (``--search-epochs``), in Python and as
NNI parameters. This is the door: beyond it, functions get plain values. The keys themselves are in
`settings`; what a stage does with them is not known here.
"""

import argparse
import dataclasses
import difflib
import hashlib
import json
import os
import reprlib
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic import model_validator as rule
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

from adabert_nni.errors import AdaBertError
from adabert_nni.settings import (
    SETTINGS,
    STAGES,
    AugmentConfig,
    BaselineConfig,
    BelowOne,
    DataConfig,
    RunConfig,
    SearchConfig,
    StudentConfig,
    TeacherConfig,
    Text,
    Whole,
)

__all__ = [
    "AugmentConfig",
    "BaselineConfig",
    "Config",
    "DataConfig",
    "RunConfig",
    "SearchConfig",
    "SpaceConfig",
    "StudentConfig",
    "TeacherConfig",
    "add_arguments",
    "config_from_args",
    "given_settings",
    "load_config",
    "run_hash",
]

_SPACES = Path("search_spaces", "architecture")
_PRESETS = Path(__file__).parent / "presets"
# Where, how fast and how often it is timed, not what is found.
NOT_HASHED = frozenset({"output", "threads", "cache", "data_dir", "repetitions", "export"})

# Keys that are younger than runs which should keep their names: at these values they are not told.
LATER = {
    "transfer": "hierarchical",
    **dict.fromkeys(("baseline_epochs", "baseline_lr", "baseline_batch")),
}


def _fields(cls: Any) -> dict[str, FieldInfo]:
    return dict(cls.__pydantic_fields__)


@dataclass(frozen=True, config=SETTINGS)
class Config:
    """All settings of a run, by stage."""

    data: DataConfig = Field(default_factory=DataConfig)
    teacher: TeacherConfig = Field(default_factory=TeacherConfig)
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)
    student: StudentConfig = Field(default_factory=StudentConfig)
    baseline: BaselineConfig = Field(default_factory=BaselineConfig)
    run: RunConfig = Field(default_factory=RunConfig)

    @classmethod
    def from_mapping(cls, flat: Mapping[str, Any], where: str) -> "Config":
        """Build the settings from flat keys; a value of None means the default.

        Args:
            flat: values by key; numbers may be text, as they are on the command line.
            where: what to call the source in an error, such as the file's name.

        Returns:
            The settings, with the default where a key is absent.

        Raises:
            AdaBertError: naming every unknown key and every wrong value at once.
        """
        return cls(**_checked(STAGES, flat, where))

    def flat(self) -> dict[str, Any]:
        """The settings as plain YAML values by key; `from_mapping` takes them back."""
        stages = (dataclasses.asdict(getattr(self, stage)) for stage in STAGES)
        return {k: str(v) if isinstance(v, Path) else v for s in stages for k, v in s.items()}

    def deciding(self) -> dict[str, Any]:
        """The flat settings that decide what a run gives; not what is off, or ``LATER`` and not set."""
        idle = () if self.augment.augment_copies else _fields(AugmentConfig)
        flat, absent = self.flat().items(), object()
        return {
            k: v
            for k, v in flat
            if k not in NOT_HASHED and k not in idle and LATER.get(k, absent) != v
        }


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
    """Dropout after the embedding, 0 or more and below 1"""

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
        path = Path(name_or_path)
        if path.suffix not in (".yml", ".yaml"):
            name, known = str(name_or_path), {file.stem: file for file in _named_spaces()}
            if name not in known:
                raise AdaBertError(
                    f"space: {name!r} is unknown{_hint(name, known)}; known: "
                    f"{', '.join(sorted(known))}; or give a path that ends in .yml"
                )
            path = known[name]
        space: SpaceConfig = _checked({"space": cls}, _read_yaml(path), str(path))["space"]
        return space


def _named_spaces() -> Iterable[Path]:
    """Every named space, the ones that win last: installed, beside the package, working folder."""
    installed = Path(sysconfig.get_path("data"), "share", "adabert_nni")
    for root in (installed, Path(__file__).resolve().parents[1], Path()):
        yield from sorted((root / _SPACES).glob("*.yml"))


def load_config(yaml_path: str | Path | None, overrides: Mapping[str, Any]) -> Config:
    """Build the settings from a YAML file, the name of a preset, or neither, and flat overrides, which win."""
    if yaml_path is None:
        return Config.from_mapping(overrides, "settings")
    presets = {file.stem: file for file in sorted(_PRESETS.glob("*.yml"))}
    path = presets.get(str(yaml_path), Path(yaml_path))
    if not path.suffix and not path.is_file():
        raise AdaBertError(
            f"config: {str(yaml_path)!r} is no file and no preset{_hint(str(yaml_path), presets)}; presets are "
            f"{', '.join(presets)}"
        )
    values = _read_yaml(path)
    where = f"{yaml_path} with the given settings" if overrides else str(yaml_path)
    return Config.from_mapping({**values, **overrides}, where)


def run_hash(*parts: object, exclude: Collection[str] = NOT_HASHED) -> str:
    """Eight hexadecimal digits that name a run by its settings: the same settings, the same folder.

    Args:
        parts: settings dataclasses, flat mappings or plain JSON values, in a fixed order. A name
            does not tell a folder's content: add a fingerprint of data where that can change.
        exclude: keys of the dataclasses and mappings that do not change results.

    Returns:
        The first digits of a SHA-256, independent of the order of keys.
    """
    plain: list[object] = []
    for part in parts:
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            part = dataclasses.asdict(part)
        if isinstance(part, Mapping):
            part = {key: value for key, value in part.items() if key not in exclude}
        plain.append(part)
    text = json.dumps(plain, sort_keys=True, allow_nan=False, default=os.fspath)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]


def add_arguments(parser: argparse.ArgumentParser, groups: Iterable[str] = tuple(STAGES)) -> None:
    """Give ``parser`` one option per setting of the stages in ``groups``; none sets a default."""
    for stage in groups:
        group = parser.add_argument_group(stage, STAGES[stage].__doc__)
        for key, field in _fields(STAGES[stage]).items():
            default = field.get_default(call_default_factory=True)
            shown = "" if default is None else f" (default: {default})"
            group.add_argument(
                f"--{key.replace('_', '-')}",
                dest=key,
                default=argparse.SUPPRESS,
                metavar=key.rsplit("_", 1)[-1].upper(),
                help=f"{field.description}{shown}".replace("%", "%%"),
            )


def config_from_args(args: argparse.Namespace, yaml_path: str | Path | None = None) -> Config:
    """Build the settings from parsed `add_arguments` options, on top of a YAML file if given."""
    return load_config(yaml_path, given_settings(args))


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given as options, as they were given."""
    keys = {key for cls in STAGES.values() for key in _fields(cls)}
    return {key: value for key, value in vars(args).items() if key in keys}


def _read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping as plain data; a tag that would run code is refused, not run."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AdaBertError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AdaBertError(
            f"{path}: not plain YAML in UTF-8 ({' '.join(str(error).split())}); correct that line"
        ) from error
    if not isinstance(values, dict | None):
        raise AdaBertError(
            f"{path}: holds {reprlib.repr(values)} but must hold lines of the form 'key: value'"
        )
    return values or {}


def _checked(classes: Mapping[str, Any], flat: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Build each class from its share of the flat keys, or raise one error for all problems."""
    known = [key for cls in classes.values() for key in _fields(cls)]
    unknown = [key for key in flat if key not in known]
    problems = [f"unknown key {key!r}{_hint(str(key), known)}" for key in unknown]
    built: dict[str, Any] = {}
    for name, cls in classes.items():
        values = {key: flat[key] for key in _fields(cls) if flat.get(key) is not None}
        try:
            built[name] = cls(**values)
        except ValidationError as error:
            problems += [_sentence(dict(problem)) for problem in error.errors(include_url=False)]
    if problems:
        listing = f"; known keys: {', '.join(known)}" if unknown else ""
        raise AdaBertError(f"{where}: {'; '.join(problems)}{listing}")
    return built


def _sentence(problem: dict[str, Any]) -> str:
    """One of pydantic's errors in our words: the key, what was got and what is allowed."""
    allowed = problem["msg"].removeprefix("Value error, ").replace("Input should", "it should", 1)
    if not problem["loc"]:  # a rule over several keys names them itself
        return str(allowed)
    key, *position = problem["loc"]
    key = f"{key}{''.join(f'[{index}]' for index in position)}"
    if problem["type"].startswith("missing"):
        return f"{key} is missing"
    return f"{key} is {reprlib.repr(problem['input'])} but {allowed}"


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
