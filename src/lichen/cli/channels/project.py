"""The `lichen.toml` of a command: what it says of channels, and changing that in force."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from lichen.cli.channels.planning import Plan, env_of, tenant_of
from lichen.cli.channels.writing import Draft, draft, replace, with_table, with_values, without_table
from lichen.cli.here.caller import Caller
from lichen.cli.here.client import Client
from lichen.cli.show.screen import note
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.settings.file import FILE, Settings, Tenant
from lichen.settings.reading import read

Reference = tuple[str, str]
"""A tenant and the name of one of its channels."""


class Declared:
    """A channel that a tenant declares."""

    def __init__(self, name: str, tenant: str, declared: Tenant) -> None:
        self.name, self.tenant, self.table = name, tenant, declared.channels[name]
        self.kind = str(self.table.get("kind") or name)
        self.env = str(self.table.get("env") or "dev")


class ChannelFile:
    """The file, read once. Raises NotFound (`project_unknown`), Invalid where it cannot be read."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.path = caller.client.connection.workspace.needed()
        if self.path.suffix != ".toml":
            message = "The project is a bundle, whose files say nothing of channels that are set up here."
            step = "Run `lichen config convert` there; it writes the lichen.toml that stands for it."
            raise Invalid(message, code="bundle_unwritten", place=str(self.path), next_step=step)
        found = read(self.path, environ=os.environ)
        if found.settings is None:
            raise found.errors[0]
        self.settings: Settings = found.settings
        self._read = found

    @property
    def channels(self) -> tuple[Declared, ...]:
        """Every channel of the tenant that was named, or of all."""
        wanted = self._caller.tenant
        tenants = self.settings.tenants.items()
        return tuple(
            Declared(name, tenant, declared)
            for tenant, declared in tenants
            if wanted in (None, tenant)
            for name in sorted(declared.channels)
        )

    def find(self, name: str) -> Declared:
        """The channel of this name. Raises NotFound (`channel_unknown`), Invalid (`tenant_ambiguous`)."""
        found = [each for each in self.channels if each.name == name]
        if len(found) > 1:
            step = f"Name its tenant with --tenant: {', '.join(each.tenant for each in found)}."
            raise Invalid("Several tenants have a channel of this name.", code="tenant_ambiguous", next_step=step)
        if not found:
            known = ", ".join(each.name for each in self.channels) or "there is none; `lichen channel add` adds one"
            raise NotFound(f"There is no channel {name!r}.", code="channel_unknown", next_step=f"Name one of: {known}.")
        return found[0]

    def place(self, otherwise: str) -> tuple[str, Tenant, str]:
        """The tenant and environment that were named, or the only ones."""
        tenant, declared = tenant_of(self.settings, self._caller.tenant)
        return tenant, declared, env_of(declared, self._caller.env, otherwise=otherwise)

    def client(self, channel: Declared | Plan) -> Client:
        """The way to the runtime, in the channel's scope."""
        return self._caller.client.within(channel.tenant, channel.env)

    # -- changes -------------------------------------------------------------------------------------------------

    def draft(self, plan: Plan, *, is_there: bool) -> AbstractContextManager[Draft]:
        """The file with the table of a channel in it, beside the one in force."""
        steps, change = ("tenants", plan.tenant, plan.name), with_values if is_there else with_table
        return draft(self.path, lambda text: change(text, steps, plan.table), mistakes)

    def try_out(self, plan: Plan, *, is_there: bool) -> str:
        """The text of the file as it would be. Raises Invalid where it cannot be, or the table has a mistake."""
        steps, change = ("tenants", plan.tenant, plan.name), with_values if is_there else with_table
        return change(self.path.read_text(encoding="utf-8"), steps, plan.table)

    def routes_of(self, channel: Declared) -> Iterator[str]:
        """Where the file sends what comes by a channel."""
        for number, route in enumerate(self.settings.tenants[channel.tenant].routes):
            if route.channel == channel.name:
                yield self._read.place("tenants", channel.tenant, "routes", number)

    def drop(self, channel: Declared) -> None:
        """Takes the table of a channel out of the file."""
        steps = ("tenants", channel.tenant, channel.name)
        replace(self.path, lambda text: without_table(text, steps), mistakes)


def mistakes(path: Path) -> Sequence[LichenError]:
    """What is wrong with a file and with its channels."""
    from lichen.runtime.channels.opening import open_channels

    found = read(path, environ=os.environ)
    if found.settings is None:
        return found.errors
    return (*found.errors, *open_channels(found, found.settings)[1])


def put_in_force(client: Client, name: str, tenant: str) -> bool:
    """Has whoever owns the data read the file again. Tells whether the channel is in force, and what is in the way."""
    found: Mapping[str, Any] = client.post("reload")
    for broken in found["broken"]:
        note(f"{broken['code']}: {broken['message']} {broken['next_step']}")
    for file in found["needs_restart"]:
        if file.endswith(FILE):
            note(f"the running server takes up {tenant}/{name} only when it is started again")
            return False
    return not found["broken"]
