"""The platforms that a tenant is on: what each channel lacks, whether its settings are right, what its platform knows
of us, and a message to try it out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from lichen.channels.port import ChannelPort, Checking, Pointing, Registering
from lichen.core.ports.secrets import Secret
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Conflict, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Outbound
from lichen.gate.secrets.sources import named
from lichen.runtime.access.access import EVERYTHING, About, Access
from lichen.runtime.access.changes import Changes
from lichen.runtime.channels.channels import Channels, Opened
from lichen.runtime.operations.channels.answering import ANSWER_S, answered
from lichen.runtime.operations.channels.candidate import candidate_of

SAID_CHARACTERS_MAX: Final = 500
SAID_MAX: Final = 10
WORDS: Final = "This is a test of the channel {name}. Nobody has to answer it."


class Lack(msgspec.Struct, frozen=True):
    """A secret that a channel refers to and cannot be handed, and why."""

    reference: str
    code: str


class PlatformView(msgspec.Struct, frozen=True):
    """A channel of a tenant. `webhook` is the path that its platform brings messages to; `code` and `message` say what
    is wrong with the package that brings it; `registers`, `checks`: whether it can tell its platform where we are, and
    ask it who we are."""

    name: str
    kind: str
    env: str
    team: str
    webhook: str
    lacks: tuple[Lack, ...]
    registers: bool
    checks: bool
    code: str
    message: str
    summary: str


class Asked(msgspec.Struct, frozen=True):
    """What came of asking a platform, in its own words. `webhook` is the address that it was told. `sends_to` are those
    that it sends to, None where it cannot be asked, and `trouble` what it says is wrong with that."""

    name: str
    said: str
    webhook: str = ""
    sends_to: tuple[str, ...] | None = None
    trouble: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True):
    """What became of a test message: `delivered`, `retry`, `failed` or `unknown`, and a code why."""

    name: str
    outcome: str
    code: str


class Platforms:
    """Lists, checks, registers and tries channels. Raises Denied, and NotFound (`channel_unknown`)."""

    def __init__(
        self,
        access: Access,
        changes: Changes,
        channels: Channels,
        *,
        folder: Path | None,
        clock: Callable[[], int],
        new_id: Callable[[str], str],
    ) -> None:
        self._access, self._changes, self._channels = access, changes, channels
        self._clock, self._new_id = clock, new_id
        self._folder = folder

    async def list(self, scope: Scope, actor: Actor) -> tuple[PlatformView, ...]:
        """Every channel of the scope, by name."""
        self._access.ask("channel.read", scope, actor, EVERYTHING)
        own = sorted((each for each in self._channels.all if each.scope == scope), key=lambda each: each.name)
        return tuple([await _view(each) for each in own])

    async def check(self, scope: Scope, name: str, actor: Actor) -> Asked:
        """Asks the platform who we are there. A channel that cannot ask has only its secrets looked for.

        Raises Unavailable (`channel_secret_missing`, `platform_unreachable`, `channel_failed`), Denied.
        """
        self._access.ask("channel.check", scope, actor, About(name))
        opened, channel = self._find(scope, name)
        said = await _checked(opened, channel, name)
        if not isinstance(channel, Pointing):
            return Asked(name, said)
        found = await answered(channel.pointed())
        return Asked(name, said, "", _short(found.urls), _short(found.trouble))

    async def check_candidate(self, scope: Scope, name: str, actor: Actor, *, secrets: Mapping[str, Secret]) -> Asked:
        """Asks the platform of a channel as `check` does before its table and `secrets`, by name, take effect: the
        table is that of the settings that lie beside those in force. Nothing is kept.

        Raises NotFound (`candidate_missing`, `channel_unknown`), and as `check`.
        """
        self._access.ask("channel.check", scope, actor, About(name))
        for each in secrets:
            self._access.ask("secret.set", scope, actor, About(named(scope, each)))
        if self._folder is None:
            raise NotFound("There is no project here.", code="candidate_missing", next_step="Run `lichen init`.")
        opened, channel = await asyncio.to_thread(candidate_of, self._folder, scope, name)
        self._channels.lend(opened, secrets)
        return Asked(name, await _checked(opened, channel, name))

    async def register(self, scope: Scope, name: str, actor: Actor, *, public_url: str) -> Asked:
        """Has the platform send to us, who are at `public_url` for the world. Repeated, it is registered once.

        Raises Invalid (`public_url_invalid`), Conflict (`channel_by_hand`) where people have to do it, and as `check`.
        """
        ruling = self._access.ask("channel.register", scope, actor, About(name))
        opened, channel = self._find(scope, name)
        webhook = webhook_of(public_url, opened)
        if not isinstance(channel, Registering):
            raise _by_hand(name)
        said = (await answered(channel.register(webhook)))[:SAID_CHARACTERS_MAX]
        await self._changes.note(scope, "config", f"channel.registered:{name}", actor, ruling)
        return Asked(name, said, webhook)

    async def unregister(self, scope: Scope, name: str, actor: Actor) -> Asked:
        """Has the platform send nothing more. Raises as `register`."""
        ruling = self._access.ask("channel.register", scope, actor, About(name))
        _, channel = self._find(scope, name)
        if not isinstance(channel, Registering):
            raise _by_hand(name)
        said = (await answered(channel.unregister()))[:SAID_CHARACTERS_MAX]
        await self._changes.note(scope, "config", f"channel.unregistered:{name}", actor, ruling)
        return Asked(name, said)

    async def test(self, scope: Scope, name: str, actor: Actor, *, to: str) -> Tried:
        """Sends a test message to an address in the channel's own form. It is no part of any conversation, and is not
        sent again."""
        ruling = self._access.ask("channel.test", scope, actor, About(name))
        _, channel = self._find(scope, name)
        await self._changes.note(scope, "config", f"channel.tested:{name}", actor, ruling)
        session, id = SessionId(self._new_id("session")), MessageId(self._new_id("test"))
        said = Saying(WORDS.format(name=name))
        message = Outbound(id, session, "notice", said, self._clock(), address=to.encode())
        try:
            async with asyncio.timeout(ANSWER_S):
                delivery = await channel.send(scope, message)
        except msgspec.MsgspecError:
            step = "Take the address of a conversation that the channel has, in the channel's own form."
            raise Invalid(
                "This is no address of this channel.", code="address_invalid", place="to", next_step=step
            ) from None
        except Exception as error:  # noqa: BLE001 - a package may raise anything, and then nobody knows
            code = error.code if isinstance(error, LichenError) else "channel_failed"
            return Tried(name, "unknown", code)
        return Tried(name, delivery.outcome, delivery.code)

    def _find(self, scope: Scope, name: str) -> tuple[Opened, ChannelPort]:
        opened = self._channels.find(name, scope.tenant)
        if opened.scope != scope:
            step = f"Add --env {opened.scope.env}."
            raise NotFound("This channel is of another environment.", code="channel_unknown", next_step=step)
        return opened, self._channels.get(name, scope.tenant)[1]


def webhook_of(public_url: str, opened: Opened) -> str:
    """The whole address of a channel. Raises Invalid (`public_url_invalid`) unless it is https, on a host alone."""
    parts = urlsplit(public_url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        step = "Give the address that the world reaches this server by, such as https://bots.example.com."
        raise Invalid("Platforms send to an https address.", code="public_url_invalid", next_step=step)
    return f"{public_url.rstrip('/')}{opened.path}"


def _by_hand(name: str) -> Conflict:
    step = f"Do what `lichen channel add` printed; `lichen channel list` says the address of {name}."
    return Conflict("Its platform is told by a person where we are.", code="channel_by_hand", next_step=step)


def _short(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(each[:SAID_CHARACTERS_MAX] for each in said)[:SAID_MAX]


async def _checked(opened: Opened, channel: ChannelPort, name: str) -> str:
    """What the platform says of us; nothing for a channel that cannot ask, once its secrets can be had."""
    if isinstance(channel, Checking):
        return (await answered(channel.check()))[:SAID_CHARACTERS_MAX]
    for lack in await _lacks(opened):
        step = f"`lichen secrets set {lack.reference.partition(':')[2]}`, or `lichen channel update {name}`."
        raise Unavailable(f"{lack.reference} cannot be had.", code=lack.code, next_step=step)
    return ""


async def _lacks(opened: Opened) -> tuple[Lack, ...]:
    if opened.host is None:
        return ()
    found = [(each, await opened.host.lacks(each)) for each in opened.secrets()]
    return tuple(Lack(reference, code) for reference, code in found if code)


async def _view(opened: Opened) -> PlatformView:
    channel, lacks = opened.channel, await _lacks(opened)
    is_broken = isinstance(channel, LichenError)
    code, message = (channel.code, channel.message) if isinstance(channel, LichenError) else ("", "")
    state = message or (f"lacks {', '.join(each.reference for each in lacks)}" if lacks else "has what it needs")
    return PlatformView(
        opened.name,
        opened.kind,
        opened.scope.env,
        opened.team,
        opened.path,
        lacks,
        not is_broken and isinstance(channel, Registering),
        not is_broken and isinstance(channel, Checking),
        code,
        message,
        f"{opened.name}, {opened.kind}: {state}",
    )
