"""Every command of `lichen`, read off the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

from docs.reference.markdown import block, code, table
from lichen.cli.app import EPILOG, app
from lichen.cli.here.caller import SHARED
from lichen.cli.tree import whole

_SHARED = {"--tenant", "--env", "--as", "--key", "--json", "--help"}


def page() -> str:
    """All commands, each with its arguments and options; those that every command shares stand once."""
    shared = table(("option", "environment", "what it says"), _shared())
    parts = [EPILOG, "## Shared options", shared]
    for path, command in each():
        parts += [_heading(path), _usage(path, command), _prose(command), *_parameters(command)]
    return "\n\n".join(part for part in parts if part)


def each(command: Any = None, path: tuple[str, ...] = ("lichen",)) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words."""
    command = command or whole(app)
    children: dict[str, Any] = getattr(command, "commands", {})
    for name, child in children.items():
        yield from each(child, (*path, name))
    if not children:
        yield " ".join(path), command


def _heading(path: str) -> str:
    return f"## {path}"


def _usage(path: str, command: Any) -> str:
    words = [_metavar(p) if p.required else f"[{_metavar(p)}]" for p in command.params if _is_argument(p)]
    own = any(not _is_argument(p) and not set(p.opts) & _SHARED for p in command.params)
    return block("text", " ".join([path, *words, *(["[OPTIONS]"] if own else [])]))


def _prose(command: Any) -> str:
    return inspect.cleandoc(command.help or "")


def _parameters(command: Any) -> Iterator[str]:
    rows = [(code(_metavar(p)), "", p.help or "") for p in command.params if _is_argument(p)]
    rows += [(_option(p), _default(p), p.help or "") for p in command.params if _is_own(p)]
    if rows:
        yield table(("argument or option", "default", "what it says"), rows)
    taken = [f"`{name}`" for name in sorted({o for p in command.params for o in p.opts} & (_SHARED - {"--help"}))]
    if taken:
        yield f"Takes {', '.join(taken)}."


def _shared() -> Iterator[tuple[str, str, str]]:
    yield (
        code("--home"),
        code("LICHEN_HOME"),
        "The data directory; it stands before the command: `lichen --home ./data runs list`.",
    )
    for kind in SHARED.values():
        option: Any = get_args(kind)[1]
        name = option.default if isinstance(option.default, str) else option.param_decls[0]
        yield code(name), code(option.envvar or ""), option.help


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _is_own(parameter: Any) -> bool:
    return not _is_argument(parameter) and not set(parameter.opts) & _SHARED


def _metavar(parameter: Any) -> str:
    if choices := _choices(parameter):
        return choices
    return (parameter.metavar or parameter.name.upper()).strip("{}[]")


def _choices(parameter: Any) -> str:
    kind: Any = parameter.type_descriptor.annotation
    members = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Enum)]
    return "|".join(str(each.value) for each in members[0]) if members else ""


def _option(parameter: Any) -> str:
    names = [code(name) for name in (*parameter.opts, *parameter.secondary_opts)]
    more = f" {choices}" if (choices := _choices(parameter)) else ""
    env = f" ({parameter.envvar})" if parameter.envvar else ""
    return f"{', '.join(names)}{more}{env}"


def _default(parameter: Any) -> str:
    value = parameter.default
    if value in (None, False, "", (), []) or callable(value):
        return ""
    return code(str(getattr(value, "value", value)))
