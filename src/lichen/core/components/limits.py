"""How much of the machine one call of a component may use."""

from __future__ import annotations

from typing import Annotated

import msgspec

MemoryMib = Annotated[int, msgspec.Meta(ge=1, le=1_024)]
CallSeconds = Annotated[float, msgspec.Meta(gt=0, le=3_600)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class CallLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hard limits of one call. `time_s` is what the guest itself may run: what it waits for of us is not counted in
    its ticks, but in the time of the call. `host_calls` is how often it may ask us, `log_bytes` what of its output is
    kept, `value_mib` how large what crosses between us may be at once.
    """

    memory_mib: MemoryMib = 64
    time_s: CallSeconds = 10.0
    host_calls: Count = 10_000
    log_bytes: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 16_384
    value_mib: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    memories: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    tables: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    table_elements: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    instances: Annotated[int, msgspec.Meta(ge=1, le=256)] = 64

    @property
    def memory_bytes(self) -> int:
        """What each memory of it may grow to."""
        return self.memory_mib * 1024 * 1024

    @property
    def value_bytes(self) -> int:
        """What may cross at once."""
        return self.value_mib * 1024 * 1024
