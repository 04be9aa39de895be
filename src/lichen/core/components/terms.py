"""What a project says of one component: what it may have, how much, and what its operations are in truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.cage.grant import HOSTS_MAX, check_hosts
from lichen.core.components.capabilities import NAMES_MAX, Capabilities
from lichen.core.components.limits import CallLimits
from lichen.core.ports.call import Origin
from lichen.core.ports.secrets import checked_secret_name
from lichen.core.words.errors import Invalid

VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
Variable = Annotated[str, msgspec.Meta(max_length=4_096, pattern=r"^[^\x00]*$")]
Digest = Annotated[str, msgspec.Meta(pattern="^(sha256:[0-9a-f]{64})?$")]


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a component is granted of what it wants. `private`: its hosts may be in our own network and in the clear.
    `env` are variables with their values: those of this process are nobody's."""

    secrets: tuple[str, ...] = ()
    state: Literal["", "read", "write"] = ""
    http: tuple[str, ...] = ()
    private: bool = False
    telemetry: bool = True
    random: bool = True
    clocks: bool = True
    env: Mapping[str, Variable] = {}

    def __post_init__(self) -> None:
        if len(self.secrets) > NAMES_MAX or len(self.http) > HOSTS_MAX:
            raise ValueError(f"a component is granted at most {NAMES_MAX} secrets and {HOSTS_MAX} hosts")
        if len(self.env) > NAMES_MAX or not all(VARIABLE.fullmatch(name) for name in self.env):
            raise ValueError(f"`env` are at most {NAMES_MAX} variables, whose names are letters, digits and `_`")
        check_hosts(self.http)
        for name in self.secrets:
            try:
                checked_secret_name(name)
            except Invalid as error:
                raise ValueError(error.message) from None

    def of(self, wanted: Capabilities) -> Capabilities:
        """What is granted of what is wanted."""
        names = {name.lower() for name in wanted.secrets}
        hosts = self.http if not wanted.hosts else tuple(each for each in self.http if each in wanted.hosts)
        return Capabilities(
            env=wanted.env and bool(self.env),
            variables=tuple(name for name in self.env if wanted.env and name in (wanted.variables or self.env)),
            random=wanted.random and self.random,
            clocks=wanted.clocks and self.clocks,
            secrets=tuple(name for name in self.secrets if not names or name in names),
            state_read=wanted.state_read and self.state != "",
            state_write=wanted.state_write and self.state == "write",
            state_delete=wanted.state_delete and self.state == "write",
            http=wanted.http and bool(hosts),
            hosts=hosts if wanted.http else (),
            telemetry=wanted.telemetry and self.telemetry,
        )


class AskedTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an operation better than the component says. `name` is the last part of its tool's name."""

    effects: Literal["none", "idempotent", "once"] | None = None
    origin: Origin | None = None
    name: str = ""
    confirm: str = ""
    tags: tuple[str, ...] = ()


class ComponentTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One component. `digest` pins its file, `config` is what it is configured with; `only` and `without` name
    operations. `asks`: it may ask whoever a call is for something before it goes on. Its words are a stranger's unless
    `origin` says `records`."""

    name: str
    digest: Digest = ""
    config: Mapping[str, Any] | None = None
    allow: Allowed = Allowed()
    limits: CallLimits = CallLimits()
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3_600)] = 30.0
    origin: Origin = "third_party"
    asks: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    operations: Mapping[str, AskedTerms] = {}

    def is_wanted(self, operation: str) -> bool:
        """Whether the operation becomes a tool."""
        return (not self.only or operation in self.only) and operation not in self.without
