"""A method or function that somebody else wrote as a tool: its parameters under the tool's names, its result mapped."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MethodType
from typing import Any, NoReturn

from lichen.tools.python.declaration import Declaration
from lichen.tools.python.function import Function, Parameter, caller_names, read
from lichen.tools.python.function_tool import PythonTool
from lichen.tools.python.given import attribute_fill
from lichen.tools.python.tool import function_tool
from lichen.tools.spec import tool_invalid
from lichen.tools.types import Attribute


def bind(
    method: Callable[..., Any],
    *,
    renamed: Mapping[str, str] = {},
    filled: Mapping[str, Attribute] = {},
    fixed: Mapping[str, Any] = {},
    result: Callable[[Any], Any] | None = None,
    **options: Any,
) -> PythonTool[..., Any]:
    """A tool that calls `method`: `bind(orders.find, name="orders.lookup", renamed={"order_id": "id"})`.

    - `renamed`: the tool's own name of a parameter, and the method's.
    - `filled`: parameters of the method that get an attribute of the run, `fixed`: those that get a value. No model
      sees them.
    - `result`: what makes the tool's result of the method's; its return annotation is the tool's.
    - everything else is as of `tool`.

    Raises Invalid (`tool_invalid`, place file:line) where these do not fit the method.
    """
    names = caller_names(0)
    function = _read(method, names)
    hidden = {*filled, *fixed}
    _check(function, (*renamed.values(), *hidden))
    tool_names = {theirs: ours for ours, theirs in renamed.items()}
    parameters = tuple(_renamed(each, tool_names) for each in function.parameters if each.name not in hidden)
    called = [each.name for each in parameters]
    if twice := next((name for name in called if called.count(name) > 1), None):
        _refuse(function, f"Two parameters would be called {twice!r}.")
    fills = {name: attribute_fill(each.name) for name, each in filled.items()}
    needs = tuple(dict.fromkeys((*function.given.needs, *(each.name for each in filled.values()))))
    mapped = replace(
        function,
        call=_mapped(function, renamed, fixed, result),
        parameters=parameters,
        returns=function.returns if result is None else _result_type(result, function, names),
        given=function.given._replace(fills={**function.given.fills, **fills}, needs=needs),
    )
    return function_tool(mapped, Declaration(**options), names)


def _read(method: Callable[..., Any], names: Mapping[str, Any]) -> Function:
    if isinstance(method, MethodType):
        return read(method.__func__, names).on(method.__self__)
    function = read(method, names)
    if function.is_method:
        _refuse(function, "The method has no instance of its class.", "Bind that of an instance: bind(orders.find).")
    return function


def _check(function: Function, names: Iterable[str]) -> None:
    known = {parameter.name for parameter in function.parameters}
    seen: set[str] = set()
    for name in names:
        if name not in known:
            _refuse(function, f"The method has no parameter {name!r}.", f"Name one of: {', '.join(sorted(known))}.")
        if name in seen:
            _refuse(function, f"Parameter {name!r} is named twice.", "Name it once.")
        seen.add(name)


def _renamed(parameter: Parameter, names: Mapping[str, str]) -> Parameter:
    return replace(parameter, name=names.get(parameter.name, parameter.name))


def _mapped(
    function: Function, renamed: Mapping[str, str], fixed: Mapping[str, Any], result: Callable[[Any], Any] | None
) -> Callable[..., Any]:
    """What calls the method with its own names, and maps what it gives."""

    def keywords(given: Mapping[str, Any]) -> dict[str, Any]:
        return {**fixed, **{renamed.get(name, name): value for name, value in given.items()}}

    async def waited(**given: Any) -> Any:
        found = await function.call(**keywords(given))
        return found if result is None else result(found)

    def called(**given: Any) -> Any:
        found = function.call(**keywords(given))
        return found if result is None else result(found)

    mapped = waited if function.is_async else called
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(mapped, name, getattr(function.call, name))
    return mapped


def _result_type(result: Callable[[Any], Any], function: Function, names: Mapping[str, Any]) -> Any:
    if inspect.isclass(result):
        return result
    mapper = read(result, names)
    if mapper.is_async or len(mapper.parameters) != 1 or mapper.given.fills:
        _refuse(
            function, "The result is mapped by a function of one argument.", "Write def view(order: Order) -> View."
        )
    return mapper.returns


def _refuse(function: Function, message: str, step: str = "Correct the names.") -> NoReturn:
    raise tool_invalid(message, place=function.place, next_step=step)
