"""Microsoft's clouds: where a bot signs in, what proves their requests, and the only hosts that its token goes to.

Source: Microsoft, "Authentication with the Bot Connector API", "Proactive messages", and the Teams SDK's clouds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

CloudName = Literal["public", "usgov", "usgovdod", "china"]


class Cloud(msgspec.Struct, frozen=True):
    """One cloud. A host that begins with a dot stands for all below it."""

    login: str
    authority: str  # where a bot of several tenants signs in
    scope: str
    metadata: str
    issuer: str
    services: tuple[str, ...]
    files: tuple[str, ...]


CLOUDS: Final[Mapping[CloudName, Cloud]] = {
    "public": Cloud(
        "https://login.microsoftonline.com",
        "botframework.com",
        "https://api.botframework.com/.default",
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        "https://api.botframework.com",
        (
            "smba.trafficmanager.net",
            "smba.onyx.prod.teams.trafficmanager.net",
            "smba.infra.gcc.teams.microsoft.com",
        ),
        (".sharepoint.com",),
    ),
    "usgov": Cloud(
        "https://login.microsoftonline.us",
        "MicrosoftServices.onmicrosoft.us",
        "https://api.botframework.us/.default",
        "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
        "https://api.botframework.us",
        ("smba.infra.gov.teams.microsoft.us",),
        (".sharepoint.us",),
    ),
    "usgovdod": Cloud(
        "https://login.microsoftonline.us",
        "MicrosoftServices.onmicrosoft.us",
        "https://api.botframework.us/.default",
        "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
        "https://api.botframework.us",
        ("smba.infra.dod.teams.microsoft.us",),
        (".sharepoint-mil.us",),
    ),
    "china": Cloud(
        "https://login.partner.microsoftonline.cn",
        "microsoftservices.partner.onmschina.cn",
        "https://api.botframework.azure.cn/.default",
        "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
        "https://api.botframework.azure.cn",
        (".botframework.azure.cn",),
        (".sharepoint.cn",),
    ),
}


def is_within(url: str, hosts: tuple[str, ...], *, is_local: bool = False) -> bool:
    """Whether an address is https, on its usual port, at one of the hosts; or, if that may be, on this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if is_local and host in ("127.0.0.1", "localhost", "::1"):
        return parts.scheme in ("http", "https")
    if parts.scheme != "https" or port not in (None, 443) or parts.username is not None or "@" in parts.netloc:
        return False
    return any(host == each or (each[:1] == "." and host.endswith(each)) for each in hosts)


def origin_of(url: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
