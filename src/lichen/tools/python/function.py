"""A Python function as the runtime sees it: its arguments by name, the place for its call's meta data, its result."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MethodType
from typing import Any, NoReturn, cast
from uuid import UUID

from pydantic import Field, TypeAdapter, create_model
from pydantic.fields import FieldInfo

from lichen.core.ports.call import CallMeta
from lichen.tools.arguments.codec import declared
from lichen.tools.python.given import Given, given
from lichen.tools.spec import tool_invalid

_FIXED = (str, int, float, bool, date, datetime, timedelta, Decimal, UUID)
_SELF = "self"
_FIELD = "p_"  # keeps a parameter called `json` or `copy` apart from a model's own attributes


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its name, its type with everything `Annotated` says, and its default, if it has one."""

    name: str
    annotation: Any
    default: Any = ...

    @property
    def is_required(self) -> bool:
        """Whether a call must name it."""
        return self.default is ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function whose every parameter has a name and a type. `given` are those that the runtime fills; a method
    (`is_method`) is called on an instance of its class."""

    call: Callable[..., Any]
    place: str
    is_async: bool
    parameters: tuple[Parameter, ...]
    returns: Any
    summary: str
    given: Given = field(default_factory=Given)
    is_method: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets it asks for."""
        return self.given.secrets

    def keywords(self, values: Mapping[str, Any], meta: CallMeta) -> dict[str, Any]:
        """The keyword arguments of one call: the function's own among `values`, and what the runtime fills in.

        Raises NotDone (`secret_missing`, `attribute_missing`, `session_missing`) where there is nothing to fill in.
        """
        named = {parameter.name: values[parameter.name] for parameter in self.parameters}
        return {**named, **{name: fill(meta) for name, fill in self.given.fills.items()}}

    def on(self, instance: object) -> Function:
        """The method as a function of this instance; a function that is no method as it is."""
        return replace(self, call=MethodType(self.call, instance), is_method=False) if self.is_method else self


def read(call: Callable[..., Any], names: Mapping[str, Any] | None = None) -> Function:
    """`call` with its annotations resolved; `names` are those the annotations may use beside the module's own.

    Raises Invalid (`tool_invalid`, place file:line) for anything but a function or method whose parameters can all be
    given by name and are all annotated, and whose result is annotated.
    """
    if not inspect.isfunction(call):
        step = "Decorate a function or method defined with def or async def; @tool stands closest to it."
        raise tool_invalid("Only a function can be a tool.", place=None, next_step=step)
    place = f"{call.__code__.co_filename}:{call.__code__.co_firstlineno}"
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise tool_invalid("A generator has no single result.", place=place, next_step="Return the result.")
    hints = declared(lambda: typing.get_type_hints(call, localns=dict(names or {}), include_extras=True), place)
    signature, is_method = _without_self(call, hints)
    if "return" not in hints:
        raise tool_invalid("The result has no annotation.", place=place, next_step="Annotate it: -> Type.")
    filled = given(signature, hints, place)
    own = (item for name, item in signature.parameters.items() if name not in filled.fills)
    return Function(
        call=call,
        place=place,
        is_async=inspect.iscoroutinefunction(call),
        parameters=tuple(_parameter(item, hints, place) for item in own),
        returns=hints["return"],
        summary=_summary(call),
        given=filled,
        is_method=is_method,
    )


def _without_self(call: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[inspect.Signature, bool]:
    """The signature as callers see it, and whether it is that of a method: one defined in a class, with a `self`."""
    signature = inspect.signature(call)
    names = list(signature.parameters)
    holder = call.__qualname__.rpartition(".")[0]
    if not holder or holder.endswith("<locals>") or names[:1] != [_SELF] or _SELF in hints:
        return signature, False
    return signature.replace(parameters=list(signature.parameters.values())[1:]), True


def arguments_type(function: Function) -> Any:
    """A pydantic model with a field for every parameter of `function`, under the parameter's name as alias.

    Raises Invalid (`tool_invalid`) for an annotation or a default that cannot be used.
    """
    fields = {f"{_FIELD}{parameter.name}": _field(parameter, function.place) for parameter in function.parameters}
    make: Callable[[], Any] = lambda: create_model("Arguments", **fields)  # noqa: E731 - made inside `declared`
    return declared(make, function.place)


def arguments_of(model: Any) -> dict[str, Any]:
    """The arguments, by parameter name, in an instance of what `arguments_type` made."""
    return {field.removeprefix(_FIELD): value for field, value in cast("dict[str, Any]", vars(model)).items()}


def are_fixed(function: Function) -> bool:
    """Whether nobody who is given the arguments can change them: all are declared as plain values."""
    return all(_is_fixed(parameter.annotation) for parameter in function.parameters)


def _is_fixed(annotation: Any) -> bool:
    """Whether the values of a type cannot be changed. A `Field` bounds them; what else may be said could alter them."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *said = typing.get_args(annotation)
        return inner in _FIXED and all(isinstance(each, FieldInfo) for each in said)
    return annotation in _FIXED


def default_name(function: Function) -> str:
    """`<module>.<function>`: the module's last part, or for the program itself, its file's name. Of a method
    `<class>.<method>`, the class in snake case."""
    if function.is_method:
        return f"{snake(function.call.__qualname__.split('.')[-2])}.{function.call.__name__}"
    module = function.call.__module__
    stem = Path(function.call.__code__.co_filename).stem if module == "__main__" else module.rpartition(".")[2]
    return f"{stem}.{function.call.__name__}"


def snake(name: str) -> str:
    """`OrderDesk` as `order_desk`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).strip("_").lower()


def import_path(function: Function) -> tuple[str, str]:
    """Module and qualified name under which another process finds `function`.

    Raises Invalid (`tool_invalid`) for a lambda, a closure or a function of the program's own file: a process cannot
    import them.
    """
    module, name = function.call.__module__, function.call.__qualname__
    if "<" in name or module == "__main__":
        message = "A tool that runs in a process must be importable."
        raise tool_invalid(message, place=function.place, next_step="Define it at the top level of a module.")
    return module, name


def caller_names(depth: int) -> Mapping[str, Any]:
    """The local names of the frame `depth` calls above this one's caller: annotations may use types defined there. In
    the body of a class they may use those around the class, too."""
    frame = sys._getframe(depth + 1)  # pyright: ignore[reportPrivateUsage] - documented, CPython and PyPy
    around = frame.f_back
    if "__qualname__" in frame.f_locals and around is not None:
        return {**around.f_locals, **frame.f_locals}
    return frame.f_locals


def _parameter(item: inspect.Parameter, hints: Mapping[str, Any], place: str) -> Parameter:
    if problem := _problem(item, hints):
        message, step = problem
        _refuse(f"Parameter {item.name!r} {message}", place, step)
    return Parameter(item.name, hints[item.name], ... if item.default is item.empty else item.default)


def _problem(item: inspect.Parameter, hints: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why the parameter cannot be part of a schema, and what to do about it."""
    if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
        return "takes arguments without names.", "Name every parameter."
    if item.kind is item.POSITIONAL_ONLY:
        return "cannot be given by name.", "Remove the slash."
    if item.name not in hints:
        return "has no annotation.", "Annotate it: name: Type."
    if isinstance(item.default, FieldInfo):
        return "has a Field as its default.", "Write name: Annotated[Type, Field(...)] = default."
    return None


def _field(parameter: Parameter, place: str) -> Any:
    annotation = typing.Annotated[parameter.annotation, Field(alias=parameter.name)]
    if not parameter.is_required:
        _check_default(parameter, place)
    return (annotation, parameter.default)


def _check_default(parameter: Parameter, place: str) -> None:
    """Refuses a default that the parameter's own type refuses; a model would be told of a value it may not send."""
    adapter: TypeAdapter[Any] = declared(lambda: TypeAdapter(parameter.annotation), place)
    try:
        adapter.validate_python(parameter.default, strict=True)
    except ValueError:
        _refuse(f"The default of parameter {parameter.name!r} is not of its type.", place, "Correct one of them.")


def _summary(call: Callable[..., Any]) -> str:
    """The first paragraph of the docstring, on one line."""
    paragraph = (inspect.getdoc(call) or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _refuse(message: str, place: str, next_step: str) -> NoReturn:
    raise tool_invalid(message, place=place, next_step=next_step)
