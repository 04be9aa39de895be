"""How a caller of an operation says who it is: which secrets that takes, and where each of them goes.

Source: OpenAPI 3.1.1 section 4.8.27 (Security Scheme Object); RFC 6750, RFC 7617.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from lichen.core.ports.call import NotDone
from lichen.core.ports.secrets import Secret
from lichen.tools.openapi.document import Document, Unusable
from lichen.tools.openapi.styles import encoded

Way = Literal["bearer", "basic", "header", "query", "cookie"]
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


class Credential(msgspec.Struct, frozen=True):
    """One secret of a call, by name, and how it is sent; `name` is that of the header, cookie or query parameter."""

    secret: str
    way: Way
    name: str = ""


class Shown(NamedTuple):
    """What is added to a request: headers, and what its query gets more."""

    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


def credentials(
    document: Document, ways: tuple[tuple[str, ...], ...], secrets: Mapping[str, str]
) -> tuple[Credential, ...]:
    """What a call shows, of the first way for which there is a secret of each scheme. Raises Unusable."""
    if not ways:
        return ()
    possible = [way for way in ways if all(scheme in secrets for scheme in way)]
    if not possible:
        wanted = " and ".join(ways[0])
        raise Unusable(f"It takes a credential: name the secret of {wanted} under `secrets`.")
    best = next((way for way in possible if way), ())
    return tuple(_credential(document, scheme, secrets[scheme]) for scheme in best)


def schemes(document: Document) -> tuple[str, ...]:
    """The names of the security schemes that a document has."""
    components: Any = document.tree.get("components", {})
    found: Any = cast("dict[str, Any]", components).get("securitySchemes") if isinstance(components, dict) else None
    return tuple(cast("dict[str, Any]", found)) if isinstance(found, dict) else ()


def _credential(document: Document, scheme: str, secret: str) -> Credential:
    if scheme not in schemes(document):
        raise Unusable("It takes a credential that the document does not describe.")
    said = document.found(cast(Any, document.tree)["components"]["securitySchemes"][scheme])
    match said:
        case {"type": "apiKey", "in": "header" | "query" | "cookie" as way, "name": str(name)} if _NAME.fullmatch(name):
            return Credential(secret, way, name)
        case {"type": "http", "scheme": str(kind)} if kind.lower() in ("bearer", "basic"):
            return Credential(secret, "bearer" if kind.lower() == "bearer" else "basic")
        case {"type": "oauth2" | "openIdConnect"}:
            return Credential(secret, "bearer")
        case _:
            raise Unusable("It takes a credential of a kind that is not shown from here.")


def shown(wanted: tuple[Credential, ...], given: Mapping[str, Secret]) -> Shown:
    """What a request gets more. Raises NotDone (`secret_invalid`) for a secret that no request can hold."""
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    query: list[str] = []
    for each, value in _values(wanted, given):
        match each.way:
            case "bearer":
                headers.append(("Authorization", f"Bearer {value}"))
            case "basic":
                headers.append(("Authorization", f"Basic {b64encode(value.encode()).decode()}"))
            case "header":
                headers.append((each.name, value))
            case "cookie":
                cookies.append(f"{each.name}={value}")
            case "query":
                query.append(f"{encoded(each.name)}={encoded(value)}")
    return Shown(tuple(headers), tuple(cookies), tuple(query))


def _values(wanted: tuple[Credential, ...], given: Mapping[str, Secret]) -> Iterator[tuple[Credential, str]]:
    for each in wanted:
        value = given[each.secret].reveal().strip()
        is_plain = value.isprintable() and (each.way in ("query", "basic") or value.isascii())
        if not is_plain or (each.way == "cookie" and set(value) & set('";, \\')):
            message = f"The secret {each.secret} holds what no request can."
            raise NotDone(message, code="secret_invalid", retryable=False, recovery="finish")
        yield each, value
