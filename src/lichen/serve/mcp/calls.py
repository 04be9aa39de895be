"""One call of an agent: what is said to it, what its person is asked meanwhile, and what comes of it.

A call is a message in a session of the caller's. With a `conversation` that session goes on from call to call, without
one it is for this call alone. A call that has an id is made once, however often its caller asks for it: its message is
taken under that id, so the next asking, in the next process too, follows what the first set going.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Annotated, Any, Final

import anyio
import msgspec
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ElicitationCapability,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request

from lichen.core.words.errors import Conflict, Denied, Invalid, LichenError, NotFound, Unavailable
from lichen.core.words.ids import RunId
from lichen.engine.pace.race import race
from lichen.runtime.operations.talk.session import Asked, Session
from lichen.runtime.operations.talk.turn import Reply, Turn
from lichen.runtime.views.agent import AgentOffer
from lichen.runtime.views.run import Outcome
from lichen.serve.mcp.questions import ANSWER, KINDS, Answer, answer_of, form, required, state_of
from lichen.serve.mcp.results import STATUS_OF, as_at_first, failed, result
from lichen.serve.mcp.telling import telling
from lichen.serve.mcp.visit import Context, Visit, call_id, only_asks

CHANNEL: Final = "mcp"
CALL_S_MAX: Final = 600.0
ROUNDS_MAX: Final = 16  # questions of one call
STARTING_S: Final = 1.0
NAME_CHARS_MAX: Final = 128

Result = CallToolResult | InputRequiredResult


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a call of an agent takes."""

    text: str
    input: Any = None
    conversation: Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)] = ""


class Call:
    """A call of one agent by one caller."""

    def __init__(self, ctx: Context, visit: Visit, agent: AgentOffer, *, hears: bool) -> None:
        self._ctx, self._visit, self._agent = ctx, visit, agent
        self._hears = hears  # whether the client wants to be told what happens in the run
        self._session: Session | None = None
        self._saying: asyncio.Future[Turn] | None = None
        self._keeps = False  # whether the session is for later calls too
        self._id = call_id(ctx)

    async def made(self, said: Said, params: CallToolRequestParams) -> Result:
        """Says it, or answers what was asked, and follows what comes of that.

        A client that gives the call up gives up its run. One that is only gone does not: the run goes on.
        """
        work = asyncio.ensure_future(self._answered(said, params))
        try:
            await asyncio.wait({work})
            return work.result()
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                work.cancel()
                await asyncio.wait({work})
                if self._is_given_up():
                    await self._cancel()
            raise

    async def _answered(self, said: Said, params: CallToolRequestParams) -> Result:
        try:
            if params.request_state is None:
                turn = await self._begun(said)
            else:
                turn = await self._resumed(said, params)
            return turn if isinstance(turn, CallToolResult) else await self._followed(turn)
        except LichenError as error:
            return failed(error)

    # -- saying --------------------------------------------------------------------------------------------------

    async def _begun(self, said: Said) -> Turn:
        self._keeps = bool(said.conversation)
        visit, agent = self._visit, self._agent.name
        key = said.conversation or (f"call/{self._id}" if self._id else None)
        if only_asks(self._ctx):
            return await self._known(agent, key or "")
        self._session = await visit.runtime.sessions.open(
            visit.scope, visit.actor, agent=agent, channel=CHANNEL, key=key
        )
        return await self._say(Answer(said.text, said.input))

    async def _known(self, agent: str, key: str) -> Turn:
        """What a call set going that was made before. Raises NotFound (`call_unknown`): it never was, and nothing is
        done now."""
        visit = self._visit
        self._session = await visit.runtime.sessions.found(
            visit.scope, visit.actor, agent=agent, channel=CHANNEL, key=key
        )
        turn = await self._session.taken(self._id) if self._session is not None else None
        if turn is None:
            step = "Nothing was done under this id: call the agent."
            raise NotFound("There was no such call.", code="call_unknown", next_step=step)
        return turn

    async def _resumed(self, said: Said, params: CallToolRequestParams) -> Turn | CallToolResult:
        """The turn goes on with the answer to what was asked in it."""
        visit, text = self._visit, params.request_state or ""
        state = state_of(visit, text, self._agent.name)
        self._keeps = bool(said.conversation)
        self._session = visit.runtime.sessions.get(visit.scope, state.session, visit.actor)
        asked = self._session.asked()
        if asked is None or asked.id != state.wait:
            step = "Call the agent again from the start."
            raise Conflict("This question was answered already.", code="wait_closed", next_step=step)
        given = (params.input_responses or {}).get(ANSWER)
        if not isinstance(given, ElicitResult):
            raise Invalid("The answer is missing.", code="answer_missing", next_step="Bring it with the state.")
        answer = answer_of(asked, given)
        if answer is None:
            return self._waiting(RunId(asked.id.rpartition(".")[0]), "")
        return await self._say(answer, about=f"/{state.wait}")

    async def _say(self, answer: Answer, *, about: str = "") -> Turn:
        assert self._session is not None
        self._count(answer.text)
        key = f"{self._id}{about}" if self._id else None
        self._saying = asyncio.ensure_future(self._session.say(answer.text, data=answer.data, key=key))
        return await asyncio.shield(self._saying)  # what was begun to be said is said: else nobody knew its run

    def _count(self, text: str) -> None:
        """Raises TooMany where a customer says more than customers may."""
        messages, visit = self._visit.site.messages, self._visit
        if messages is not None and visit.actor.kind == "customer":
            assert self._session is not None
            messages.take(visit.scope, visit.actor.id, conversation=self._session.id, size=len(text.encode()))

    # -- following -----------------------------------------------------------------------------------------------

    async def _followed(self, turn: Turn) -> Result:
        assert self._session is not None
        for left in reversed(range(ROUNDS_MAX)):
            reply = await self._heard(turn)
            if reply is None:
                return await self._let_go(turn)
            asked = self._session.asked() if reply.outcome == "asked" else None
            if asked is None or asked.kind not in KINDS or not left or not self._may_ask():
                return await self._ended(reply, turn)
            question = await self._told(reply)
            if self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
                return required(self._visit, self._agent.name, self._session.id, asked, question)
            answer = await self._asked(asked, question)
            if answer is None:
                return self._waiting(reply.run, question)
            turn = await self._say(answer, about=f"/{asked.id}")
        raise AssertionError("the last round ends")

    async def _heard(self, turn: Turn) -> Reply | None:
        """The reply; None where the server stops, the caller's name ended, or it took long."""
        replying = asyncio.ensure_future(turn.result())
        with self._visit.runtime.register.holding(*self._visit.caller.names(self._visit.runtime)) as ended:
            works: dict[str, Coroutine[Any, Any, object]] = {
                "reply": _settled(replying),
                "closing": self._visit.closing.wait(),
                "ended": ended.wait(),
            }
            told = asyncio.ensure_future(telling(self._ctx, turn, hears=self._hears))
            try:
                first = await race(works, timeout_s=CALL_S_MAX)
            finally:
                told.cancel()
                await asyncio.gather(told, return_exceptions=True)
                if not replying.done():
                    replying.cancel()
        return replying.result() if first == "reply" else None

    # -- ending --------------------------------------------------------------------------------------------------

    async def _ended(self, reply: Reply, turn: Turn) -> CallToolResult:
        """What came of it. A session that was for this call alone is closed once nothing is owed in it.

        Raises Conflict (`outcome_unknown`) where a call with an id is held up by an effect of which nobody knows.
        """
        assert self._session is not None
        text = await self._told(reply)
        outcome = None if reply.outcome == "refused" else self._outcome(reply.run)
        status = STATUS_OF[reply.outcome]
        if self._id:
            status, text = as_at_first("\n\n".join(await turn.told()), outcome, status)
        if not self._keeps and status != "waiting":
            await self._session.close()
        has_value = self._agent.answers is not None
        run = "" if outcome is None else str(reply.run)
        return result(status, text, outcome, run=run, has_value=has_value)

    async def _told(self, reply: Reply) -> str:
        """All that was said since, which counts as received: it is in the result."""
        assert self._session is not None
        told = await self._session.pending()
        for message in told:
            await self._session.delivered(message.id)
        return "\n\n".join(message.text for message in told) or reply.text

    def _waiting(self, run: RunId, text: str) -> CallToolResult:
        return result("waiting", text, self._outcome(run), run=str(run))

    async def _let_go(self, turn: Turn) -> CallToolResult:
        """What is told while it goes on. Raises Unavailable (`lease_lost`) for a call with an id: whoever made it is to
        know that nobody here tells any more what came of it."""
        if self._id:
            step = "Ask for the call again under the same id: it is not made a second time."
            raise Unavailable("Nobody waits here any more for what goes on.", code="lease_lost", next_step=step)
        run = ""
        with suppress(TimeoutError, LichenError):
            run = str(await asyncio.wait_for(turn.run(), STARTING_S))
        return result("running", "", None, run=run)

    def _outcome(self, run: RunId) -> Outcome | None:
        with suppress(Denied):
            return self._visit.runtime.runs.outcome(self._visit.scope, run, self._visit.actor)
        return None

    # -- the client ----------------------------------------------------------------------------------------------

    def _may_ask(self) -> bool:
        return self._ctx.session.check_client_capability(ClientCapabilities(elicitation=ElicitationCapability()))

    async def _asked(self, asked: Asked, question: str) -> Answer | None:
        """What the person at the client says; None if nothing, also where nobody says anything for long."""
        with anyio.move_on_after(CALL_S_MAX):
            given = await self._ctx.session.elicit_form(question, form(asked), self._ctx.request_id)
            return answer_of(asked, given)
        return None

    def _is_given_up(self) -> bool:
        """Whether the client said that it does not want the result any more. In the protocol of 2026 over HTTP it does
        so by closing the stream; else by a notification, which the SDK tells of in no other place."""
        if self._visit.closing.is_set():
            return False
        if self._is_over_http:
            return not self._id  # a call with an id is asked for again
        request: Any = self._ctx.session._request_outbound  # pyright: ignore[reportPrivateUsage]
        return request.cancel_requested.is_set()

    @property
    def _is_over_http(self) -> bool:
        """Whether a stream that closes is how its client gives it up."""
        return isinstance(self._ctx.request, Request) and self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def _cancel(self) -> None:
        """Gives up what this call set going, as far as policy lets its caller cancel runs; a session that was for it
        alone is closed in any case."""
        if self._session is None or self._saying is None:
            return
        visit = self._visit
        with suppress(LichenError, TimeoutError):
            turn = await asyncio.wait_for(self._saying, STARTING_S)
            run = await asyncio.wait_for(turn.run(), STARTING_S)
            await visit.runtime.runs.cancel(visit.scope, run, visit.actor)
        if not self._keeps:
            with suppress(LichenError):
                await self._session.close()


async def _settled(work: asyncio.Future[Any]) -> None:
    await asyncio.wait({work})
