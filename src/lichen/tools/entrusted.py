"""A tool with the secrets that it was handed for one act: it is told them, and what it says is told without them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    Happened,
    NeedsAnswer,
    NotDone,
    Probe,
    Produced,
    Resources,
    Tool,
    ToolSpec,
)
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import LichenError
from lichen.core.words.failure import Failure
from lichen.tools.failure import failure_of
from lichen.tools.withholding import Withholding
from lichen.tools.workers.frames import ToolFailed
from lichen.tools.workers.placement import StillRunning


class Entrusted:
    """The tool of one act. `withheld` counts how often it said a secret."""

    def __init__(self, tool: Tool, secrets: Mapping[str, Secret]) -> None:
        self._tool, self._secrets = tool, secrets
        self._kept = Withholding(secrets.values())

    @property
    def spec(self) -> ToolSpec:
        """That of the tool."""
        return self._tool.spec

    @property
    def withheld(self) -> int:
        """How often a secret was taken out of what the tool said."""
        return self._kept.count

    def bound(self, resources: Resources) -> Entrusted:
        """The same, over the tool as it works in a runtime."""
        return Entrusted(self._tool.bound(resources), self._secrets)

    def decode(self, args: bytes) -> Arguments:
        """As the tool does."""
        return self._tool.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """The facts without the secrets. Raises what the tool raises, without them."""
        try:
            return self._kept.json(await self._tool.facts(args, self._told(meta)))
        except Exception as error:
            told = self._hushed(error)
            if told is error:
                raise
            raise told from None

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """The result and the artifacts without the secrets. Raises what the tool raises, without them."""
        try:
            return self._without(await self._tool.execute(args, self._told(meta)))
        except StillRunning as error:
            raise StillRunning(self._late(error.ended)) from None
        except Exception as error:
            told = self._hushed(error)
            if told is error:
                raise
            raise told from None

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """What the probe found, without the secrets."""
        try:
            found = await self._tool.probe(args, self._told(meta))
        except Exception as error:
            told = self._hushed(error)
            if told is error:
                raise
            raise told from None
        match found:
            case Happened(result):
                return Happened(self._kept.json(result))
            case CannotTell(failure) if failure is not None:
                return CannotTell(self._kept.failure(failure))
            case _:
                return found

    def _without(self, said: bytes | Produced) -> bytes | Produced:
        if isinstance(said, Produced):
            artifacts = self._kept.json(said.artifacts) if said.artifacts else b""
            return Produced(self._kept.json(said.result), artifacts, said.label)
        return self._kept.json(said)

    def _told(self, meta: CallMeta) -> CallMeta:
        return msgspec.structs.replace(meta, secrets=self._secrets)

    def _late(self, ended: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """What a call that was cut off comes to in the end, without the secrets."""
        told = _Late(self._kept, loop=asyncio.get_running_loop())

        def tell(_: asyncio.Future[Any]) -> None:
            if told.done():
                return
            if ended.cancelled():
                told.cancel()
            elif (error := ended.exception()) is not None:
                told.set_exception(self._hushed(error) if isinstance(error, Exception) else error)
            else:
                told.set_result(self._without(ended.result()))

        ended.add_done_callback(tell)
        return told

    def _hushed(self, error: Exception) -> Exception:
        """The error itself, or where it says a secret another one in its place, which says none."""
        if isinstance(error, NeedsAnswer):
            return self._asking(error)
        before, failure = self._kept.count, self._kept.failure(failure_of(error))
        for issue in error.issues if isinstance(error, NotDone) else ():
            self._kept.issue(issue)
        message, code = "The tool failed, and said a secret.", ToolFailed.code
        if isinstance(error, NotDone | LichenError):
            message, code = self._kept.text(error.message), self._kept.code(error.code)
        foreign_code = self._kept.text(error.foreign_code) if isinstance(error, NotDone) else ""
        if self._kept.count == before:
            return error
        told: NotDone | _TimedOut | ToolFailed
        match error:
            case NotDone():
                issues = tuple(self._kept.issue(each) for each in error.issues)
                told = NotDone(
                    message,
                    code=code,
                    retryable=error.retryable,
                    issues=issues,
                    recovery=error.recovery,
                    foreign_code=foreign_code,
                    pause_s=error.pause_s,
                )
            case TimeoutError():
                told = _TimedOut(message)
            case _:
                told = ToolFailed(message, code=code)
        told.failure = failure
        return told

    def _asking(self, asked: NeedsAnswer) -> Exception:
        """The question without the secrets. One whose state holds some is not asked: it would be kept with it."""
        state = asked.state.decode(errors="replace")
        if self._kept.text(state) != state:
            return ToolFailed("The tool would keep a secret while it waits for an answer.", code=ToolFailed.code)
        question, schema = self._kept.text(asked.question), self._kept.json(msgspec.json.encode(asked.schema))
        return NeedsAnswer(
            question,
            msgspec.json.decode(schema),
            state=asked.state,
            asker=asked.asker,
            goes_on=asked.goes_on,
            expires_s=asked.expires_s,
        )


class _Late(asyncio.Future[Any]):
    """What a call that was cut off comes to, and what was taken out of it."""

    def __init__(self, kept: Withholding, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.kept = kept


def withheld_in(ended: asyncio.Future[Any]) -> int:
    """How often a secret was taken out of what a call that was cut off came to."""
    return ended.kept.count if isinstance(ended, _Late) else 0


class _TimedOut(TimeoutError):
    """A tool gave up waiting, and said a secret when it did."""

    failure: Failure | None = None
