"""What setting a channel up will change: its table, and which secrets are kept under which names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import count
from typing import Any, cast

import msgspec
import msgspec.structs

from lichen.channels.port import ChannelMaker, ChannelSettings, Guide
from lichen.cli.channels.answers import Given
from lichen.core.ports.secrets import SEALED
from lichen.core.words.errors import Conflict, Invalid, NotFound
from lichen.settings.file import FILE, Settings, Tenant


class Plan(msgspec.Struct, frozen=True):
    """A channel as it will be. `table` is what lichen.toml says of it, `secrets` values by the name of each secret."""

    kind: str
    name: str
    tenant: str
    env: str
    table: Mapping[str, Any]
    secrets: Mapping[str, str]


def planned(
    kind: str, maker: ChannelMaker, guide: Guide, given: Given, *, name: str, tenant: str, env: str,
    before: Mapping[str, Any] | None = None,
) -> Plan:  # fmt: skip
    """The channel with these answers, over the table it has already."""
    fields = {each.name: each.default for each in msgspec.structs.fields(maker.settings)}
    table: dict[str, Any] = {} if name == kind else {"kind": kind}
    table |= {} if env == fields["env"] else {"env": env}
    table |= dict(before or {})
    for key, value in given.settings.items():
        said = [value] if _is_many(fields[key]) and isinstance(value, str) else value
        if msgspec.to_builtins(fields[key]) == said if fields[key] is not msgspec.NODEFAULT else False:
            table.pop(key, None)
        else:
            table[key] = said
    secrets: dict[str, str] = {}
    for key, value in given.secrets.items():
        reference = _reference(table.get(key)) or _named(kind, name, key, fields[key])
        secrets[reference.removeprefix("secret:")] = value
        if _reference(msgspec.to_builtins(fields[key]) if fields[key] is not msgspec.NODEFAULT else "") != reference:
            table[key] = [reference] if _is_many(fields[key]) else reference
    return Plan(kind, name, tenant, env, table, secrets)


def switched(plan: Plan, channel: Mapping[str, Any], maker: ChannelMaker, kept: Mapping[str, str]) -> Plan:
    """The plan with secrets under new names wherever more than one thing would change: then the table takes it all into
    force at once, and a death in between leaves the old as it was. `kept` are sources of those that there are."""
    replaced = [each for each in plan.secrets if kept.get(each) == SEALED.kind]
    if not replaced or len(replaced) + (plan.table != channel) <= 1:
        return plan
    names = {each: _free(each, kept) for each in replaced}
    said = {each.name: plan.table.get(each.name, each.default) for each in msgspec.structs.fields(maker.settings)}
    table = dict(plan.table)
    for key, value in said.items():
        name = names.get(_reference(value).removeprefix("secret:"))
        if name is not None:
            table[key] = [f"secret:{name}", *value[1:]] if isinstance(value, (list, tuple)) else f"secret:{name}"
    return msgspec.structs.replace(plan, table=table, secrets={names.get(k, k): v for k, v in plan.secrets.items()})


def _free(name: str, kept: Collection[str]) -> str:
    """The name of the next one of a secret: `slack-bot-token`, `slack-bot-token-2`."""
    stem, _, number = name.rpartition("-")
    stem = stem if stem and number.isascii() and number.isdecimal() else name
    return next(each for n in count(2) if (each := f"{stem}-{n}") not in kept)


def _is_many(default: object) -> bool:
    return isinstance(default, tuple)


def texts_of(value: object) -> tuple[str, ...]:
    """The text of a setting, or its several."""
    several = cast("tuple[object, ...]", value) if isinstance(value, (list, tuple)) else (value,)
    return tuple(each for each in several if isinstance(each, str))


def _reference(value: object) -> str:
    """The secret that a setting refers to, where it is one of those that are kept here."""
    return next((each for each in texts_of(value)[:1] if each.startswith("secret:")), "")


def _named(kind: str, name: str, key: str, default: object) -> str:
    """What a secret of a channel is called: as its kind says, and after the channel where that has another name."""
    said = _reference(default).removeprefix("secret:") or f"{kind}-{key.replace('_', '-')}"
    return f"secret:{said}" if name == kind else f"secret:{name}-{said.removeprefix(f'{kind}-')}"


def secret_of(plan: Plan, maker: ChannelMaker, key: str) -> str:
    """The name of the secret that a setting of a channel refers to."""
    fields = {each.name: each.default for each in msgspec.structs.fields(maker.settings)}
    return _reference(plan.table.get(key, fields[key])).removeprefix("secret:")


def references(settings: type[ChannelSettings], table: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the secrets that a table refers to, those included that it does not write down."""
    said: list[str] = []
    for each in msgspec.structs.fields(settings):
        said += texts_of(table.get(each.name, each.default))
    return tuple(each.removeprefix("secret:") for each in said if each.startswith("secret:"))


# -- whose it is -------------------------------------------------------------------------------------------------


def tenant_of(settings: Settings, named: str | None) -> tuple[str, Tenant]:
    """The tenant that is named, or the only one. Raises NotFound (`tenant_unknown`), Invalid (`tenant_ambiguous`)."""
    known = ", ".join(settings.tenants)
    if named is None:
        if len(settings.tenants) != 1:
            raise Invalid(
                f"{FILE} declares several tenants, or none.", code="tenant_ambiguous",
                next_step=f"Name one with --tenant: {known or 'none is declared'}.",
            )  # fmt: skip
        (named,) = settings.tenants
    if named not in settings.tenants:
        step = f"Name one of: {known}."
        raise NotFound(f"No tenant {named!r} is declared in {FILE}.", code="tenant_unknown", next_step=step)
    return named, settings.tenants[named]


def env_of(tenant: Tenant, named: str | None, *, otherwise: str) -> str:
    """The environment that is named; else the only one, or the one that channels are in unless they say otherwise.

    Raises NotFound (`env_unknown`), Invalid (`env_ambiguous`).
    """
    known = tenant.environments
    found = named or (known[0] if len(known) == 1 else otherwise)
    if found in known:
        return found
    step = f"Name one with --env: {', '.join(known)}."
    if named is None:
        raise Invalid("The tenant has several environments.", code="env_ambiguous", next_step=step)
    raise NotFound(f"There is no environment {named!r}.", code="env_unknown", next_step=step)


def already(tenant: Tenant, plan: Plan, maker: ChannelMaker) -> Plan | None:
    """The channel as it is there already, where that means the same as planned; None where there is none.

    Raises Conflict (`channel_exists`) for another of its name.
    """
    there = tenant.channels.get(plan.name)
    if there is None:
        return None
    if _meaning(there, maker) == _meaning(plan.table, maker):
        return msgspec.structs.replace(plan, table=there)
    step = f"Change it with `lichen channel update {plan.name}`, or give this one another --name."
    raise Conflict(f"There is a channel {plan.name} already.", code="channel_exists", next_step=step)


def _meaning(table: Mapping[str, Any], maker: ChannelMaker) -> object:
    """What the table says, with what it leaves out; the table as it is where the settings do not take it."""
    try:
        return msgspec.convert({"kind": "", **table}, maker.settings)
    except msgspec.ValidationError:
        return dict(table)


def guide_of_kind(kind: str) -> tuple[ChannelMaker, Guide]:
    """What makes channels of a kind, and how one is set up. Raises NotFound (`channel_kind_unknown`), Invalid
    (`channel_unguided`)."""
    from lichen.channels.kinds import CHANNELS, guide_of

    maker = CHANNELS.make(kind, lambda maker: maker)
    if maker is None:
        known = ", ".join(name for name in CHANNELS.names if name != "webchat")
        step = f"Name one of: {known}; or install the package that brings it."
        raise NotFound(f"There is no kind of channels {kind!r}.", code="channel_kind_unknown", next_step=step)
    guide = guide_of(maker)
    if guide is None:
        step = f"Write [tenants.NAME.{kind}] into {FILE}, as its package says."
        raise Invalid("This kind does not say how it is set up.", code="channel_unguided", next_step=step)
    return maker, guide
