"""What governs a tenant: its log, what changed, who was forgotten, and who opened what."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands


class LogOpened(Control, frozen=True, array_like=True, gc=False):
    """A process opened the log for writing. `format_v` is the record format it writes."""

    stands: ClassVar[Stands] = "alone"

    boot: str
    format_v: int
    version: str

    @property
    def key(self) -> str:
        return f"log_opened/{self.boot}"


ChangeKind = Literal["policy", "stop", "start", "key", "config", "state", "catalog", "pack"]


class Changed(Control, frozen=True, array_like=True, gc=False):
    """Something that governs the tenant changed. `name` is declared in configuration, never free text.

    Contents: `reason` (retention key); of kind `state`, in the stream of its key: `value` (JSON) and `until` if it ends
    (microseconds), neither where it was deleted, and in the stream of its group, once for each key: `key`. `catalog` is
    a new version of an agent or flow, `pack` another revision of a pack.
    """

    stands: ClassVar[Stands] = "alone"

    kind: ChangeKind
    name: str
    digest: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"changed/{self.kind}/{self.id}"


class Erased(Control, frozen=True, array_like=True, gc=False):
    """The data keys of a subject were destroyed. `sessions`, `runs` and `records` count what was about them."""

    stands: ClassVar[Stands] = "alone"

    subject: str
    key_ids: tuple[int, ...]
    id: str
    sessions: int = 0
    runs: int = 0
    records: int = 0
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"erased/{self.id}"


class Accessed(Control, frozen=True, array_like=True, gc=False):
    """Somebody opened contents, or took them away: once for each opening, not for each frame or page of it.

    Contents: `resource`, what was opened.
    """

    stands: ClassVar[Stands] = "alone"

    what: Literal["run", "session", "wait", "record", "log", "feed", "export", "names", "eval"]
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"accessed/{self.id}"


class Leased(Control, frozen=True, array_like=True, gc=False):
    """A process writes to this log until `until_us`, unless it leases it again. A later epoch fences off an older."""

    stands: ClassVar[Stands] = "alone"

    holder: str
    epoch: int
    until_us: int

    @property
    def key(self) -> str:
        return f"leased/{self.epoch}/{self.until_us}"
