"""What is suspicious in the definitions of strangers, beside whatever else an agent could have: advice, kept while it
holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lichen.core.words.scope import Scope
from lichen.runtime.servers.servers import Servers
from lichen.tools.scan.finding import Finding

KEPT_MAX: Final = 2_000


class Suspicions:
    """Scans definitions. `own` are the names of the tools that agents have of the project itself."""

    def __init__(self, servers: Servers, own: Callable[[], Iterable[str]]) -> None:
        self._servers, self._own = servers, own
        self._kept: dict[tuple[Scope, str, str], tuple[Finding, ...]] = {}

    def of(self, scope: Scope, name: str, said: Mapping[str, Any] | None) -> tuple[Finding, ...]:
        """What is suspicious in a definition beside the other tools that an agent could have."""
        from lichen.tools.scan.definition import scan_definition

        server = name.partition(".")[0]
        offered = [each.partition(":")[2] for each in self._servers.standing(scope) if each.startswith("tool:")]
        siblings = [each for each in offered if each.startswith(f"{server}.")]
        others = [*(each for each in offered if not each.startswith(f"{server}.")), *self._own()]
        return scan_definition(said, siblings=siblings, others=others) if said is not None else ()

    def keep(self, scope: Scope, name: str, digest: str, found: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """The findings, for whoever lists what waits."""
        if len(self._kept) >= KEPT_MAX:
            self._kept.pop(next(iter(self._kept)))
        self._kept[scope, name, digest] = found
        return found

    def kept(self, scope: Scope, name: str, digest: str) -> tuple[Finding, ...] | None:
        """The findings of a definition that was scanned already."""
        return self._kept.get((scope, name, digest))
