"""Plain YAML, and flat keys checked against dataclasses of settings: every problem in one sentence.

It must not know which settings there are.
"""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from adabert_nni.errors import AdaBertError


def fields(cls: Any) -> dict[str, FieldInfo]:
    """The fields of a pydantic dataclass by key."""
    return dict(cls.__pydantic_fields__)


class _OnceLoader(yaml.SafeLoader):
    """PyYAML's safe loader, but for a key that stands twice, of which it would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; a yaml error where a key stands twice."""
        seen = list[Any]()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"the key {key.value!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping as plain data; a tag that would run code is refused, not run."""
    try:
        values = _OnceLoader(path.read_text(encoding="utf-8")).get_single_data()
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


def checked(classes: Mapping[str, Any], flat: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Build each class from its share of the flat keys, or raise one error for all problems."""
    known = [key for cls in classes.values() for key in fields(cls)]
    unknown = [key for key in flat if key not in known]
    problems = [f"unknown key {key!r}{hint(str(key), known)}" for key in unknown]
    built: dict[str, Any] = {}
    for name, cls in classes.items():
        values = {key: flat[key] for key in fields(cls) if flat.get(key) is not None}
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


def hint(name: str, known: Iterable[str]) -> str:
    """``(did you mean 'x'?)`` where a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
