"""Information-flow labels: what a value was made from, and how secret it is.

A label only grows: the label of anything derived is the join of what it was derived from (Denning's lattice).
"""

from __future__ import annotations

import msgspec

THIRD_PARTY = "third_party:"  # prefix of sources whose words nobody vouches for
EXTERNAL = f"{THIRD_PARTY}external"  # what a program brought as an external result


class Label(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`sources`: sorted names such as `customer:<pseudonym>`, `tool:orders.lookup`, `third_party:web.fetch`.

    `secrecy`: 0 public, 1 internal, 2 personal, 3 secret.
    """

    sources: tuple[str, ...] = ()
    secrecy: int = 0

    @property
    def is_tainted(self) -> bool:
        """Whether content of a stranger went into this."""
        return any(source.startswith(THIRD_PARTY) for source in self.sources)


EMPTY = Label()


def join(a: Label, b: Label) -> Label:
    """The label of something made from both."""
    if a == b or b == EMPTY:
        return a
    return Label(tuple(sorted({*a.sources, *b.sources})), max(a.secrecy, b.secrecy))


def without(label: Label, sources: tuple[str, ...]) -> Label:
    """The label once somebody vouched for what came from these sources."""
    return Label(tuple(source for source in label.sources if source not in sources), label.secrecy)
