"""The connection of one scope to one server: opened when it is first needed, opened again after it broke, with a pause
that grows while that does not help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from lichen.core.ports.call import CallMeta, NotDone
from lichen.core.ports.model import Model
from lichen.core.remote.server import Server
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import ToolName
from lichen.tools.mcp.definition import Definition
from lichen.tools.mcp.failures import CONNECTION_CLOSED, REQUEST_TIMEOUT, ServerGone
from lichen.tools.mcp.listing import Listed, listed, takes
from lichen.tools.mcp.oauth.tokens import Tokens
from lichen.tools.mcp.stdio import Errors, process
from lichen.tools.mcp.underway import Calls

if TYPE_CHECKING:
    import httpx2
    from mcp import Client
    from mcp.types import (
        CreateMessageRequestParams,
        CreateMessageResult,
        CreateMessageResultWithTools,
        ElicitRequestParams,
        ElicitResult,
        ErrorData,
        ListRootsResult,
    )

OPEN_S: Final = 30.0  # to start and to agree on a protocol
PAUSE_S: Final = 0.5
PAUSE_S_MAX: Final = 60.0

Reveal = Callable[[str], Awaitable[str]]
"""The value of a secret of the scope, by name."""


class Reached(Protocol):
    """One server, by whichever connection a call has to it."""

    def of(self, meta: CallMeta) -> Connection:
        """The connection for a call. Raises Unavailable (`connections_full`)."""
        ...


class Connection:
    """One server as one scope reaches it. `reveal` gives its secrets; `clock` counts seconds; `tokens` are those of
    whoever signed in there, and `model` is what it may ask in the midst of a call; `shows` is how
    else we say who asks."""

    def __init__(
        self,
        server: Server,
        reveal: Reveal,
        clock: Callable[[], float],
        tokens: Tokens | None = None,
        model: Model | None = None,
        shows: Callable[[], Awaitable[httpx2.Auth]] | None = None,
    ) -> None:
        self.server, self.model = server, model
        self._tokens, self._shows = tokens, shows
        self._reveal = reveal
        self._clock = clock
        self._errors = Errors()
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._holding: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._listed: Listed | None = None
        self._listed_s = 0.0
        self.calls = Calls()

    def of(self, meta: CallMeta) -> Connection:
        """Itself, whomever a call is for."""
        return self

    # -- what is asked of it -------------------------------------------------------------------------------------

    async def offered(self, *, anew: bool = False) -> Listed:
        """What the server offers now, as far as it said so. Raises Unavailable (`server_unreachable`), Invalid."""
        client = await self.client()
        is_old = self._clock() - self._listed_s > self.server.listed_s
        if self._listed is None or is_old or anew:
            try:
                async with self.watched():
                    found = await asyncio.wait_for(listed(self.server.name, client), OPEN_S)
            except TimeoutError:
                raise self._unreachable("it does not say what it offers") from None
            taken = {name: each for name, each in found.tools.items() if takes(self.server, each.tool)}
            self._listed, self._listed_s = found._replace(tools=taken), self._clock()
        return self._listed

    async def definition(self, name: ToolName) -> Definition | None:
        """What the server says of a tool now, None where it has none of this name."""
        return (await self.offered()).tools.get(name)

    @property
    def is_open(self) -> bool:
        """Whether there is a client now."""
        return self._client is not None

    async def client(self) -> Client:
        """The open client. Raises Unavailable (`server_unreachable`) with what the server last said."""
        async with self._opening:
            if self._client is None:
                self._client = await self._opened()
            return self._client

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """What breaks in here may have broken the connection, so the next to ask opens it again."""
        try:
            yield
        except (LichenError, NotDone, ServerGone, asyncio.CancelledError):
            raise
        except Exception as error:
            is_late = isinstance(error, TimeoutError)  # which costs nobody else the call that they are in
            if is_broken(error) and not (is_late and self.calls.count):
                await self.close()
            raise

    async def close(self) -> None:
        """Ends the connection, and with it the process of the server."""
        holding, self._holding, self._client, self._listed = self._holding, None, None, None
        self.calls.clear()
        if holding is not None:
            holding.cancel()
            await asyncio.wait([holding])

    # -- opening -------------------------------------------------------------------------------------------------

    async def _opened(self) -> Client:
        if self._clock() < self._not_before:
            raise self._unreachable("it failed a moment ago")
        await self.close()
        opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._holding = asyncio.ensure_future(self._hold(opened))
        try:
            client = await asyncio.wait_for(asyncio.shield(opened), OPEN_S)
        except Exception as error:
            self._failures += 1
            self._not_before = self._clock() + min(PAUSE_S * 2**self._failures, PAUSE_S_MAX)
            await self.close()
            if isinstance(error, Unavailable):  # it says what to do
                raise
            raise self._unreachable(str(error) or type(error).__name__) from error
        self._failures = 0
        return client

    async def _hold(self, opened: asyncio.Future[Client]) -> None:
        """Keeps the client open, in the one task that may open and close it, until this is cancelled."""
        from mcp import Client

        try:
            asked = self._elicited if self.server.asks else None
            roots = self._rooted if self.server.roots else None
            async with Client(
                await self._transport(),
                message_handler=self._hear,
                elicitation_callback=asked,
                sampling_callback=None if self.model is None else self._sampled,
                list_roots_callback=roots,
                cache=None,
            ) as client:
                opened.set_result(client)
                await self._follow(client)
                await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001 - whoever opens it is told; what is open breaks with its calls
            if not opened.done():
                opened.set_exception(_first(error))

    async def _follow(self, client: Client) -> None:
        """Hears of changes where a server tells of them on a stream of its own (since 2026-07-28)."""
        from mcp import MCPError
        from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

        with suppress(ListenNotSupportedError, SubscriptionLost, MCPError, TimeoutError):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._listed = None

    async def _transport(self) -> AbstractAsyncContextManager[Any]:
        if self.server.command:
            added = {host: await self._revealed(fields) for host, fields in self.server.credentials.items()}
            return process(self.server, await self._revealed(self.server.env), added, self._errors)
        from lichen.tools.mcp.http import reached

        return reached(self.server, await self._revealed(self.server.headers), await self._auth())

    async def _auth(self) -> httpx2.Auth | None:
        """As whom the server is asked. Raises Unavailable (`sign_in_needed`)."""
        if self._shows is not None:
            return await self._shows()
        oauth = self.server.oauth
        if oauth is None:
            return None
        if oauth.grant == "client_credentials":
            from lichen.tools.mcp.oauth.signin import own_token

            return own_token(self.server, await self._reveal(oauth.client_secret))
        from lichen.tools.mcp.oauth.bearer import Bearer

        assert self._tokens is not None, "a server that people sign in at has a place for their tokens"
        bearer = Bearer(self.server, self._tokens)
        await bearer.ready()
        return bearer

    async def _revealed(self, values: Mapping[str, str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for name, value in values.items():
            prefix, is_secret, secret = value.partition("secret:")
            found[name] = prefix + await self._reveal(secret) if is_secret else value
        return found

    async def _elicited(self, context: Any, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """The server asks something in the midst of a call."""
        return await self.calls.asked(params)

    async def _sampled(
        self, context: Any, params: CreateMessageRequestParams
    ) -> CreateMessageResult | CreateMessageResultWithTools | ErrorData:
        """The server wants a model to be asked in the midst of a call."""
        return await self.calls.sampled(params)

    async def _rooted(self, context: Any) -> ListRootsResult:
        """The folders that the project tells the server of."""
        return roots_of(self.server)

    async def _hear(self, message: Any) -> None:
        """The server says that its list changed: it is read again before the next call."""
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._listed = None

    def _unreachable(self, why: str) -> Unavailable:
        told = f" It last wrote: {self._errors.last}" if self._errors.last else ""
        return Unavailable(
            f"The MCP server {self.server.name} cannot be reached: {why}.{told}",
            code="server_unreachable",
            place=f"mcp.{self.server.name}",
            next_step="`lichen tools` says which servers answer; look at its command or URL in lichen.toml.",
        )


def roots_of(server: Server) -> ListRootsResult:
    """The folders that the project tells a server of: words, which let it do nothing."""
    from mcp.types import ListRootsResult, Root

    return ListRootsResult.model_validate({"roots": [Root.model_validate({"uri": uri}) for uri in server.roots]})


def is_broken(error: BaseException) -> bool:
    """Whether the connection is to be taken for broken after this."""
    from mcp import MCPError

    return not isinstance(error, MCPError) or error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT)


def _first(error: BaseException) -> BaseException:
    """What went wrong, where several things did at once."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
