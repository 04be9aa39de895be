"""The token that Graph is asked with: for an application (client credentials), or for the person who signed in once
(refresh token). Kept while it is good, asked for once however many wait.

Sources: Microsoft, "OAuth 2.0 client credentials flow", "Refresh tokens"; RFC 6749, 4.4 and 6.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

import msgspec

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, fields_of, retry_after_s
from lichen.channels.port import Host
from lichen.engine.ports import Delivery

EARLY_S: Final = 300.0
CREDENTIALS_S: Final = 60.0
TOKEN_CHARACTERS_MAX: Final = 16_384
_FORM: Final = "application/x-www-form-urlencoded"


class Account(msgspec.Struct, frozen=True):
    """As whom Graph is asked. `secret` and `refresh` refer to secrets; with `refresh` as the person who signed in."""

    tenant: str
    client: str
    secret: str = ""
    refresh: str = ""
    login: str = "https://login.microsoftonline.com"
    base: str = "https://graph.microsoft.com"


class Grant:
    """The token of one account."""

    def __init__(self, host: Host, account: Account) -> None:
        self._host, self._account = host, account
        self._token, self._until_us, self._newer, self._older = "", 0, "", ""
        self._asking = asyncio.Lock()
        self._made: Api | None = None

    async def token(self) -> str:
        """A token that is good for some minutes. Raises NotSent, Unavailable where a secret is not there."""
        if self._host.now_us() >= self._until_us:
            async with self._asking:
                if self._host.now_us() >= self._until_us:
                    await self._ask()
        return self._token

    def forget(self) -> None:
        """Has the next one asked for anew: this one was refused."""
        self._token, self._until_us = "", 0

    async def _ask(self) -> None:
        self._made = self._made or Api(self._host, self._account.login)
        form = await self._form(self._made.hostname)
        path = f"{self._account.tenant}/oauth2/v2.0/token"
        try:
            answer = await self._made.ask("POST", path, content=urlencode(form).encode(), media_type=_FORM)
        except CutOff:
            raise NotSent(Delivery("retry", "platform_unreachable")) from None
        self._take(answer)

    async def _form(self, hostname: str) -> dict[str, str]:
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

    def _take(self, answer: Answer) -> None:
        said, now_us = fields_of(answer), self._host.now_us()
        token, lasts_s, newer = said.get("access_token"), said.get("expires_in"), said.get("refresh_token")
        if not answer.is_ok or not isinstance(token, str) or not isinstance(lasts_s, int | float):
            self._newer = ""  # the one that is kept may be good again
            raise NotSent(_refused(answer, now_us))
        self._token = token
        self._until_us = now_us + int(max(float(lasts_s) - EARLY_S, 0.0) * 1e6)
        if isinstance(newer, str) and 0 < len(newer) <= TOKEN_CHARACTERS_MAX:
            self._newer = newer


def _refused(answer: Answer, now_us: int) -> Delivery:
    if answer.status in (400, 401, 403):
        return Delivery("retry", "credentials_refused", CREDENTIALS_S)
    return Delivery("retry", "platform_busy", retry_after_s(answer, now_us))
