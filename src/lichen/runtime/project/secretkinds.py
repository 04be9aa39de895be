"""The kinds of sources that secrets come from: our own, and those of installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeGuard

from lichen.core.ports.secrets import Secrets, Source
from lichen.gate.secrets.sources import KINDS, Kind, Make
from lichen.gate.vaults.kinds import KINDS as FAR
from lichen.plugins.registry import Registry, installed

GROUP: Final = "lichen.secrets"


def maker(own: Mapping[str, Kind]) -> Make:
    """Makes the adapter of a source. A package's kind takes the `Source` and gives a `Secrets`; it is imported when
    a secret is wanted from it. Raises Invalid (`plugin_ambiguous`, `plugin_broken`)."""
    registry: Registry[Kind] = Registry(GROUP, own, fits=_is_kind, shape="kind of source for secrets")

    def make(source: Source) -> Secrets | None:
        return registry.make(source.kind, lambda kind: kind(source))

    return make


def kinds() -> tuple[str, ...]:
    """The kinds there are. Nothing is imported."""
    return tuple(sorted({*KINDS, *FAR, *(plugin.name for plugin in installed(GROUP))}))


def _is_kind(value: object) -> TypeGuard[Kind]:
    return callable(value)
