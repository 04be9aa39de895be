"""The tools of an API: which of its operations they are, what they are called, and why others are not there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from lichen.core.ports.call import CircuitBreaker, Effects, SecretNames, ToolSpec
from lichen.core.remote.api import Api, OperationTerms
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools.faults import faults
from lichen.tools.openapi.credentials import credentials, schemes
from lichen.tools.openapi.document import Document, Unusable, invalid, read
from lichen.tools.openapi.operation_tool import OperationTool
from lichen.tools.openapi.operations import Entry, entries, operation, passed_over
from lichen.tools.spec import NAME_CHARS_MAX, checked_name, pinned, tool_invalid

EFFECTS: Final[Mapping[str, Effects]] = {  # RFC 9110, section 9.2
    "GET": "none", "HEAD": "none", "PUT": "idempotent", "DELETE": "idempotent", "POST": "once", "PATCH": "once",
}  # fmt: skip
BREAKER: Final = CircuitBreaker(codes=("api_unreachable", "api_failed"))
ANYTHING: Final[Mapping[str, Any]] = {}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")


class Listed(NamedTuple):
    """The tools of an API, and why the rest of its operations are none, by `GET /orders/{id}`. `missing` says the same
    by JSON pointers, of whatever in the document could not even be listed as well."""

    tools: tuple[OperationTool, ...]
    left_out: Mapping[str, str]
    missing: Mapping[str, str] = {}


def api_tools(
    document: str | Path,
    *,
    name: str,
    url: str,
    **said: Any,
) -> tuple[OperationTool, ...]:
    """The operations of an OpenAPI document as tools: `api_tools("shop.json", name="shop", url="https://…/v1")`.

    `said` is what else an `[[openapi]]` table holds: `only`, `without`, `urls`, `secrets`, `origin`, `timeout_s`,
    `operations`. What no tool can be made of is left out. Raises Invalid (`openapi_invalid`, `tool_invalid`).
    """
    try:
        api = msgspec.convert({"name": name, "url": url, **said}, Api)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}.", name, "Correct what is said of the API.") from None
    return listed(read(Path(document)), api).tools


def listed(document: Document, api: Api) -> Listed:
    """The tools of an API as a project wants them.

    Raises Invalid (`openapi_invalid`) where that names what is not there, or names an operation and it is no tool.
    """
    found = list(entries(document))
    _check_names(document, api, found)
    chosen = [entry for entry in found if _is_wanted(api, entry)]
    tools: dict[str, OperationTool] = {}
    left_out: dict[str, str] = {}
    twice = {name for name, times in Counter(_name(api, entry) for entry in chosen).items() if times > 1}
    for entry in chosen:
        try:
            if _name(api, entry) in twice:
                raise Unusable(f"Another operation would be called {_name(api, entry)}, too.")
            tools[entry.title] = _tool(document, api, entry)
        except Unusable as error:
            left_out[entry.title] = str(error)
            if _is_named(entry, (*api.only, *api.operations)):
                raise invalid(f"{entry.title} is no tool. {error}", document.place, _STEP) from None
    missing = {entry.place: left_out[entry.title] for entry in chosen if entry.title in left_out}
    return Listed(tuple(tools.values()), left_out, {**missing, **dict(passed_over(document))})


_STEP: Final = "Leave the operation out, or correct what is said of it in lichen.toml."


def _tool(document: Document, api: Api, entry: Entry) -> OperationTool:
    made = operation(document, entry)
    wanted = credentials(document, made.security, api.secrets)
    terms = _terms(api, entry)
    effects = terms.effects or EFFECTS[entry.method]
    is_checked = effects == "none" and terms.answers == "documented"
    spec = ToolSpec(
        name=_checked(_name(api, entry)),
        description=made.description,
        effects=effects,
        input_schema=made.arguments(),
        output_schema=(made.answer if is_checked else None) or ANYTHING,
        timeout_s=terms.timeout_s or api.timeout_s,
        tags=("openapi", *terms.tags),
        origin=terms.origin or api.origin,
        confirm=terms.confirm,
        secrets=SecretNames(call=tuple(dict.fromkeys(each.secret for each in wanted))),
        breaker=BREAKER,
    )
    for message, step in faults(spec):
        raise tool_invalid(message, place=spec.name, next_step=step)
    return OperationTool(pinned(spec), made, api, wanted)


# -- names ---------------------------------------------------------------------------------------------------------


def _name(api: Api, entry: Entry) -> str:
    own = _terms(api, entry).name or "_".join(_WORDS.findall(entry.id or f"{entry.method} {entry.path}")).lower()
    own = own if own[:1].isalpha() else f"op_{own}"
    return f"{api.name}.{own}"[:NAME_CHARS_MAX].rstrip("_")


def _checked(name: str) -> ToolName:
    try:
        return checked_name(name)
    except Invalid as error:
        raise Unusable(error.message) from None


def _terms(api: Api, entry: Entry) -> OperationTerms:
    return api.operations.get(entry.id) or api.operations.get(entry.title) or OperationTerms()


def _is_named(entry: Entry, names: Iterable[str]) -> bool:
    return entry.title in names or (bool(entry.id) and entry.id in names)


def _is_wanted(api: Api, entry: Entry) -> bool:
    return (not api.only or _is_named(entry, api.only)) and not _is_named(entry, api.without)


def _check_names(document: Document, api: Api, found: list[Entry]) -> None:
    """Raises Invalid for an operation or a security scheme that the document does not have."""
    known = [name for entry in found for name in (entry.id, entry.title) if name]
    for name in (*api.only, *api.without, *api.operations):
        if name not in known:
            raise invalid(f"The document has no operation {name!r}.", document.place, _near(name, known))
    for name in api.secrets:
        if name not in schemes(document):
            step = _near(name, list(schemes(document)))
            raise invalid(f"The document has no security scheme {name!r}.", document.place, step)


def _near(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 3, 0.4) or known[:3]
    return f"It has: {', '.join(close)}." if close else "It has none."
