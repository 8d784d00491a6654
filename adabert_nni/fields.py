"""Types of the settings' fields: ranges of numbers, texts and paths; and what their rules are made of."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


def _no_bool(value: object) -> object:
    if isinstance(value, bool):  # YAML reads a bare yes, no, on, off as a boolean, Python as 1 or 0
        raise ValueError("it should be a number")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool), Field(ge=0)]
Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=1)]
Amount = Annotated[float, BeforeValidator(_no_bool), Field(ge=0)]
Positive = Annotated[float, BeforeValidator(_no_bool), Field(gt=0)]
Rate = Annotated[float, BeforeValidator(_no_bool), Field(gt=0, le=1)]
Share = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, le=1)]
BelowOne = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, lt=1)]
Text = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value),
    Field(min_length=1),
]


def _place(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("it should be a path, which holds no zero byte")
    return Path(os.path.expanduser(path))  # "~nobody" stays as it is


Place = Annotated[Path, AfterValidator(_place)]


def environment(name: str, default: str | None = None) -> Any:
    """A field whose default is read from a variable when the settings are built, not at import."""
    return Field(default_factory=lambda: os.environ.get(name) or default, validate_default=True)


def never_above(settings: object, low: str, high: str) -> None:
    """Raise ValueError, which says what to keep to, if field ``low`` is above field ``high``."""
    got, most = getattr(settings, low), getattr(settings, high)
    if got > most:
        raise ValueError(f"{low} is {got} but may not exceed {high}, which is {most}")
