"""`customer.tell`: the tool by which an agent writes to a customer who did not ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from pydantic import BaseModel, Field, model_validator

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Resources, ToolSpec
from lichen.core.words.errors import LichenError, TooMany, Unavailable
from lichen.core.words.ids import SessionId, ToolName
from lichen.core.words.label import Label
from lichen.core.words.scope import Actor, Scope
from lichen.engine.intake.sessions import Told
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import pinned


class Teller(Protocol):
    """Writes to customers; `lichen.runtime.operations.channels.telling` does."""

    async def tell(
        self, scope: Scope, session: SessionId, said: str, actor: Actor, /, *, key: str | None, label: Label
    ) -> Told:
        """Says something in a session."""
        ...

    async def begin(
        self, scope: Scope, customer: str, said: str, actor: Actor, /, *, key: str | None, subject: str, label: Label
    ) -> Told:
        """Says something to a customer of a channel."""
        ...


class Tellers:
    """Who writes for the tools of a runtime, from when it runs."""

    def __init__(self) -> None:
        self.made: Callable[[], Teller] | None = None

    @property
    def one(self) -> Teller | None:
        """Who writes, made when somebody first does."""
        return None if self.made is None else self.made()


class Words(BaseModel):
    """What is written, and to whom: to a conversation that there is, or to somebody whom a channel can reach."""

    text: str = Field(min_length=1, max_length=16_384)
    session: str = Field("", max_length=128, description="The id of a conversation.")
    customer: str = Field("", max_length=256, description="CHANNEL:WHO, such as slack:T024BE7LD:U023BECGF.")
    subject: str = Field("", max_length=200, description="What it is about, for mail.")

    @model_validator(mode="after")
    def _one(self) -> Words:
        if bool(self.session) == bool(self.customer):
            raise ValueError("name a session, or a customer")
        return self


class Written(BaseModel):
    """The message that is on its way, and the conversation that it is in."""

    session: str
    message: str


class TellTool:
    """Writes as the agent, in the name of whoever its run acts for. A runtime binds it; before that it cannot be
    called."""

    def __init__(self, tellers: Tellers | None = None) -> None:
        self._tellers = tellers
        self._arguments = ArgumentCodec(Words)
        self.spec = pinned(
            ToolSpec(
                name=ToolName("customer.tell"),
                description="Writes to a customer who did not ask, where they and we write to each other.",
                effects="idempotent",
                input_schema=self._arguments.schema,
                output_schema=ResultCodec(Written).schema,
                cost=0,
            )
        )

    def bound(self, resources: Resources) -> TellTool:
        """A copy that writes by the runtime's channels."""
        return TellTool(resources.get(Tellers))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: policy decides on who is written to and what the run has read."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{session, message}`, once that is durable. Raises NotDone with the code of what refused it."""
        assert self._tellers is not None, "a runtime binds this tool to its channels"
        wanted, one, key = self._arguments.value(args), self._tellers.one, meta.idempotency_key
        assert isinstance(wanted, Words)
        if one is None:
            raise NotDone("The runtime is only beginning.", code="not_ready")
        try:
            if wanted.session:
                session = SessionId(wanted.session)
                told = await one.tell(meta.scope, session, wanted.text, meta.actor, key=key, label=meta.label)
            else:
                told = await one.begin(
                    meta.scope, wanted.customer, wanted.text, meta.actor, key=key, subject=wanted.subject,
                    label=meta.label,
                )  # fmt: skip
        except LichenError as error:
            is_passing = isinstance(error, Unavailable | TooMany)
            raise NotDone(error.message, code=error.code, retryable=is_passing) from None
        return msgspec.json.encode({"session": told.session, "message": told.message})

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: what was written under a key is written once, whoever asks again."""
        return CannotTell()


tell = TellTool()
"""What an agent is given to write to customers who did not ask."""
