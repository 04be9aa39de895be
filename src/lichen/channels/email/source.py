"""Mails that nobody has seen are handed in one after the other, the oldest first; each is seen once it is durable.

What a mailbox remembers is whether a mail was seen. A process that dies in between hands the mail in again, and it is
known by its own id: also in a mailbox that was moved, where every UID is another one.

Between two looks a server that can says when something comes (IDLE); into another's mailbox we look now and then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from lichen.channels.email.imap import Mailbox
from lichen.channels.port import Gateway, Inbound, Noting, Report
from lichen.core.words.errors import Conflict, LichenError, TooMany, Unavailable
from lichen.engine.pace.race import race
from lichen.engine.sends.failures import Fields, line
from lichen.tools.failure import raised_at

MAILS_MAX: Final = 200  # of one round
PAUSE_S_MAX: Final = 300.0
LISTEN_S_MAX: Final = 9 * 60.0  # well below the 29 minutes of RFC 2177: routers forget quiet connections sooner
LATER: Final = (Conflict, TooMany)
"""What one mail is refused with that is taken later; of Unavailable the others would be refused as well."""

_log = logging.getLogger("lichen.channels.email")

Open = Callable[[], Awaitable[Mailbox]]
Read = Callable[[bytes], tuple[Inbound, ...]]
ReadReports = Callable[[bytes], tuple[Report, ...]]


class Collecting:
    """Looks into a mailbox every `pause_s` until it is stopped; while the server is away, ever more rarely."""

    def __init__(self, opened: Open, read: Read, reports: ReadReports, *, pause_s: float) -> None:
        self._open, self._read, self._reports, self._pause_s = opened, read, reports, pause_s
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
                stands = await self._round(gateway)
                if stands != "more":
                    await self._rest(is_quiet=stands == "quiet")
            except Exception as error:  # noqa: BLE001 - a mailbox that is away today is there tomorrow
                failures += 1
                self._tell(error)
                await self._let_go()
                await self._wait(min(self._pause_s * 2**failures, PAUSE_S_MAX))
            else:
                failures = 0
        await self._let_go()

    async def _round(self, gateway: Gateway) -> Literal["more", "later", "quiet"]:
        """Hands in what is new. Whether there is more, some is to be tried again later, or nothing is left."""
        mailbox = self._mailbox = self._mailbox or await self._open()
        uids, left = await asyncio.to_thread(mailbox.unseen, MAILS_MAX), 0
        for uid in uids:
            if self._ends.is_set():
                return "later"
            try:
                is_taken = await self._take(mailbox, uid, gateway)
            except LATER as error:
                self._tell(error)
                left += 1
            else:
                await asyncio.to_thread(mailbox.see, uid, is_refused=not is_taken)
        if left:
            return "later"
        return "more" if uids else "quiet"  # what came meanwhile was told meanwhile, and is told once

    async def _rest(self, *, is_quiet: bool) -> None:
        """Returns once there may be something to do."""
        mailbox = self._mailbox
        if mailbox is None or not mailbox.can_listen or not is_quiet:
            await self._wait(self._pause_s)
            return
        descriptor = await asyncio.to_thread(mailbox.listen)
        try:
            if descriptor is not None:
                await self._said(descriptor)
        finally:
            await asyncio.to_thread(mailbox.listened)

    async def _said(self, descriptor: int) -> None:
        """Returns once the server says something, nothing more is to be taken, or the time is over."""
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, said.set)
        try:
            await race({"said": said.wait(), "ends": self._ends.wait()}, timeout_s=LISTEN_S_MAX)
        finally:
            loop.remove_reader(descriptor)

    async def _take(self, mailbox: Mailbox, uid: str, gateway: Gateway) -> bool:
        """Whether a mail is taken, or there is nothing in it to take. Raises what passes."""
        raw = await asyncio.to_thread(mailbox.fetch, uid)
        if raw is None:
            return False
        reports = await asyncio.to_thread(self._reports, raw)
        for report in reports:
            if not isinstance(gateway, Noting):
                return False  # a person sees that it is flagged
            await gateway.note(report)
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
