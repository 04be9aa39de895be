"""A manifest that stands for an HTTP request, as the engine executes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Resources, ToolSpec
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Denied
from lichen.tools.arguments.described import canonical, read
from lichen.tools.clad.backends.requests import Written, request_of
from lichen.tools.clad.envelope import Asked, answered
from lichen.tools.clad.inputs import Inputs
from lichen.tools.clad.manifest import Manifest
from lichen.tools.clad.runner import Commands
from lichen.tools.egress.reach import Gone, NotReached, Reach, Request, Response
from lichen.tools.openapi.answers import InDoubt, failure


class HttpTool:
    """One manifest with `[http]`. `reach` asks, and `commands` has the clock."""

    def __init__(
        self, spec: ToolSpec, manifest: Manifest, inputs: Inputs, written: Written,
        reach: Reach | None = None, commands: Commands | None = None,
    ) -> None:  # fmt: skip
        self.spec = spec
        self._manifest, self._inputs, self._written = manifest, inputs, written
        self._reach, self._commands = reach or Reach(), commands or Commands()

    def bound(self, resources: Resources) -> HttpTool:
        """The tool over the client of a runtime."""
        made = resources.made(Reach), resources.made(Commands)
        return HttpTool(self.spec, self._manifest, self._inputs, self._written, *made)

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments of their types, within the scope, that a request can hold. Raises InvalidArguments."""
        fields = read(args, self.spec.input_schema)
        self._request(fields, None)
        return canonical(fields)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: an API vouches for nothing."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What is answered, in its envelope if the manifest wants one.

        Raises NotDone for what was not carried out, CommandFailed, InDoubt and Gone for what nobody knows.
        """
        shown = self._request(args.fields, None)
        began_us, began_s = self._commands.clock(), asyncio.get_running_loop().time()
        asked = Asked(self._manifest, meta, f"{shown.method} {shown.url}", began_us, began_s)
        response = await self._asked(self._request(args.fields, meta.secrets), max(meta.timeout_s, 0.001))
        output = self._manifest.output
        assert output is not None, "a manifest that was read has an output"
        return await asyncio.to_thread(
            answered,
            asked,
            output,
            self._body(response),
            asyncio.get_running_loop().time(),
            acts=self._acts,
            http_status=response.status,
        )

    @property
    def _acts(self) -> bool:
        return self.spec.effects != "none"

    def _request(self, fields: Mapping[str, object], secrets: Mapping[str, Secret] | None) -> Request:
        return request_of(self._written, self._inputs.of(fields), secrets)

    async def _asked(self, request: Request, timeout_s: float) -> Response:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reach.ask(request, timeout_s, is_private=self._manifest.lichen.private)
        except Denied as error:
            raise NotDone(error.message, code=error.code, retryable=False, recovery="finish") from error
        except NotReached as error:
            raise NotDone("The API cannot be reached.", code="api_unreachable", recovery="replan") from error
        except Gone as error:
            if self._acts:
                raise InDoubt("The connection broke before an answer came.") from error
            raise NotDone("The API broke off its answer.", code="api_failed", recovery="replan") from error

    def _body(self, response: Response) -> bytes:
        """What a good answer says. Raises NotDone, InDoubt for every other."""
        table = self._written.table
        is_good = response.status in table.success_status if table.success_status else 200 <= response.status < 300
        if not is_good or response.status in table.error_status:
            raise self._failure(response)
        if response.body is None:
            if self._acts:
                raise InDoubt("The answer is longer than may be, or packed.")
            raise NotDone("The answer cannot be used.", code="answer_unreadable", retryable=False, recovery="replan")
        return response.body

    def _failure(self, response: Response) -> Exception:
        if not 200 <= response.status < 300:
            return failure(response, acts=self._acts)
        said = f"The API answered with status {response.status}, which the manifest calls no success."
        return InDoubt(said) if self._acts else NotDone(said, code="api_failed", retryable=False, recovery="replan")

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: the manifest says of no way to ask."""
        return CannotTell()
