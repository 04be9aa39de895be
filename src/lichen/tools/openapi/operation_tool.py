"""An operation of an API as the engine executes it."""

from __future__ import annotations

import asyncio
from typing import Final

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    NotDone,
    Probe,
    Resources,
    ToolSpec,
)
from lichen.core.remote.api import Api
from lichen.core.words.errors import Denied
from lichen.tools.arguments.described import canonical, read
from lichen.tools.egress.reach import Gone, NotReached, Reach, Request
from lichen.tools.openapi.answers import InDoubt, result_of
from lichen.tools.openapi.credentials import Credential, Shown, shown
from lichen.tools.openapi.operations import Operation
from lichen.tools.openapi.requests import requested

HERE: Final = "http://localhost"  # whether arguments make a request does not depend on where it goes


class OperationTool:
    """One operation of one API. `wanted` is what a call shows of who asks."""

    def __init__(
        self, spec: ToolSpec, operation: Operation, api: Api, wanted: tuple[Credential, ...], reach: Reach | None = None
    ) -> None:
        self.spec = spec
        self._operation, self._api, self._wanted, self._reach = operation, api, wanted, reach or Reach()

    def bound(self, resources: Resources) -> OperationTool:
        """The tool over the client of a runtime."""
        return OperationTool(self.spec, self._operation, self._api, self._wanted, resources.made(Reach))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments that fit the schema, and that a request can hold. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        requested(self._operation, fields, HERE)
        return canonical(fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: an API vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What the API answers.

        Raises NotDone for what was not carried out, InDoubt and Gone for what nobody knows.
        """
        base = self._api.url_in(meta.scope)
        if not base:
            message = "The API has no URL in this environment."
            raise NotDone(message, code="api_not_here", retryable=False, recovery="replan")
        request = _with(requested(self._operation, args.fields, base), shown(self._wanted, meta.secrets))
        if self._operation.keyed:
            request = request._replace(headers=(*request.headers, (self._operation.keyed, meta.idempotency_key)))
        acts = self.spec.effects != "none"
        try:
            async with asyncio.timeout(max(meta.timeout_s, 0.001)):
                response = await self._reach.ask(request, max(meta.timeout_s, 0.001), is_private=self._api.private)
        except Denied as error:
            raise NotDone(error.message, code=error.code, retryable=False, recovery="finish") from error
        except NotReached as error:
            raise NotDone("The API cannot be reached.", code="api_unreachable", recovery="replan") from error
        except Gone as error:
            if acts:
                raise InDoubt("The connection broke before an answer came.") from error
            raise NotDone("The API broke off its answer.", code="api_failed", recovery="replan") from error
        schema = None if acts else self.spec.output_schema or None
        return await result_of(response, schema, acts=acts)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: the document says of no way to ask."""
        return CannotTell()


def _with(request: Request, more: Shown) -> Request:
    """The request with what is shown in it, which nothing that a caller gave stands beside."""
    own = {name.lower() for name, _ in more.headers}
    headers = [(name, value) for name, value in request.headers if name.lower() not in own]
    if more.cookies:
        cookies = [value for name, value in headers if name == "Cookie"]
        headers = [(name, value) for name, value in headers if name != "Cookie"]
        headers.append(("Cookie", "; ".join((*cookies, *more.cookies))))
    url = request.url
    if more.query:
        url += ("&" if "?" in url else "?") + "&".join(more.query)
    return request._replace(url=url, headers=(*headers, *more.headers))
