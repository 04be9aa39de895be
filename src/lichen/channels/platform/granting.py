"""A token that a platform is asked with: kept while it is good, asked for once however many wait.

Sources: RFC 6749, 4.4 and 6; Microsoft, "OAuth 2.0 client credentials flow" and "Refresh tokens".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from lichen.channels.platform.calling import Answer, Api, CutOff, NotSent, fields_of, retry_after_s
from lichen.channels.port import Host
from lichen.engine.ports import Delivery

EARLY_S: Final = 300.0
CREDENTIALS_S: Final = 60.0
_FORM: Final = "application/x-www-form-urlencoded"

Form = Callable[[str], Awaitable[Mapping[str, str]]]
"""What is asked for, with the secrets that whoever gives tokens, by this host name, is handed."""


class Grant:
    """The token of one account, asked for at `path` of `login`. `told` hears what came of it, nothing of a refusal."""

    def __init__(
        self,
        host: Host,
        login: str,
        path: str,
        form: Form,
        told: Callable[[Mapping[str, Any]], None] = lambda said: None,
    ) -> None:
        self._host, self._login, self._path, self._form, self._told = host, login, path, form, told
        self._token, self._until_us = "", 0
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
        self._made = self._made or Api(self._host, self._login)
        form = await self._form(self._made.hostname)
        try:
            answer = await self._made.ask("POST", self._path, content=urlencode(form).encode(), media_type=_FORM)
        except CutOff:
            raise NotSent(Delivery("retry", "platform_unreachable")) from None
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        said, now_us = fields_of(answer), self._host.now_us()
        token, lasts_s = said.get("access_token"), said.get("expires_in")
        if not answer.is_ok or not isinstance(token, str) or not isinstance(lasts_s, int | float):
            self._told({})
            raise NotSent(_refused(answer, now_us))
        self._token = token
        self._until_us = now_us + int(max(float(lasts_s) - EARLY_S, 0.0) * 1e6)
        self._told(said)


def _refused(answer: Answer, now_us: int) -> Delivery:
    if answer.status in (400, 401, 403):
        return Delivery("retry", "credentials_refused", CREDENTIALS_S)
    return Delivery("retry", "platform_busy", retry_after_s(answer, now_us))
