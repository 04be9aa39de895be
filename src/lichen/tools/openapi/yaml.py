"""YAML that strangers wrote, as JSON: no aliases, which can make a short text endless, and no words that become dates
or booleans by chance.

Source: YAML 1.2.2, core schema (section 10.3).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, cast

import yaml

_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_PLAIN: Final = (
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+"), "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
        "-+.0123456789",
    ),
)


class YamlRefused(Exception):
    """Why a text is not taken, with line and column where that is known."""


class _Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2, without aliases."""

    yaml_implicit_resolvers: ClassVar[Any] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        events = cast(Any, self)
        if events.check_event(yaml.AliasEvent):
            line = events.peek_event().start_mark.line + 1
            raise YamlRefused(f"Line {line}: aliases are not read; write out what it stands for.")
        return super().compose_node(parent, index)


for _tag, _pattern, _first in _PLAIN:
    cast(Any, _Loader).add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern.pattern})$"), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))


def loaded(data: bytes) -> Any:
    """The JSON value of a text: the keys of objects are its words. Raises YamlRefused."""
    try:
        return _keyed(yaml.load(data, Loader=_Loader))  # noqa: S506 - a safe loader with fewer words
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise YamlRefused(f"{where}this is neither JSON nor YAML.") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise YamlRefused("This is neither JSON nor YAML that can be read.") from None


def _keyed(part: Any) -> Any:
    match part:
        case dict():
            return {_key(key): _keyed(value) for key, value in cast("dict[Any, Any]", part).items()}
        case list():
            return [_keyed(each) for each in cast("list[Any]", part)]
        case str() | bool() | int() | float() | None:
            return part
        case _:
            raise ValueError("a value that JSON does not have")


def _key(key: Any) -> str:
    """A key as JSON has it: responses are named by numbers."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return "" if key is None else str(key)
