"""`session.withdraw`: the tool by which an agent takes back, for its customer, what waits for somebody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from pydantic import BaseModel

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Resources, ToolSpec
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.engine.journal.journal import Journal
from lichen.engine.withdrawal import withdraw as end_waiting
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import pinned

JournalOf = Callable[[Scope], Journal]


class Journals(NamedTuple):
    """The logs of a runtime, for tools that work on them."""

    of: JournalOf


class Nothing(BaseModel):
    """No arguments: the session is the caller's own."""


class Withdrawn(BaseModel):
    """How many requests were taken back."""

    withdrawn: int


class WithdrawTool:
    """Ends the session's other runs that wait for an approval, a person or an outcome. A runtime binds it to its logs;
    before that it cannot be called."""

    def __init__(self, journal_of: JournalOf | None = None) -> None:
        self._journal_of = journal_of
        self._arguments = ArgumentCodec(Nothing)
        self.spec = pinned(
            ToolSpec(
                name=ToolName("session.withdraw"),
                description="Takes back what the customer asked for and that still waits for somebody.",
                effects="idempotent",
                input_schema=self._arguments.schema,
                output_schema=ResultCodec(Withdrawn).schema,
                cost=0,
            )
        )

    def bound(self, resources: Resources) -> WithdrawTool:
        """A copy that works on the runtime's logs."""
        return WithdrawTool(resources.get(Journals).of)

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: policy decides on who asks."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{withdrawn}`, once that is durable. Raises NotDone (`no_session`)."""
        assert self._journal_of is not None, "a runtime binds this tool to its logs"
        if meta.session is None:
            raise NotDone("The run has no session.", code="no_session", retryable=False)
        journal = self._journal_of(meta.scope)
        id = f"withdrawn-{meta.idempotency_key}"
        count = end_waiting(journal, meta.session, meta.run, actor=f"agent:{meta.actor.id}", id=id)
        await journal.log.durable()
        return msgspec.json.encode({"withdrawn": count})

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: what was taken back stays so, whoever asks again."""
        return CannotTell()


withdraw = WithdrawTool()
"""What an agent is given to take back what its customer asked for."""
