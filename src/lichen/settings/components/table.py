"""`[[component]]`: WASM components of a project, what they may have, and what their operations are in truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lichen.core.components.limits import CallLimits
from lichen.core.components.terms import Allowed, AskedTerms, ComponentTerms, Digest
from lichen.core.ports.call import Origin
from lichen.core.remote.server import Seconds
from lichen.settings.servers import RESERVED, Name


class ComponentTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One component: its `file`, pinned by `digest` (`sha256:…`), and what it is configured with (`config`).

    It has what it declares, as far as `allow` grants it: `secrets` by name, `state` to `read` or `write`, hosts for
    `http` (in our own network and in the clear only where it is `private`), `telemetry`, `random`, `clocks`, and the
    variables of `env`. `limits` are of each call.
    `asks`: it may ask whoever a call is for something before it goes on. `only` and `without` name operations;
    `operations` say, by their names, what is known of them better than the component says.
    """

    name: Name
    file: str
    digest: Digest = ""
    config: Mapping[str, Any] | None = None
    allow: Allowed = Allowed()
    limits: CallLimits = CallLimits()
    timeout_s: Seconds = 30.0
    origin: Origin = "third_party"
    asks: bool = False
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    operations: Mapping[str, AskedTerms] = {}

    def __post_init__(self) -> None:
        if self.name in RESERVED:
            raise ValueError(f"a component is not called `{self.name}`: actions of the runtime begin so")

    @property
    def terms(self) -> ComponentTerms:
        """What is said of it beside its file."""
        return ComponentTerms(**{name: getattr(self, name) for name in ComponentTerms.__struct_fields__})


def alike(tables: tuple[ComponentTable, ...], others: frozenset[str]) -> Iterator[int]:
    """Which of the tables have the name of one before them, or of a server or API: tools of both would be called so."""
    for number, table in enumerate(tables):
        if table.name in others or any(other.name == table.name for other in tables[:number]):
            yield number
