"""Channels from their tables: each is made by the package that brings it, and one that fails leaves the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from lichen.channels.kinds import CHANNELS
from lichen.channels.port import ChannelMaker, ChannelPort, Setup
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Channels, Opened
from lichen.runtime.channels.host import ChannelHost
from lichen.runtime.channels.reserved import wrong_with_target
from lichen.settings.file import FILE, Settings, Tenant
from lichen.settings.reading import Read

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
NAMED: Final = "Name it with 1-32 lower-case letters, digits, hyphens and underscores; `kind` says what it is."


def open_channels(file: Read, settings: Settings) -> tuple[Channels, tuple[LichenError, ...]]:
    """The channels that tenants declare, and what is wrong with their tables, each with its line."""
    opened: list[Opened] = []
    errors: list[LichenError] = []
    for name, tenant in settings.tenants.items():
        errors += _ambiguous(file, name, tenant)
        for channel, table in tenant.channels.items():
            try:
                opened.append(_opened(file, name, tenant, channel, table))
            except LichenError as error:
                error.place = error.place or file.place("tenants", name, channel)
                errors.append(error)
    errors += _shared(file, opened)
    errors += _reserved(file, opened, settings)
    return Channels(opened), tuple(errors)


@runtime_checkable
class _Writes(Protocol):
    """A channel that adds what it sends to a file."""

    writes_to: Path


def _shared(file: Read, opened: list[Opened]) -> Iterator[LichenError]:
    """The channels that write to a file which another one has already; they are taken out, for tenants lie apart."""
    taken: dict[Path, Opened] = {}
    for each in tuple(opened):
        if not isinstance(each.channel, _Writes):
            continue
        first = taken.setdefault(each.channel.writes_to.resolve(), each)
        if first is not each:
            opened.remove(each)
            yield Invalid(
                f"The channel {first.name} of {first.scope.tenant} writes to this file already.",
                code="path_taken",
                place=file.place("tenants", each.scope.tenant, each.name, "path"),
                next_step="Name a file of its own: no two channels write to one.",
            )


def _reserved(file: Read, opened: list[Opened], settings: Settings) -> Iterator[LichenError]:
    """The channels that would write to what the project is made of; they are taken out."""
    for each in tuple(opened):
        if isinstance(each.channel, _Writes):
            wrong = wrong_with_target(each.channel.writes_to, settings)
            if wrong is not None:
                opened.remove(each)
                wrong.place = file.place("tenants", each.scope.tenant, each.name, "path")
                yield wrong


def _ambiguous(file: Read, name: str, tenant: Tenant) -> Iterator[LichenError]:
    """Whether a package, too, brings what the tenant's web chat is called."""
    if tenant.webchat is None:
        return
    try:
        CHANNELS.find("webchat")
    except Invalid as error:
        error.place = file.place("tenants", name, "webchat")
        yield error


def _opened(file: Read, tenant: str, declared: Tenant, channel: str, table: Mapping[str, Any]) -> Opened:
    kind = table.get("kind") or channel

    def made(maker: ChannelMaker) -> Opened:
        settings = file.table(table, maker.settings, "tenants", tenant, channel)
        if settings.env not in declared.environments:
            known = ", ".join(declared.environments)
            steps = ("tenants", tenant, channel, "env")
            raise file.unknown(f"environment of {tenant}", settings.env, *steps, code="env_unknown", known=known)
        scope = Scope(tenant, settings.env)
        host = ChannelHost(scope, channel, file.path.parent)
        made = _checked(maker(Setup(scope, settings, channel, host)), channel)
        return Opened(channel, scope, made, kind, settings.team, host, settings, table)

    if not isinstance(kind, str) or not NAME.fullmatch(channel):
        raise Invalid(f"A channel cannot be called {channel!r}.", code="channel_invalid", next_step=NAMED)
    try:
        found = CHANNELS.make(kind, made)
    except Invalid as error:
        if error.code != "plugin_broken":
            raise
        return Opened(channel, Scope(tenant, declared.environments[0]), error, kind, table=table)
    if found is None:
        raise _unknown(kind)
    return found


def _checked(channel: ChannelPort, name: str) -> ChannelPort:
    lacks = [each for each in ("verify", "parse", "render", "send") if not callable(getattr(channel, each, None))]
    if lacks:
        raise TypeError(f"what {name} makes has no {' and no '.join(lacks)}")
    if channel.name != name:
        raise ValueError(f"the channel calls itself {channel.name!r}, and its table {name!r}")
    return channel


def _unknown(name: str) -> Invalid:
    tables = [field.encode_name for field in msgspec.structs.fields(Tenant)]
    (close,) = get_close_matches(name, [*CHANNELS.names, *tables], 1) or ("",)
    meant = f"Did you mean {close!r}? " if close else ""
    return Invalid(
        f"There is no setting and no channel {name!r}.",
        code="channel_unknown",
        next_step=f"{meant}Channels: {', '.join(CHANNELS.names)}. Install the package that brings another, or correct "
        f"{FILE}.",
    )
