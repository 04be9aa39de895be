"""Mails that nobody has seen are handed in one after the other, the oldest first; each is seen once it is durable.

What a mailbox remembers is whether a mail was seen. A process that dies in between hands the mail in again, and it is
known by its own id: also in a mailbox that was moved, where every UID is another one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from lichen.channels.email.imap import Mailbox
from lichen.channels.port import Gateway, Inbound
from lichen.core.words.errors import Conflict, LichenError, TooMany, Unavailable
from lichen.engine.sends.failures import Fields, line
from lichen.tools.failure import raised_at

MAILS_MAX: Final = 200  # of one round
PAUSE_S_MAX: Final = 300.0
LATER: Final = (Conflict, TooMany)
"""What one mail is refused with that is taken later; of Unavailable the others would be refused as well."""

_log = logging.getLogger("lichen.channels.email")

Open = Callable[[], Awaitable[Mailbox]]
Read = Callable[[bytes], tuple[Inbound, ...]]


class Collecting:
    """Looks into a mailbox every `pause_s` until it is stopped; while the server is away, ever more rarely."""

    def __init__(self, opened: Open, read: Read, *, pause_s: float) -> None:
        self._open, self._read, self._pause_s = opened, read, pause_s
        self._ends = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._mailbox: Mailbox | None = None

    def start(self, gateway: Gateway) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(gateway))

    def drain(self) -> None:
        """Takes nothing new."""
        self._ends.set()

    async def stop(self) -> None:
        """Returns once nothing is under way."""
        self._ends.set()
        if self._task is not None:
            await self._task
        self._task = None

    async def _run(self, gateway: Gateway) -> None:
        failures = 0
        while not self._ends.is_set():
            try:
                is_more = await self._round(gateway)
            except Exception as error:  # noqa: BLE001 - a mailbox that is away today is there tomorrow
                failures += 1
                self._tell(error)
                await self._let_go()
                await self._wait(min(self._pause_s * 2**failures, PAUSE_S_MAX))
            else:
                failures = 0
                await self._wait(0 if is_more else self._pause_s)
        await self._let_go()

    async def _round(self, gateway: Gateway) -> bool:
        """Hands in what is new; whether there is more."""
        mailbox = self._mailbox = self._mailbox or await self._open()
        uids, left = await asyncio.to_thread(mailbox.unseen, MAILS_MAX), 0
        for uid in uids:
            if self._ends.is_set():
                return False
            try:
                is_taken = await self._take(mailbox, uid, gateway)
            except LATER as error:
                self._tell(error)
                left += 1
            else:
                await asyncio.to_thread(mailbox.see, uid, is_refused=not is_taken)
        return len(uids) == MAILS_MAX and not left

    async def _take(self, mailbox: Mailbox, uid: str, gateway: Gateway) -> bool:
        """Whether a mail is taken, or there is nothing in it to take. Raises what passes."""
        raw = await asyncio.to_thread(mailbox.fetch, uid)
        if raw is None:
            return False
        try:
            for message in await asyncio.to_thread(self._read, raw):
                await gateway.take(message)
        except (*LATER, Unavailable):
            raise
        except LichenError as error:
            self._tell(error)
            return False
        return True

    async def _wait(self, pause_s: float) -> None:
        try:
            await asyncio.wait_for(self._ends.wait(), pause_s)
        except TimeoutError:
            return

    async def _let_go(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            await asyncio.to_thread(mailbox.close)

    def _tell(self, error: Exception) -> None:
        code = error.code if isinstance(error, LichenError) else "mailbox_unreachable"
        fields: Fields = {"code": code, "exception": type(error).__name__, "at": raised_at(error)}
        _log.warning(line("mail", fields), extra={"event": "mail", "fields": fields})
