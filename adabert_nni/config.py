"""From YAML, options and NNI parameters to checked settings, and a run's hash.

The keys are flat, and the same in YAML, on the command line (``--search-epochs``), in Python and as
NNI parameters. This is the door: beyond it, functions get plain values. The keys themselves are in
`settings`; what a stage does with them is not known here.
"""

import argparse
import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from adabert_nni.errors import AdaBertError
from adabert_nni.reading import checked, fields, hint, read_yaml
from adabert_nni.settings import (
    SETTINGS,
    STAGES,
    AugmentConfig,
    BaselineConfig,
    DataConfig,
    RunConfig,
    SearchConfig,
    StudentConfig,
    TeacherConfig,
)

__all__ = [
    "AugmentConfig",
    "BaselineConfig",
    "Config",
    "DataConfig",
    "RunConfig",
    "SearchConfig",
    "StudentConfig",
    "TeacherConfig",
    "add_arguments",
    "config_from_args",
    "given_settings",
    "load_config",
    "run_hash",
]

_PRESETS = Path(__file__).parent / "presets"
# Where, how fast and how often it is timed, not what is found.
NOT_HASHED = frozenset({"output", "threads", "cache", "data_dir", "repetitions", "export"})

# Keys that are younger than runs which should keep their names: at these values they are not told.
LATER = {
    "teacher_via": None,
    "transfer": "hierarchical",
    "relaxation": "gumbel",
    "alpha_share": 0.0,
    "precision": "auto",
    "student_word_dropout": 0.0,
    "augment_splice": 0.0,
    **dict.fromkeys(("baseline_epochs", "baseline_lr", "baseline_batch")),
}


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
        return cls(**checked(STAGES, flat, where))

    @property
    def precision(self) -> str:
        """What products compute in here: "float32" or "bf16"."""
        from adabert_nni.precision import resolve  # asks torch, which settings alone do not need

        return resolve(self.run.precision)

    def flat(self) -> dict[str, Any]:
        """The settings as plain YAML values by key; `from_mapping` takes them back."""
        stages = (dataclasses.asdict(getattr(self, stage)) for stage in STAGES)
        return {k: str(v) if isinstance(v, Path) else v for s in stages for k, v in s.items()}

    def deciding(self) -> dict[str, Any]:
        """The flat settings that decide what a run gives; not what is off, or ``LATER`` and not set."""
        idle = () if self.augment.augment_copies else fields(AugmentConfig)
        flat, absent = self.flat().items(), object()
        return {
            k: v
            for k, v in flat
            if k not in NOT_HASHED and k not in idle and LATER.get(k, absent) != v
        }


def load_config(yaml_path: str | Path | None, overrides: Mapping[str, Any]) -> Config:
    """Build the settings from a YAML file, the name of a preset, or neither, and flat overrides, which win."""
    if yaml_path is None:
        return Config.from_mapping(overrides, "settings")
    presets = {file.stem: file for file in sorted(_PRESETS.glob("*.yml"))}
    path = presets.get(str(yaml_path), Path(yaml_path))
    if not path.suffix and not path.is_file():
        raise AdaBertError(
            f"config: {str(yaml_path)!r} is no file and no preset{hint(str(yaml_path), presets)}; presets are "
            f"{', '.join(presets)}"
        )
    values = read_yaml(path)
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


def add_arguments(
    parser: argparse.ArgumentParser,
    groups: Iterable[str] = tuple(STAGES),
    without: Collection[str] = (),
) -> None:
    """Give ``parser`` one option per setting of the stages in ``groups``, but ``without``; none sets a default."""
    for stage in groups:
        group = parser.add_argument_group(stage, STAGES[stage].__doc__)
        for key, field in fields(STAGES[stage]).items():
            if key in without:
                continue
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
    keys = {key for cls in STAGES.values() for key in fields(cls)}
    return {key: value for key, value in vars(args).items() if key in keys}
