"""The tools of a service: those methods of a class that `@tool` made tools."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, cast

from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.tools.python.function import snake
from lichen.tools.python.function_tool import PythonTool
from lichen.tools.spec import written_at

STEP = "Decorate its methods with @tool."


def tools_of(service: object) -> tuple[Tool, ...]:
    """The tools of an instance, or of a class that the runtime makes an instance of without arguments, in the order in
    which they are defined; what a class redefines stands in for what it inherits.

    Raises Invalid (`toolset_invalid`, place file:line) where there are none.
    """
    cls: type[object] = service if inspect.isclass(service) else type(service)
    found = dict(_found(cls))
    if not found:
        message = f"{cls.__name__} has no methods that are tools."
        raise Invalid(message, code="toolset_invalid", next_step=STEP, place=_place(cls))
    if inspect.isclass(service):
        _check_made(cls)
        return tuple(tool.of(cls) for tool in found.values())
    return tuple(tool.on(service) for tool in found.values())


def _check_made(cls: type[object]) -> None:
    """Raises Invalid (`toolset_invalid`) for a class that cannot be made without arguments."""
    try:
        wanted = [each.name for each in inspect.signature(cls).parameters.values() if _is_wanted(each)]
    except (TypeError, ValueError):  # one that does not say, as some written in C: making it will tell
        return
    if wanted or inspect.isabstract(cls):
        what = f"it wants {', '.join(wanted)}" if wanted else "it is abstract"
        message = f"The runtime makes {cls.__name__} without arguments, and {what}."
        step = f"Give the toolset an instance: Toolset.of({cls.__name__}(...))."
        raise Invalid(message, code="toolset_invalid", next_step=step, place=written_at())


def _is_wanted(parameter: inspect.Parameter) -> bool:
    is_open = parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and not is_open


def service_name(service: object) -> str:
    """What the service is called: its class, in snake case."""
    cls: type[object] = service if inspect.isclass(service) else type(service)
    return snake(cls.__name__)


def _found(cls: type[object]) -> Iterator[tuple[str, PythonTool[..., Any]]]:
    names = [name for each in reversed(cls.__mro__) for name in vars(each)]
    for name in dict.fromkeys(names):
        held = inspect.getattr_static(cls, name)
        tool = held.__func__ if isinstance(held, staticmethod) else held
        if isinstance(tool, PythonTool):
            yield name, cast("PythonTool[..., Any]", tool)


def _place(cls: type[object]) -> str | None:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return None
