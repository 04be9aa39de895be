"""What was refused, in the tenant's log: at once the first time, then once a minute with a count.

A stranger can ask as often as they like; what they can make a tenant write is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.policy import Check, Verdict
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal

WINDOW_S = 60.0
RECORDS_MAX = 600  # of one tenant and environment within a window
_EACH = 2  # records of one refusal: the first, and the count of those that were equal to it


class Equal(msgspec.Struct, frozen=True):
    """What equal refusals have in common."""

    scope: Scope
    by: str
    action: str
    resource: str
    verdict: str
    policy_digest: str


class _Window(msgspec.Struct):
    """Equal refusals since the first: `more` were not written yet."""

    refused: e.Refused
    contents: moves.Contents
    first_us: int
    more: int = 0


class _Others(msgspec.Struct):
    """Refusals of a tenant beyond what is written one by one."""

    first_us: int
    count: int = 0


class Refusals:
    """Writes them. `sleep` and `clock` (microseconds) are the world's."""

    def __init__(
        self,
        journal_of: Callable[[Scope], Journal],
        *,
        clock: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        new_id: Callable[[str], str],
    ) -> None:
        self._journal_of = journal_of
        self._clock = clock
        self._sleep = sleep
        self._new_id = new_id
        self._windows: dict[Equal, _Window] = {}
        self._others: dict[Scope, _Others] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, check: Check, verdict: Verdict) -> None:
        """An act was denied, or held. What cannot be written now is not written: the act is refused all the same."""
        if verdict.outcome == "allow":
            return
        journal = self._journal_of(check.scope)
        resource = journal.log.digest(f"resource\x00{check.resource}".encode()).hex()
        by = journal.log.pseudonym(check.actor)
        equal = Equal(check.scope, by, check.action, resource, verdict.outcome, verdict.policy_digest)
        self.flush(over_only=True)
        window = self._windows.get(equal)
        if window is not None:
            window.more += 1
        elif self._written(check.scope) + _EACH > RECORDS_MAX:
            self._others.setdefault(check.scope, _Others(self._clock())).count += 1
        else:
            self._open(equal, check, verdict)
        self._look_after()

    def _written(self, scope: Scope) -> int:
        return _EACH * sum(each.scope == scope for each in self._windows)

    def _open(self, equal: Equal, check: Check, verdict: Verdict) -> None:
        assert verdict.outcome != "allow"
        refused = e.Refused(
            check.action,
            equal.resource,
            verdict.outcome,
            self._new_id("refusal"),
            verdict.policies,
            verdict.policy_digest,
        )
        parts = [("resource", check.resource.encode()), ("operator", verdict.operator_reason.encode())]
        contents = moves.as_contents(parts, equal.by)
        self._windows[equal] = _Window(refused, contents, self._clock())
        with suppress(LichenError):
            self._journal_of(check.scope).log.name(check.actor)
            self._append(equal.scope, equal.by, refused, contents)

    def flush(self, *, over_only: bool = False) -> None:
        """Writes the counts that are outstanding; with `over_only` those whose minute is over."""
        until_us = self._clock() - int(WINDOW_S * 1e6) if over_only else self._clock()
        for equal, window in [item for item in self._windows.items() if item[1].first_us <= until_us]:
            del self._windows[equal]
            if window.more:
                rest = msgspec.structs.replace(
                    window.refused, id=self._new_id("refusal"), count=window.more, first_us=window.first_us
                )
                with suppress(LichenError):
                    self._append(equal.scope, equal.by, rest, window.contents)
        for scope, others in [item for item in self._others.items() if item[1].first_us <= until_us]:
            del self._others[scope]
            rest = e.Refused("", "", "deny", self._new_id("refusal"), count=others.count, first_us=others.first_us)
            with suppress(LichenError):
                self._append(scope, "system", rest, ())

    def _append(self, scope: Scope, by: str, refused: e.Refused, contents: moves.Contents) -> None:
        self._journal_of(scope).append({TENANT_STREAM: (e.Draft(refused, contents),)}, actor=by)

    def _look_after(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while self._windows or self._others:
            await self._sleep(WINDOW_S)
            self.flush(over_only=True)

    def close(self) -> None:
        """Writes what is outstanding; nothing is counted after it."""
        if self._task is not None:
            self._task.cancel()
        self.flush()
