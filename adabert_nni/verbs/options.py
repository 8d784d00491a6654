"""Options that several verbs share, and what is checked before any stage is imported."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path

from adabert_nni.config import (
    Config,
    DataConfig,
    add_arguments,
    config_from_args,
    run_hash,
)
from adabert_nni.errors import AdaBertError
from adabert_nni.pipeline.identity import decided_by
from adabert_nni.spaces import SpaceConfig

logger = logging.getLogger(__name__)

OF_STUDENT = ("max_length",)  # settings of the data that a finished student brings itself


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` one option per setting, and a YAML file with the same keys."""
    parser.add_argument(
        "--config",
        metavar="FILE_OR_NAME",
        help="YAML file with the same keys as the options, which win; or a preset: small (some thousand "
        "rows) or large (some ten thousand), for a CPU and within an hour",
    )
    add_arguments(parser)


def add_rows(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the options that name rows for a finished student."""
    add_arguments(parser, ["data"], without=OF_STUDENT)


def rows_asked(settings: Mapping[str, object]) -> DataConfig:
    """The rows that a finished student is asked about; AdaBertError if a setting is wrong or the student's own."""
    for key in OF_STUDENT:
        if key in settings:
            raise AdaBertError(
                f"{key}: got {settings[key]}, but a finished student reads rows as long as it was trained for; "
                "leave it out"
            )
    return Config.from_mapping(settings, "settings").data


def settings_of(args: argparse.Namespace) -> Config:
    """The settings; an unknown task, space or op is refused before stages are imported, which takes seconds."""
    config = checked(config_from_args(args, args.config))
    logger.info("settings: checked; loading PyTorch Lightning and NNI")  # seconds
    return config


def checked(config: Config) -> Config:
    """Refuse an unknown task, space, op or format, and a format whose packages are missing."""
    from adabert_nni.data.tasks import get_task
    from adabert_nni.model.ops import check_ops

    if config.data.train is None:
        get_task(config.data.task)
    check_ops(SpaceConfig.load(config.search.space).ops, f"space {config.search.space}")
    if config.run.formats:
        from adabert_nni.student.formats import check_formats

        check_formats(config.run.formats)
    return config


def output_of(config: Config, *more: object) -> Path:
    """Where the run goes: as asked, or ``runs/<task>/<hash of the settings>``."""
    task = "own" if config.data.train else config.data.task
    return config.run.output or Path("runs", task, run_hash(decided_by(config), *more))


def positive(text: str) -> int:
    """A whole number >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number >= 1")
    return int(text)


def json_file(text: str) -> Path:
    """A path that ends in .json."""
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json")
    return Path(text)


def student_folder(folder: Path) -> Path:
    """The folder of a student as it was given; AdaBertError at once if there is none."""
    if not (folder / "config.json").is_file():
        raise AdaBertError(f"{folder}: holds no config.json; give the folder 'student' of a run")
    return folder
