"""Where in a workspace something was said: the conversation that it belongs to, and where its answers go."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lichen.core.words.scope import Actor, Customer

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,32}\Z")]
Stamp = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,16}\.[0-9]{1,9}\Z")]
"""A message's time, which is its id within its channel."""


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where replies go: a channel, a thread in it, and for whose eyes alone if `only` says so. `about` is the message
    that is being answered."""

    channel: str
    thread: str = ""
    about: str = ""
    only: str = ""


class Place(msgspec.Struct, frozen=True):
    """One person in one thread of one channel of one workspace: nobody else's words are in this conversation."""

    workspace: str
    channel: str
    user: str
    thread: str = ""

    @property
    def conversation(self) -> str:
        """The key of its session."""
        return f"{self.workspace}:{self.channel}:{self.thread}:{self.user}"

    def customer(self, name: str) -> Actor:
        """Who speaks, by the channel's name for them."""
        return Customer(f"{name}:{self.workspace}:{self.user}")

    def address(self, *, about: str = "", is_private: bool = False) -> bytes:
        """Where its answers go."""
        return msgspec.json.encode(Address(self.channel, self.thread, about, self.user if is_private else ""))
