"""Which agent of ours asks a server: a credential for each request, good once, with the chain of who delegated to it.

Source: AgentPin specification 0.1, credentials, delegation, mutual verification.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import httpx2
import msgspec

from lichen.core.remote.credentials import ShownAs, domain_of
from lichen.core.remote.server import Server
from lichen.core.words.errors import Unavailable
from lichen.tools.agentpin.capability import exceeding
from lichen.tools.agentpin.delegation import DEPTH_MAX, Agent, Attestation, attest
from lichen.tools.agentpin.directory import Directory
from lichen.tools.agentpin.issue import Granted, issue
from lichen.tools.agentpin.jwk import base64url, base64url_decoded, jwk_of
from lichen.tools.agentpin.mutual import Challenge, Nonces, Response, answered, challenge
from lichen.tools.mcp.failures import shown as short
from lichen.tools.mcp.http import client_of
from lichen.tools.mcp.oauth.bearer import origin_of
from lichen.tools.pins.keys import PrivateKey

UNAUTHORIZED: Final = 401
AGAIN_S: Final = 1.0
REFUSED: Final = "It refuses the credential."
ANSWER_CHARS_MAX: Final = 4_096


class Showing(httpx2.Auth):
    """Puts a credential on each request to a server. `lent` is the chain by which we were delegated to, `places` knows
    the server's domain, `new_id` makes what nobody guesses. Raises Unavailable (`delegation_refused`)."""

    def __init__(
        self,
        server: Server,
        shown: ShownAs,
        key: PrivateKey,
        lent: Sequence[Attestation],
        places: Directory,
        now: Callable[[], datetime],
        new_id: Callable[[str], str],
    ) -> None:
        self._server, self._shown, self._key, self._lent = server, shown, key, tuple(lent)
        self._places, self._now, self._new_id = places, now, new_id
        self._can = self._granted()
        self._kid = jwk_of(key.public_key()).kid
        self._own, self._to = (Agent(domain_of(each), each) for each in (shown.agent, shown.to))
        self._lends = attest(key, self._kid, self._own, self._to, self._can, role="deployer")

    async def ready(self) -> None:
        """Asks the server whether it takes the credential, and to prove who it is where that is wanted, before anything
        else is told to it. Raises Unavailable (`credential_refused`, `server_unproved`)."""
        refused = await self._asked_once()
        if refused.startswith(f"{REFUSED} CREDENTIAL_EXPIRED"):  # as a server says that begins in this very second
            await asyncio.sleep(AGAIN_S)
            refused = await self._asked_once()
        if refused:
            raise self._failed("credential_refused", refused)

    async def _asked_once(self) -> str:
        """Why the credential is refused; nothing where it is taken. Raises Unavailable (`server_unproved`)."""
        asked = challenge(self._random(), self._now())
        said = {"agentpin-challenge": base64url(msgspec.json.encode(asked))} if self._shown.proves else {}
        async with client_of(self._server, {}) as client:
            response = await client.request("OPTIONS", self._server.url, headers={**self._headers(), **said})
        if response.status_code == UNAUTHORIZED:
            return _told(response.content)
        if self._shown.proves:
            await self._check(asked, response)
        return ""

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The request with a credential of its own. Raises Unavailable (`credential_refused`)."""
        if origin_of(str(request.url)) != origin_of(self._server.url):
            raise self._failed("credential_refused", "A request would go to another address.")
        request.headers.update(self._headers())
        yield request

    def _granted(self) -> tuple[str, ...]:
        """What may be claimed: of what the project says, what was lent. Nobody is asked who asked us."""
        chain = [each.agent_id for each in self._lent]
        again = next((each for each in (self._shown.to, self._shown.agent) if each in chain), None)
        if again is not None:
            raise self._failed("delegation_refused", f"{again} stands in the chain of who asks: that is a cycle.")
        if len(self._lent) > DEPTH_MAX:
            raise self._failed("delegation_refused", f"It was delegated more than {DEPTH_MAX} times.")
        lent = self._lent[-1].attested(self._shown.can) if self._lent else self._shown.can
        found = tuple(each for each in self._shown.can if exceeding(lent, (each,)) is None)
        if not found:
            raise self._failed("delegation_refused", "Nothing that it may do was lent to it.")
        return found

    def _headers(self) -> dict[str, str]:
        granted = Granted(self._can, self._shown.receiver, chain=self._lent, ttl_s=self._shown.ttl_s)
        id = self._new_id("credential")
        credential = issue(self._key, self._own, granted, self._now(), id=id, nonce=id, kid=self._kid)
        headers = {"authorization": f"AgentPin {credential}"}
        if len(self._lent) < DEPTH_MAX:  # else it goes no further
            headers["agentpin-attestation"] = base64url(msgspec.json.encode(self._lends))
        return headers

    async def _check(self, asked: Challenge, response: httpx2.Response) -> None:
        """Raises Unavailable (`server_unproved`) where the server has not the key of the agent that we mean."""
        data = base64url_decoded(response.headers.get("agentpin-response", "")[:ANSWER_CHARS_MAX])
        known = await self._places.known(self._to.domain)
        try:
            said = msgspec.json.decode(data or b"", type=Response)
        except msgspec.DecodeError:
            said = None
        declared = known.identity.agent(self._to.agent_id) if known is not None else None
        jwk = known.identity.key(said.kid) if known is not None and said is not None else None
        is_gone = declared is None or declared.status != "active"
        if said is None or jwk is None or known is None or known.gone is None or is_gone:
            raise self._unproved()
        if known.gone.has(jti="", agent=self._to.agent_id, kid=said.kid) is not None:
            raise self._unproved()
        if answered(said, asked, jwk.key, Nonces(), self._now()) != "proved":
            raise self._unproved()

    def _random(self) -> bytes:
        return bytes.fromhex("".join(self._new_id("nonce").partition("-")[2] for _ in range(2)))

    def _unproved(self) -> Unavailable:
        return self._failed("server_unproved", f"It does not prove to be {self._to.agent_id}.")

    def _failed(self, code: str, why: str) -> Unavailable:
        step = "Look at `agentpin` of its [[mcp]] table, and at what its domain says of its agents."
        return Unavailable(why, code=code, place=f"mcp.{self._server.name}", next_step=step)


class _Said(msgspec.Struct):
    message: str = ""


class _Body(msgspec.Struct):
    error: Any = None


def _told(body: bytes) -> str:
    """Why a server refuses the credential, as it says."""
    try:
        said = msgspec.convert(msgspec.json.decode(body, type=_Body).error, _Said).message
    except (msgspec.DecodeError, msgspec.ValidationError):
        said = ""
    return f"{REFUSED} {short(said)}".strip()
