"""Channels from their tables: each is made by the package that brings it, and one that fails leaves the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from lichen.channels.port import CHANNELS, ChannelMaker, ChannelPort, Setup
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.scope import Scope
from lichen.runtime.channels.channels import Channels, Opened
from lichen.settings.file import FILE, Settings, Tenant
from lichen.settings.reading import Read


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
    return Channels(opened), tuple(errors)


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
    def made(maker: ChannelMaker) -> tuple[Scope, ChannelPort]:
        settings = file.table(table, maker.settings, "tenants", tenant, channel)
        if settings.env not in declared.environments:
            known = ", ".join(declared.environments)
            steps = ("tenants", tenant, channel, "env")
            raise file.unknown(f"environment of {tenant}", settings.env, *steps, code="env_unknown", known=known)
        scope = Scope(tenant, settings.env)
        return scope, _checked(maker(Setup(scope, settings)), channel)

    try:
        found = CHANNELS.make(channel, made)
    except Invalid as error:
        if error.code != "plugin_broken":
            raise
        return Opened(channel, Scope(tenant, declared.environments[0]), error)
    if found is None:
        raise _unknown(channel)
    return Opened(channel, *found)


def _checked(channel: ChannelPort, name: str) -> ChannelPort:
    lacks = [each for each in ("verify", "parse", "render", "send") if not callable(getattr(channel, each, None))]
    if lacks:
        raise TypeError(f"what {name} makes has no {' and no '.join(lacks)}")
    if channel.name != name:
        raise ValueError(f"the channel calls itself {channel.name!r}, and its entry point {name!r}")
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
