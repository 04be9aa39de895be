"""A call at its server, over every question that is asked before it ends.

Until 2026-07-28 a server asks by a request of its own while the call goes on; what it began goes on then while somebody
thinks. Since then it ends the call with what it needs and a state of its own, and is called again with both.

Source: Model Context Protocol, revisions 2025-11-25 (elicitation) and 2026-07-28 (input required).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from lichen.core.ports.call import CallMeta, GivenAnswer, NeedsAnswer, NotDone
from lichen.core.remote.server import Server
from lichen.tools.mcp.asking import question_of, result_of
from lichen.tools.mcp.connection import Connection, roots_of
from lichen.tools.mcp.failures import ServerGone
from lichen.tools.mcp.sampling import Refused, Sampler
from lichen.tools.mcp.underway import Underway, unsaid

if TYPE_CHECKING:
    from mcp import MCPError
    from mcp.types import CallToolResult, CreateMessageResult, ElicitRequestParams, InputRequiredResult

ROUNDS_MAX: Final = 10  # of calls that end with what the server needs
REQUESTS_MAX: Final = 10  # in one of them
PAUSE_S: Final = 0.1  # before a call that the server wants once more, for nothing
URL_NEEDED: Final = -32042
CALL_ID: Final = "lichen.dev/call-id"
Made = "CallToolResult | NeedsAnswer"


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a call while somebody is asked: in which way its server asked, and what for. `requests` are what
    is still to be asked, `responses` what was said, by the server's own keys, `roots` the keys under which it asks for
    folders, `samples` what it asks of a model; `state` is the server's."""

    way: Literal["request", "input", "address"]
    params: dict[str, Any]
    key: str = ""
    requests: dict[str, dict[str, Any]] = {}
    responses: dict[str, dict[str, Any]] = {}
    state: str | None = None
    rounds: int = 0
    roots: tuple[str, ...] = ()
    samples: dict[str, dict[str, Any]] = {}


class Calling:
    """One call of a tool, by the name and with the arguments that its server knows. `told` is its `_meta`."""

    def __init__(
        self, connection: Connection, client: Any, tool: str, arguments: Mapping[str, Any], meta: CallMeta
    ) -> None:
        self._connection, self._client = connection, client
        self._tool, self._arguments, self._meta = tool, arguments, meta
        self._sampler = Sampler(connection.server.name, connection.model, meta.beside)
        self._rounds = 0

    async def made(self) -> CallToolResult | NeedsAnswer:
        """The result, or what somebody has to say first. Raises NotDone for what is asked and not answered here,
        ServerGone for a call that went on and of which nobody hears any more, MCPError."""
        answer = self._meta.answer
        if answer is None:
            return await self._heard(self._begun())
        kept = msgspec.json.decode(answer.state, type=Kept)
        self._rounds = kept.rounds
        match kept.way:
            case "request":
                return await self._resumed(kept, answer)
            case "input":
                response = result_of(answer, _params(kept.params)).model_dump(mode="json", by_alias=True)
                return await self._next(kept, {**kept.responses, kept.key: response})
            case "address":
                if result_of(answer, _params(kept.params)).action != "accept":
                    raise NotDone("Nobody opened the address.", code="declined", retryable=False, recovery="replan")
                return await self._heard(self._begun())

    # -- one call ------------------------------------------------------------------------------------------------

    def _begun(self, responses: Mapping[str, Any] | None = None, state: str | None = None) -> Underway:
        return self._connection.calls.begin(
            self._client.session.call_tool(
                self._tool,
                dict(self._arguments),
                input_responses=responses,
                request_state=state,
                allow_input_required=True,
                progress_callback=None if self._meta.beside is None else self._progressed,
                meta=told(self._connection.server, self._meta),
            ),
            self._sampler,
        )

    async def _progressed(self, progress: float, total: float | None, message: str | None) -> None:
        """The server says how far it is."""
        if self._meta.beside is not None:
            self._meta.beside.tell(progress, total, message or "")

    async def _resumed(self, kept: Kept, answer: GivenAnswer) -> CallToolResult | NeedsAnswer:
        call = self._connection.calls.resume((self._meta.run, self._meta.call), self._sampler)
        if call is None:
            raise ServerGone("The connection over which the server asked is gone.")
        call.tell(result_of(answer, _params(kept.params)))
        return await self._heard(call)

    async def _heard(self, call: Underway) -> CallToolResult | NeedsAnswer:
        from mcp import MCPError
        from mcp.types import ElicitRequestFormParams, ElicitRequestURLParams

        try:
            while True:
                said = await call.ended_or_asked()
                if not isinstance(said, ElicitRequestFormParams | ElicitRequestURLParams):
                    break
                asked = self._asked(call, said)
                if asked is not None:
                    return asked
        except MCPError as error:
            return self._address(error)
        except asyncio.CancelledError:
            call.cancel()
            raise
        finally:
            self._connection.calls.end(call)
        return said if hasattr(said, "content") else await self._needed(said)

    def _asked(self, call: Underway, params: ElicitRequestParams) -> NeedsAnswer | None:
        """The question of a call that goes on; None where the server was told that nobody is asked."""
        kept = Kept("request", _said(params), rounds=self._rounds)
        try:
            question = question_of(self._connection.server, params, state=msgspec.json.encode(kept), goes_on=True)
        except NotDone as refused:
            call.tell(unsaid(refused.message))
            return None
        self._connection.calls.park((self._meta.run, self._meta.call), call)
        return question

    # -- calls that end with what the server needs ------------------------------------------------------------------

    async def _needed(self, result: InputRequiredResult) -> CallToolResult | NeedsAnswer:
        self._rounds += 1
        requests = dict(result.input_requests or {})
        if self._rounds > ROUNDS_MAX or len(requests) > REQUESTS_MAX:
            raise _unmet("The server asks for more and more before it would do this.")
        if not requests:
            await asyncio.sleep(PAUSE_S * self._rounds)
            return await self._heard(self._begun(state=result.request_state))
        roots = tuple(key for key, each in requests.items() if each.method == "roots/list" and self._roots)
        samples = {key: _said(each.params) for key, each in requests.items() if self._is_sample(each)}
        wanted = {key: _elicited(each) for key, each in requests.items() if key not in roots and key not in samples}
        kept = Kept("input", {}, "", wanted, {}, result.request_state, self._rounds, roots, samples)
        return await self._next(kept, {})

    async def _next(self, kept: Kept, responses: dict[str, dict[str, Any]]) -> CallToolResult | NeedsAnswer:
        """The next question, or the call once more with everything that was said."""
        from mcp.types import ElicitResult

        left = {key: params for key, params in kept.requests.items() if key not in responses}
        for key, params in left.items():
            return self._question(msgspec.structs.replace(kept, params=params, key=key, responses=responses))
        said: dict[str, Any] = {key: ElicitResult.model_validate(each) for key, each in responses.items()}
        said.update(dict.fromkeys(kept.roots, roots_of(self._connection.server)))
        for key, params in kept.samples.items():
            said[key] = await self._sampled(params)
        return await self._heard(self._begun(said, kept.state))

    def _is_sample(self, request: Any) -> bool:
        return request.method == "sampling/createMessage" and self._connection.model is not None

    async def _sampled(self, params: dict[str, Any]) -> CreateMessageResult:
        """A model's reply, once everybody who is asked has said something."""
        from mcp.types import CreateMessageRequestParams

        try:
            return await self._sampler.reply(CreateMessageRequestParams.model_validate(params))
        except Refused as refused:
            raise NotDone(refused.message, code="sampling_refused", retryable=False, recovery="replan") from refused

    @property
    def _roots(self) -> tuple[str, ...]:
        return self._connection.server.roots

    def _question(self, kept: Kept) -> NeedsAnswer:
        server, state = self._connection.server, msgspec.json.encode(kept)
        return question_of(server, _params(kept.params), state=state, goes_on=False)

    def _address(self, error: MCPError) -> NeedsAnswer:
        """An error that says which address somebody has to open first. Raises any other."""
        from mcp.types import ElicitRequestURLParams
        from pydantic import ValidationError

        if error.code != URL_NEEDED or "url" not in self._connection.server.asks:
            raise error
        try:
            data: Any = error.error.data
            params = ElicitRequestURLParams.model_validate(data["elicitations"][0])
        except (ValidationError, LookupError, TypeError):
            raise error from None
        self._rounds += 1
        if self._rounds > ROUNDS_MAX:
            raise _unmet("The server asks to open one address after the other.")
        kept = Kept("address", _said(params), rounds=self._rounds)
        return question_of(self._connection.server, params, state=msgspec.json.encode(kept), goes_on=False)


def _elicited(request: Any) -> dict[str, Any]:
    if request.method != "elicitation/create":
        raise _unmet("The server asks for something before it would do this, which agents here do not give.")
    return _said(request.params)


def _said(params: Any) -> dict[str, Any]:
    return params.model_dump(mode="json", by_alias=True, exclude_none=True)


def _params(said: Mapping[str, Any]) -> ElicitRequestParams:
    from mcp.types import ElicitRequestFormParams, ElicitRequestURLParams

    return (ElicitRequestURLParams if said.get("mode") == "url" else ElicitRequestFormParams).model_validate(said)


def told(server: Server, meta: CallMeta) -> dict[str, Any]:
    """What a server may know of a call: a key that is the same on every attempt, and nothing of whom it is for."""
    call = {CALL_ID: meta.idempotency_key} if server.is_registry else {}
    return {"lichen.dev/idempotency-key": meta.idempotency_key, **call}


def _unmet(message: str) -> NotDone:
    return NotDone(message, code="input_required", retryable=False, recovery="replan")
