"""How the channels of a scope are: what came by each and went out last, what waits, and what is amiss. No platform is
asked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from lichen.channels.port import mend_of
from lichen.core.deciders import events as e
from lichen.core.words.scope import Actor, Scope
from lichen.engine.engine import Engine
from lichen.log.views.durable import Durable
from lichen.runtime.channels.channels import Channels
from lichen.runtime.channels.traffic import Sent
from lichen.runtime.operations.channels.platforms import Platforms, PlatformView
from lichen.runtime.views.story.replies import reason_of
from lichen.settings import Settings

OPEN_MAX: Final = 10_000  # messages that are counted
LOOKED_BACK: Final = 64  # stored records of a conversation
SESSIONS_MAX: Final = 100  # of a channel that are looked through for what came and went last
PAGE: Final = 20
BUILT_IN: Final = ("webchat", "api", "cli")

State = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """What is to be said of a channel, and what mends it; empty where nothing has to be done. It is so until
    `until_us`, where that is known."""

    state: State
    what: str
    mend: str = ""
    until_us: int | None = None


class ChannelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A channel, and how it is. `platform` is what lichen.toml declares of it; None for the web chat, the API and
    whatever is declared no more. `last_in_us` and `last_out_us` are when a customer wrote last and when a message was
    there last. Of its messages `waiting` are on their way, `failed` and `in_doubt` wait for a person, as do `letters`,
    which came in and could not be taken. `sent` is what it was handed since the process began. `state` is that of the
    worst of the findings."""

    name: str
    kind: str
    platform: PlatformView | None
    conversations: int
    last_in_us: int | None
    last_out_us: int | None
    waiting: int
    failed: int
    in_doubt: int
    letters: int
    sent: Sent
    state: State
    findings: tuple[Finding, ...]
    summary: str


class _Last(NamedTuple):
    in_us: int | None
    out_us: int | None


class _Facts(NamedTuple):
    """What the log knows of channels, by their names."""

    conversations: Mapping[str, int]
    last: Mapping[str, _Last]
    open: Mapping[str, Mapping[str, int]]


class ChannelHealths:
    """Says how channels are. Raises Denied."""

    def __init__(self, engine: Engine, platforms: Platforms, channels: Channels, settings: Settings | None) -> None:
        self._engine, self._platforms = engine, platforms
        self._channels, self._settings = channels, settings

    async def list(self, scope: Scope, actor: Actor) -> tuple[ChannelHealth, ...]:
        """Every channel that the scope has or its conversations came by, by name."""
        declared = {each.name: each for each in await self._platforms.list(scope, actor)}
        log = self._engine.journal(scope).log
        facts = await log.looked_back(lambda durable: _facts(durable, declared))
        letters = Counter(each.channel for each in log.letters().values())
        names = sorted({*declared, *facts.conversations, *letters})
        return tuple([self._health(scope, name, declared.get(name), facts, letters[name]) for name in names])

    def _health(
        self, scope: Scope, name: str, platform: PlatformView | None, facts: _Facts, letters: int
    ) -> ChannelHealth:
        sent, ways = self._channels.sent(scope, name), facts.open.get(name, {})
        waiting = ways.get("queued", 0) + ways.get("in_flight", 0)
        stuck = ways.get("failed", 0) + ways.get("in_doubt", 0) + letters
        findings = (*self._findings(scope, name, platform), *self._waiting(scope, name, sent), *_stuck(stuck))
        last = facts.last.get(name, _Last(None, None))
        kind = platform.kind if platform is not None else name if name in BUILT_IN else ""
        return ChannelHealth(
            name=name,
            kind=kind,
            platform=platform,
            conversations=facts.conversations.get(name, 0),
            last_in_us=last.in_us,
            last_out_us=last.out_us,
            waiting=waiting,
            failed=ways.get("failed", 0),
            in_doubt=ways.get("in_doubt", 0),
            letters=letters,
            sent=sent,
            state=_worst(findings),
            findings=findings,
            summary=f"{name}: {'; '.join(each.what for each in findings) or 'nothing is amiss'}",
        )

    def _findings(self, scope: Scope, name: str, platform: PlatformView | None) -> Iterator[Finding]:
        if platform is None:
            if not self._is_known(scope, name):
                step = f"Declare [tenants.{scope.tenant}.{name}] in lichen.toml again, or settle what waits."
                yield Finding("warning", "lichen.toml declares no such channel", step)
            return
        if platform.code:
            yield Finding("problem", f"{platform.message} ({platform.code})", "lichen doctor")
        for lack in platform.lacks:
            mend = mend_of(lack.reference, scope, channel=name, code=lack.code)
            yield Finding("problem", f"{lack.reference} cannot be had ({lack.code})", mend)

    def _waiting(self, scope: Scope, name: str, sent: Sent) -> Iterator[Finding]:
        """Why messages wait that are to be tried again, as far as this process knows; else that its platform rests."""
        journal, groups = self._engine.journal(scope), self._engine.services.held
        codes: set[str] = set()
        for each in groups.groups(lambda of, id: journal.unsent(id) if of == scope else None):
            if (each.scope, each.channel) != (scope, name):
                continue
            codes.add(each.code)
            reason, step = reason_of(each.code)
            messages = "1 message waits" if each.count == 1 else f"{each.count} messages wait"
            yield Finding("warning", f"{messages} ({each.code}): {reason}", step, each.until_us)
        if sent.rests_us is not None and sent.code not in codes:
            reason, step = reason_of(sent.code)
            yield Finding("warning", f"its platform is left alone ({sent.code}): {reason}", step, sent.rests_us)

    def _is_known(self, scope: Scope, name: str) -> bool:
        """Whether messages may come by a channel of this name without a table of its own."""
        tenant = self._settings.tenants.get(scope.tenant) if self._settings is not None else None
        routed = [route.channel for route in tenant.routes] if tenant is not None else []
        return name in BUILT_IN or name in routed or self._settings is None


def _worst(findings: Iterable[Finding]) -> State:
    states = {each.state for each in findings}
    return "problem" if "problem" in states else "warning" if "warning" in states else "ok"


def _stuck(count: int) -> Iterator[Finding]:
    if count:
        messages = "1 message waits" if count == 1 else f"{count} messages wait"
        yield Finding("warning", f"{messages} for a person", "lichen letters list")


# -- what the log knows ------------------------------------------------------------------------------------------


def _facts(durable: Durable, declared: Iterable[str]) -> _Facts:
    conversations = durable.channel_counts()
    last = {name: _last(durable, name) for name in {*declared, *conversations}}
    return _Facts(conversations, last, _open(durable))


def _open(durable: Durable) -> Mapping[str, Mapping[str, int]]:
    """How many messages of each channel are in which state."""
    rows = durable.open_rows(OPEN_MAX)
    channels = durable.channels_of(row.session for row in rows)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[channels.get(row.session, "")][row.state] += 1
    return found


def _last(durable: Durable, channel: str) -> _Last:
    """When a customer wrote last, and when a message was there last. The conversations that something happened in last
    are looked through for it, until no other can know better."""
    came, went, looked, before = 0, 0, 0, None
    while looked < SESSIONS_MAX:
        page = durable.recent_sessions(limit=PAGE, before_us=before, channel=channel)
        for stream, row in page:
            if row.last_us <= min(came, went):
                return _Last(came, went)
            for record in durable.last_of(stream.stream, None, LOOKED_BACK):
                match record.control:
                    case e.MessageReceived():
                        came = max(came, record.ts_us)
                    case e.DeliverySettled(outcome="delivered") | e.DeliveryResolved(decision="delivered"):
                        went = max(went, record.ts_us)
                    case _:
                        pass
        looked += len(page)
        if len(page) < PAGE:
            break
        before = page[-1][1].last_us
    return _Last(came or None, went or None)
