"""What the runtime fills in for a function: the call's meta data, its ids, attributes of its run, and secrets.

Such a parameter is keyword-only, no model sees it, and none can send it.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from lichen.core.ports.call import CallMeta, NotDone
from lichen.core.ports.secrets import Secret, checked_secret_name
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import CallId, RunId, SessionId, TurnId
from lichen.core.words.scope import Actor, Scope
from lichen.tools.spec import tool_invalid
from lichen.tools.types import Attribute

SECRETS_MAX: Final = 16  # of one function
_IDS: Final[Mapping[Any, str]] = {
    RunId: "run",
    CallId: "call",
    SessionId: "session",
    TurnId: "turn",
    Scope: "scope",
    Actor: "actor",
}

Fill = Callable[[CallMeta], Any]
"""What a parameter gets of a call. Raises NotDone where the call has nothing for it."""


class Given(NamedTuple):
    """The parameters of a function that the runtime fills, each with what it gets. `secrets` are the names of the
    secrets it is handed, `needs` the attributes a run must have."""

    fills: Mapping[str, Fill] = {}
    secrets: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def given(signature: inspect.Signature, hints: Mapping[str, Any], place: str) -> Given:
    """What the runtime fills in a signature. Raises Invalid (`tool_invalid`) for a parameter that it cannot."""
    fills = {name: fill for name in signature.parameters if (fill := _fill(signature.parameters[name], hints, place))}
    kinds = [fill.kind for fill in fills.values()]
    if kinds.count("meta") > 1:
        _refuse("Two parameters take the call's meta data.", place, "Keep one.")
    if kinds.count("secret") > SECRETS_MAX:
        _refuse(f"More than {SECRETS_MAX} parameters take a secret.", place, "Let the tool do less.")
    return Given(
        {name: fill.of for name, fill in fills.items()},
        tuple(dict.fromkeys(fill.name for fill in fills.values() if fill.kind == "secret")),
        tuple(dict.fromkeys(fill.name for fill in fills.values() if fill.kind == "attribute" and fill.is_needed)),
    )


def attribute_fill(name: str, *, is_optional: bool = False) -> Fill:
    """Gives an attribute of the run."""

    def of(meta: CallMeta) -> str | None:
        value = meta.attributes.get(name)
        if value is None and not is_optional:
            raise NotDone(f"The run has no attribute {name!r}.", code="attribute_missing", retryable=False)
        return value

    return of


def _meta(meta: CallMeta) -> CallMeta:
    return meta


class _Filled(NamedTuple):
    kind: str
    of: Fill
    name: str = ""
    is_needed: bool = True


def _fill(item: inspect.Parameter, hints: Mapping[str, Any], place: str) -> _Filled | None:
    """How the runtime fills a parameter, None where a model does."""
    hint = hints.get(item.name)
    said = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
    bare = typing.get_args(hint)[0] if said else hint
    attribute = next((each for each in said if isinstance(each, Attribute)), None)
    if bare is Secret:
        return _secret(item, said, place)
    if attribute is not None:
        return _attribute(item, bare, attribute, place)
    if hint is CallMeta:
        _check(item, "the call's meta data", place)
        return _Filled("meta", _meta)
    kind, is_optional = _without_none(hint)
    if kind not in _IDS:
        return None
    _check(item, "an id of the call", place)
    return _Filled("id", _id(_IDS[kind], is_optional=is_optional))


def _check(item: inspect.Parameter, what: str, place: str) -> None:
    if item.kind is not inspect.Parameter.KEYWORD_ONLY or item.default is not item.empty:
        step = "Put *, before it, and give it no default."
        _refuse(f"Parameter {item.name!r} takes {what} and must be keyword-only.", place, step)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`X` of `X | None`, and whether None was allowed."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    kinds = [each for each in typing.get_args(hint) if each is not type(None)]
    return (kinds[0], True) if len(kinds) == 1 else (hint, False)


def _id(field: str, *, is_optional: bool) -> Fill:
    def of(meta: CallMeta) -> Any:
        value = getattr(meta, field)
        if value is None and not is_optional:
            message = f"The tool is for runs of a session only: this one has no {field}."
            raise NotDone(message, code=f"{field}_missing", retryable=False)
        return value

    return of


def _attribute(item: inspect.Parameter, bare: Any, attribute: Attribute, place: str) -> _Filled:
    kind, is_optional = _without_none(bare)
    if kind is not str:
        step = f'Write *, {item.name}: Annotated[str, Attribute("{attribute.name}")].'
        _refuse(f"Parameter {item.name!r} takes an attribute of the run, which is a text.", place, step)
    _check(item, "an attribute of the run", place)

    fill = attribute_fill(attribute.name, is_optional=is_optional)
    return _Filled("attribute", fill, attribute.name, not is_optional)


def _secret(item: inspect.Parameter, said: tuple[Any, ...], place: str) -> _Filled:
    step = f'Write *, {item.name}: Annotated[Secret, "payments.key"] with the name of the secret.'
    if len(said) != 1 or not isinstance(said[0], str):
        _refuse(f"Parameter {item.name!r} takes a secret and does not say which.", place, step)
    if item.kind is not inspect.Parameter.KEYWORD_ONLY or item.default is not item.empty:
        _refuse(f"Parameter {item.name!r} takes a secret: it is keyword-only, without a default.", place, step)
    try:
        name = checked_secret_name(said[0])
    except Invalid as error:
        _refuse(f"Parameter {item.name!r} names no secret.", place, error.next_step)

    def of(meta: CallMeta) -> Secret:
        if name not in meta.secrets:
            raise NotDone("The tool was called without a secret it needs.", code="secret_missing", retryable=False)
        return meta.secrets[name]

    return _Filled("secret", of, name)


def _refuse(message: str, place: str, next_step: str) -> NoReturn:
    raise tool_invalid(message, place=place, next_step=next_step)
