"""What strangers define, taken as it is and judged."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands

DefinitionKind = Literal["tool", "server", "pack", "agent", "flow"]


class Submitted(Control, frozen=True, array_like=True, gc=False):
    """A stranger's definition waits for somebody's judgement: nothing stands under its name yet, or something else.
    `was` is the digest of what did.

    Contents: `definition` and, where a domain's key signed it, `signature` (JSON; retention key).
    """

    stands: ClassVar[Stands] = "alone"

    kind: DefinitionKind
    name: str
    digest: str
    was: str
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"submitted/{self.id}"


class Pinned(Control, frozen=True, array_like=True, gc=False):
    """A stranger's definition was taken as it is: nothing else counts under this name until somebody pins another.

    Contents: `definition` and, where a domain's key signed it, `signature` (JSON; retention key).
    """

    stands: ClassVar[Stands] = "alone"

    kind: DefinitionKind
    name: str
    digest: str
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"pinned/{self.id}"


class Reviewed(Control, frozen=True, array_like=True, gc=False):
    """Somebody judged a definition: one that is rejected counts no more, were it pinned. Contents: `reason`."""

    stands: ClassVar[Stands] = "alone"

    kind: DefinitionKind
    name: str
    digest: str
    verdict: Literal["accepted", "rejected"]
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"reviewed/{self.id}"
