"""How the processes of others are shut in, as a project says it of one and of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from lichen.core.cage.grant import CpuSeconds, Grant, Megabytes, Processes, Tier, host_name
from lichen.core.cage.risk import Risk, Share, assessed, risk_of

OPEN: Final = Grant()


class ToolsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well code of others has to be shut in that is run here: `process`, a process of its own, or `jail`."""

    floor: Tier = "process"


class CageTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a process of others may have, once it is in a `cage`. `credentials` are, by host, fields that are added to
    its requests; a value may end in `secret:<name>`. `sensitivity` of the data that it gets and `code_trust`, 0 to 1,
    say how well it has to be shut in: see `assessed`.
    """

    cage: Literal["jail"] | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    credentials: Mapping[str, Mapping[str, str]] = {}
    memory_mb: Megabytes = OPEN.memory_mb
    cpu_s: CpuSeconds = OPEN.cpu_s
    processes: Processes = OPEN.processes
    sensitivity: Share | None = None
    code_trust: Share | None = None

    @property
    def is_caged(self) -> bool:
        """Whether it is shut in."""
        return self.cage is not None

    @property
    def tier(self) -> Tier:
        """How well it is shut in."""
        return self.cage or "process"

    @property
    def risk(self) -> Risk | None:
        """What it could do, where the project says enough of it. Without a cage it has access to everything."""
        if self.sensitivity is None or self.code_trust is None:
            return None
        shares = {"sensitivity": self.sensitivity, "trust": self.code_trust}
        if not self.is_caged:
            return assessed(**shares, network=True, files=True, interfaces=True)
        return risk_of(self.granted("/"), **shares, interfaces=bool(self.credentials))

    def check(self) -> None:
        """Raises ValueError for what cannot be meant."""
        if not self.is_caged and self.granted("/") != OPEN:
            raise ValueError('what is granted counts in a cage: add cage = "jail"')
        if (self.sensitivity is None) != (self.code_trust is None):
            raise ValueError("a risk is made of both, `sensitivity` and `code_trust`")
        self.granted("/")
        named = {host_name(each) for each in self.network}
        for host in self.credentials:
            if host not in named:
                raise ValueError(f"credentials are for {host!r}, which `network` does not name")

    def granted(self, root: str) -> Grant:
        """What it may have. Paths are relative to `root`."""
        return Grant(
            reads=tuple(_below(root, path) for path in self.reads),
            writes=tuple(_below(root, path) for path in self.writes),
            network=self.network,
            memory_mb=self.memory_mb,
            cpu_s=self.cpu_s,
            processes=self.processes,
        )


def _below(root: str, path: str) -> str:
    return path if path.startswith("/") else f"{root.rstrip('/')}/{path}"
