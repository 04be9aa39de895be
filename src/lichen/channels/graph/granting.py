"""As whom Graph is asked: an application (client credentials), or the person who signed in once (refresh token).

Sources: Microsoft, "OAuth 2.0 client credentials flow", "Refresh tokens".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lichen.channels.platform.granting import Grant
from lichen.channels.port import Host

TOKEN_CHARACTERS_MAX: Final = 16_384


class Account(msgspec.Struct, frozen=True):
    """As whom Graph is asked. `secret` and `refresh` refer to secrets; with `refresh` as the person who signed in."""

    tenant: str
    client: str
    secret: str = ""
    refresh: str = ""
    login: str = "https://login.microsoftonline.com"
    base: str = "https://graph.microsoft.com"


def grant_of(host: Host, account: Account) -> Grant:
    """The token of an account."""
    asked = _Asked(host, account)
    return Grant(host, account.login, f"{account.tenant}/oauth2/v2.0/token", asked.form, asked.told)


class _Asked:
    """What is asked for: a refresh token that came with the last answer stands in for the one that is kept."""

    def __init__(self, host: Host, account: Account) -> None:
        self._host, self._account = host, account
        self._newer, self._older = "", ""

    async def form(self, hostname: str) -> Mapping[str, str]:
        account, form = self._account, {"client_id": self._account.client}
        if account.secret:
            form["client_secret"] = await self._host.secret(account.secret, hostname)
        if not account.refresh:
            return {**form, "grant_type": "client_credentials", "scope": f"{account.base.rstrip('/')}/.default"}
        kept = await self._host.secret(account.refresh, hostname)
        if kept != self._older:  # somebody signed in anew
            self._older, self._newer = kept, ""
        scope = f"{account.base.rstrip('/')}/Mail.Send offline_access"
        return {**form, "grant_type": "refresh_token", "refresh_token": self._newer or kept, "scope": scope}

    def told(self, said: Mapping[str, Any]) -> None:
        newer = said.get("refresh_token")
        if not said:
            self._newer = ""  # the one that is kept may be good again
        elif isinstance(newer, str) and 0 < len(newer) <= TOKEN_CHARACTERS_MAX:
            self._newer = newer
