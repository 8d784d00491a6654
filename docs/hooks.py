"""What mkdocs writes itself: the table of settings, from the dataclasses, so that it cannot drift.

A line ``<!-- settings -->`` of a page becomes one table a stage. It must not know any key by its name.
"""

import html
import os
import typing
from collections.abc import Iterator
from typing import Any
from unittest import mock

from annotated_types import Ge, Gt, Le, Lt

from adabert_nni.settings import STAGES
from adabert_nni.spaces import SpaceConfig

MARK = "<!-- settings -->"
TYPES = {"str": "text", "Path": "path", "int": "whole number", "float": "number"}
SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return markdown.replace(MARK, settings_page()) if MARK in markdown else markdown


def settings_page() -> str:
    """A heading, the stage's sentence and a table for every stage, then the same for a space's file."""
    return "\n\n".join(_section(name, stage) for name, stage in _stages())


def _stages() -> Iterator[tuple[str, Any]]:
    yield from STAGES.items()
    yield "space", SpaceConfig


def _section(name: str, stage: Any) -> str:
    head = f"## {name}\n\n{(stage.__doc__ or '').splitlines()[0]}\n\n"
    rows = [
        f"| `{key}` | {html.escape(field.description)}<br>*{_kind(field)}; {_default(field)}* |"
        for key, field in stage.__pydantic_fields__.items()
    ]
    return head + "\n".join(["| key | |", "|:--|:--|", *rows])


def _kind(field: Any) -> str:
    """Such as ``whole number, ≥ 8, ≤ 512`` or ``exact, sampled``."""
    kinds, limits = list[str](), dict[type, float]()
    left: list[Any] = [field.annotation, *field.metadata]
    while left:
        one = left.pop(0)
        left += [*typing.get_args(one), *getattr(one, "metadata", ())] if _nested(one) else []
        if type(one) in SIGNS:  # of two lower ends the higher one holds
            name, _ = SIGNS[type(one)]
            limits[type(one)] = max(getattr(one, name), limits.get(type(one), float("-inf")))
        elif isinstance(one, type) and one.__name__ in TYPES:
            kinds.append(TYPES[one.__name__])
        elif typing.get_origin(one) is tuple:
            kinds.append("list of")
        elif isinstance(one, str):
            kinds.append(f"`{one}`")
    many = kinds[:1] == ["list of"]
    shown = " ".join(kinds) if many else ", ".join(dict.fromkeys(kinds))
    return ", ".join([shown, *(f"{SIGNS[kind][1]} {limit:.10g}" for kind, limit in limits.items())])


def _nested(one: Any) -> bool:
    return bool(typing.get_args(one)) or hasattr(one, "metadata")


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    with mock.patch.dict(os.environ, clear=True):  # some defaults are read from it
        default = field.get_default(call_default_factory=True)
    return "unset by default" if default is None else f"default `{default}`"
