"""The secrets of channels from the terminal: which are kept already, what would be replaced, and what nobody needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import msgspec.structs
import typer

from lichen.cli.channels.planning import Plan, guide_of_kind, references
from lichen.cli.channels.project import ChannelFile, Declared
from lichen.cli.here.client import Client
from lichen.cli.show.screen import note
from lichen.core.words.errors import Conflict, LichenError

Kept = Mapping[str, Mapping[str, Any]]
"""The secrets that have a value, by name."""


def kept_in(client: Client) -> Kept:
    """Those of the scope."""
    found: list[Mapping[str, Any]] = client.get("secrets")
    return {each["name"]: each for each in found if each["version"]}


def differing(client: Client, plan: Plan, kept: Kept) -> Plan:
    """The plan without the secrets that are kept already with the value that was answered."""
    same = [each for each in plan.secrets if each in kept and kept[each]["version"].endswith(_mark(client, plan, each))]
    return msgspec.structs.replace(plan, secrets={k: v for k, v in plan.secrets.items() if k not in same})


def _mark(client: Client, plan: Plan, secret: str) -> str:
    """What the version of the secret would end with."""
    found: Mapping[str, str] = client.post("secrets/mark", {"name": secret, "value": plan.secrets[secret]})
    return found["mark"]


def check_replaced(file: ChannelFile, plan: Plan, kept: Kept, *, is_agreed: bool) -> None:
    """Asks before a secret is replaced that is kept already. Raises Conflict (`secret_exists`) where nobody can be."""
    for secret in plan.secrets:
        if secret not in kept or is_agreed:
            continue
        users = users_of(file, plan, kept[secret])
        used = f"; {', '.join(users)} would be handed the new one" if users else ""
        if not sys.stdin.isatty():
            step = f'Answer "secret:{secret}" to use it as it is, or add --yes to replace it. Nothing was changed.'
            message = f"The secret {secret} is kept already, with another value{used}."
            raise Conflict(message, code="secret_exists", next_step=step)
        asked = f"The secret {secret} is kept already, with another value{used}. Replace it?"
        typer.confirm(asked, abort=True, err=True)


def users_of(file: ChannelFile, channel: Plan | Declared, secret: Mapping[str, Any]) -> tuple[str, ...]:
    """The other channels and the tools that are handed a secret."""
    others = (each for each in file.channels if _is_beside(each, channel))
    channels = [each.name for each in others if secret["name"] in secrets_of(each)]
    return (*channels, *secret["tools"])


def keep(client: Client, plan: Plan, secret: str) -> None:
    """Keeps a value, or puts it in the place of the one that is there."""
    value = plan.secrets[secret]
    try:
        client.post("secrets", {"name": secret, "value": value, "wanted_by": f"channel:{plan.name}"})
    except Conflict as error:
        if error.code != "secret_exists":
            raise
        client.post("secrets/rotate", {"name": secret, "value": value})


def forget(client: Client, secret: str) -> bool:
    """Has a secret forgotten. Tells whether it is."""
    try:
        client.post("secrets/remove", {"name": secret})
    except LichenError as error:
        note(f"{secret} is not forgotten: {error.message}")
        return error.code == "secret_unknown"
    return True


def secrets_of(channel: Declared) -> tuple[str, ...]:
    """The names of the secrets that a channel refers to."""
    try:
        maker, _ = guide_of_kind(channel.kind)
    except LichenError:
        return ()
    return references(maker.settings, channel.table)


def used_beside(file: ChannelFile, gone: Declared | Plan) -> frozenset[str]:
    """The secrets that other channels of the same scope refer to."""
    return frozenset(name for each in file.channels if _is_beside(each, gone) for name in secrets_of(each))


def _is_beside(other: Declared, channel: Declared | Plan) -> bool:
    return (other.tenant, other.env) == (channel.tenant, channel.env) and other.name != channel.name


def unneeded(file: ChannelFile, channel: Declared, kept: Kept) -> tuple[str, ...]:
    """The secrets of a channel's scope that nothing refers to: what a command that was ended left, or a removed one."""
    scope = file.settings.scope(channel.tenant, channel.env)
    wanted = {*file.settings.secret_names(scope), *secrets_of(channel), *used_beside(file, channel)}
    return tuple(name for name, each in kept.items() if name not in wanted and not each["tools"])
