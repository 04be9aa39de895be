"""The bot's own token, by client credentials: kept while it is good, asked for once however many wait.

Source: Microsoft, "Authentication with the Bot Connector API"; RFC 6749, 4.4.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlencode

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, fields_of, retry_after_s
from lichen.channels.port import Host
from lichen.channels.teams.clouds import Cloud
from lichen.engine.ports import Delivery

EARLY_S: Final = 300.0
CREDENTIALS_S: Final = 60.0
_FORM: Final = "application/x-www-form-urlencoded"


class Grant:
    """The token of one bot. `reference` is the setting that says where its password is."""

    def __init__(self, host: Host, cloud: Cloud, tenant: str, app_id: str, reference: str) -> None:
        self._host, self._cloud = host, cloud
        self._path = f"{tenant or cloud.authority}/oauth2/v2.0/token"
        self._app_id, self._reference = app_id, reference
        self._token, self._until_us = "", 0
        self._asking = asyncio.Lock()
        self._made: Api | None = None

    async def token(self) -> str:
        """A token that is good for some minutes. Raises NotSent, Unavailable where the password is not there."""
        if self._host.now_us() >= self._until_us:
            async with self._asking:
                if self._host.now_us() >= self._until_us:
                    await self._ask()
        return self._token

    def forget(self) -> None:
        """Has the next one asked for anew: this one was refused."""
        self._token, self._until_us = "", 0

    async def _ask(self) -> None:
        self._made = self._made or Api(self._host, self._cloud.login)
        password = await self._host.secret(self._reference, self._made.hostname)
        form = {
            "grant_type": "client_credentials",
            "client_id": self._app_id,
            "client_secret": password,
            "scope": self._cloud.scope,
        }
        try:
            answer = await self._made.ask("POST", self._path, content=urlencode(form).encode(), media_type=_FORM)
        except CutOff:
            raise NotSent(Delivery("retry", "platform_unreachable")) from None
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        said, now_us = fields_of(answer), self._host.now_us()
        token, lasts_s = said.get("access_token"), said.get("expires_in")
        if not answer.is_ok or not isinstance(token, str) or not isinstance(lasts_s, int | float):
            raise NotSent(_refused(answer, now_us))
        self._token = token
        self._until_us = now_us + int(max(float(lasts_s) - EARLY_S, 0.0) * 1e6)


def _refused(answer: Answer, now_us: int) -> Delivery:
    if answer.status in (400, 401, 403):
        return Delivery("retry", "credentials_refused", CREDENTIALS_S)
    return Delivery("retry", "platform_busy", retry_after_s(answer, now_us))
