"""What a registry asks for: the challenge of a 401, and a token from whom it sends us to.

Source: RFC 9110, 11.6.1; the token authentication of the CNCF distribution project, and its OAuth 2 form.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from lichen.core.words.errors import Denied, LichenError
from lichen.packs.fetching.credentials import Credentials
from lichen.packs.fetching.terms import KNOWN_REALMS, Endpoint, is_here, split
from lichen.packs.fetching.wire import Ask, Reply, Wire, origin, unreachable
from lichen.settings.packs.registries import RegistryHost

CHARS_MAX: Final = 8_192
TOKEN_CHARS_MAX: Final = 32_768
_SCHEME: Final = re.compile(r"(?:^|,)\s*(Basic|Bearer)\s+(?=[A-Za-z])", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([A-Za-z]{1,32})=(?:"([^"\\]{0,4096})"|([^",\s]{1,4096}))\s*(?:,\s*|$)')


class Challenge(NamedTuple):
    """What a registry wants to be shown, and who gives it."""

    scheme: str  # `basic`, `bearer`, or nothing that we know
    realm: str = ""
    service: str = ""


def challenge_in(header: str) -> Challenge:
    """What a `WWW-Authenticate` header asks for: a token before a password, where it takes both."""
    found = {each[1].lower(): each.end() for each in _SCHEME.finditer(header[:CHARS_MAX])}
    for scheme in ("bearer", "basic"):
        if scheme in found:
            said: dict[str, str] = {}
            at = found[scheme]
            while (each := _PARAMETER.match(header, at)) is not None:
                said.setdefault(each[1].lower(), each[2] or each[3] or "")
                at = each.end()
            return Challenge(scheme, said.get("realm", ""), said.get("service", ""))
    return Challenge("")


def check_realm(challenge: Challenge, said: RegistryHost, endpoint: Endpoint) -> Endpoint:
    """Where a token is asked for: at the registry, or at a host that the settings name for it.

    Raises Denied (`oci_realm_refused`): whoever runs a registry could have our password shown to anybody else.
    """
    at = origin(challenge.realm)
    names = (*said.realms, *KNOWN_REALMS.get(said.host, ()))
    allowed = {(name, port or 443) for name, port in map(split, names)}
    is_own = (at.host, at.port) == (endpoint.host, endpoint.port) or (at.host, at.port) in allowed
    is_own = is_own or (at.host == endpoint.host and endpoint.scheme == "https" and at.port == 443)
    is_safe = at.scheme == "https" or (at.scheme == "http" and endpoint.scheme == "http" and is_here(at.host))
    if is_own and is_safe and not any(mark in challenge.realm for mark in "@#"):
        return at
    name = (at.host if at.port == 443 else f"{at.host}:{at.port}")[:260].encode("unicode_escape").decode()
    message = f"{said.host} sends us to {name} for a token, and was told nothing."
    step = "If that is right, name the host in `realms` of the registry under [[packs.registries]] in lichen.toml."
    raise Denied(message, code="oci_realm_refused", next_step=step)


def token_for(wire: Wire, challenge: Challenge, credentials: Credentials, scope: str) -> str:
    """A token for a scope, from a realm that was checked. Raises Unavailable (`pack_unreachable`) and Denied
    (`oci_denied`)."""
    words = {"scope": scope, **({"service": challenge.service} if challenge.service else {})}
    if credentials.renewal:
        form = {"grant_type": "refresh_token", "refresh_token": credentials.renewal, "client_id": "lichen", **words}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = wire.ask(Ask("POST", challenge.realm, headers, urlencode(form).encode()))
    else:
        mark = "&" if "?" in challenge.realm else "?"
        shown = {"Authorization": credentials.basic} if credentials.username else {}
        reply = wire.ask(Ask("GET", f"{challenge.realm}{mark}{urlencode(words)}", shown))
    if reply.status in (400, 401, 403):
        raise denied("Who gives tokens for the registry does not know us.")
    return _token_in(reply)


def _token_in(reply: Reply) -> str:
    try:
        said = msgspec.json.decode(reply.body, type=dict[str, Any]) if reply.status == 200 else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = {}
    token = said.get("token") or said.get("access_token")
    if isinstance(token, str) and token.isascii() and token.isprintable() and len(token) <= TOKEN_CHARS_MAX:
        return token
    raise unreachable(f"Who gives tokens for the registry gives none, but status {reply.status}.")


def denied(message: str) -> LichenError:
    """The error for what a registry does not let us do."""
    step = "Say who we are: `username` and `password`, or `token`, under [[packs.registries]] in lichen.toml."
    return Denied(message, code="oci_denied", next_step=step)
