"""What caged code may have of this machine. Whatever is not granted it does not have."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

Tier = Literal["process", "jail"]
"""How well code is shut in: not at all, in a process of its own; or by the kernel, with nothing but what is granted."""

TIERS: Final[tuple[Tier, ...]] = ("process", "jail")  # each shuts in better than those before it

Megabytes = Annotated[int, msgspec.Meta(ge=16, le=1_048_576)]
Processes = Annotated[int, msgspec.Meta(ge=1, le=4_096)]
CpuSeconds = Annotated[float, msgspec.Meta(gt=0, le=31_622_400)]

PATHS_MAX: Final = 64
HOSTS_MAX: Final = 64
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?:(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?")


class Bounds(msgspec.Struct, frozen=True):
    """How much caged code may use, with all its processes together."""

    memory_mb: int = 512
    cpu_s: float = 600.0
    processes: int = 64


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What caged code may have: paths to read and to write, hosts to reach, and how much of the machine it may use.

    `network` names hosts: `api.example.com` (ports 80 and 443), `example.com:8443`, `*.example.com` for whatever is
    below it. `memory_mb`, `cpu_s` and `processes`, which counts threads too, are for all its processes together.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    memory_mb: Megabytes = 512
    cpu_s: CpuSeconds = 600.0
    processes: Processes = 64

    def __post_init__(self) -> None:
        if len(self.reads) + len(self.writes) > PATHS_MAX:
            raise ValueError(f"a grant names at most {PATHS_MAX} paths")
        for path in (*self.reads, *self.writes):
            check_path(path)
        check_hosts(self.network)

    @property
    def bounds(self) -> Bounds:
        """How much it may use."""
        return Bounds(self.memory_mb, self.cpu_s, self.processes)


def check_path(path: str) -> None:
    """Raises ValueError for a path that cannot be meant."""
    if not path or "\0" in path or "\n" in path:
        raise ValueError("a path is not empty, and one line")
    if ".." in path.split("/"):
        raise ValueError(f"{path!r} leads upwards: say where it leads to")


def host_name(host: str) -> str:
    """The name of a host as it is granted, without its port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def check_hosts(hosts: tuple[str, ...]) -> None:
    """Raises ValueError for what is no host."""
    if len(hosts) > HOSTS_MAX:
        raise ValueError(f"a grant names at most {HOSTS_MAX} hosts")
    for host in hosts:
        if not _HOST.fullmatch(host) or len(host) > 260:
            raise ValueError(f"{host!r} is no host: write it like api.example.com or api.example.com:8443")


def is_lower(tier: Tier, floor: Tier) -> bool:
    """Whether a tier shuts in less well than the floor wants."""
    return TIERS.index(tier) < TIERS.index(floor)
