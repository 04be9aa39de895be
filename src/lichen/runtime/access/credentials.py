"""Agents of somebody else who come in with a credential (AgentPin): who they are here, and whether their key is known.

The first key of a domain is pinned in the tenant's log, another one waits there for an operator. Whoever has not proved
yet to be of a domain that is let in is told nothing but that the credential does not count, in the time of one that was
looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.streams import SYSTEM as BY
from lichen.core.deciders.streams import Definition as Standing
from lichen.core.deciders.streams import TenantState
from lichen.core.ports.secrets import Secrets
from lichen.core.remote.credentials import AgentPinTable, AgentTerms, domain_of
from lichen.core.words.content import RETENTION
from lichen.core.words.errors import Invalid, NotFound, Unauthenticated
from lichen.core.words.ids import TENANT_STREAM
from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.journal import Journal
from lichen.runtime.access.register import Credential
from lichen.tools.agentpin.capability import exceeding
from lichen.tools.agentpin.constraints import lets_reach
from lichen.tools.agentpin.delegation import DEPTH_MAX, Agent, Attestation, is_attested
from lichen.tools.agentpin.directory import Directory
from lichen.tools.agentpin.jwk import base64url, base64url_decoded, jwk_of
from lichen.tools.agentpin.mutual import Challenge, respond
from lichen.tools.agentpin.result import Code, Refused, Result
from lichen.tools.agentpin.token import Claims, Token, taken_apart
from lichen.tools.agentpin.verify import Terms, verify_credential
from lichen.tools.pins.keys import new_key, private_key

NONCES_MAX: Final = 100_000
NEWS_S: Final = 60.0  # between two keys of one domain that are written down as waiting
ATTESTATION_CHARS_MAX: Final = 8_192
CHALLENGE_CHARS_MAX: Final = 4_096
_BEFORE_PROOF: Final[frozenset[Code]] = frozenset(
    (
        "ALGORITHM_REJECTED", "CREDENTIAL_EXPIRED", "DISCOVERY_FETCH_FAILED", "DISCOVERY_INVALID", "DOMAIN_MISMATCH",
        "KEY_NOT_FOUND", "KEY_EXPIRED", "SIGNATURE_INVALID",
    )
)  # fmt: skip
HELD: Final = ("allowed_domains", "denied_domains")
"""The constraints that are kept here: a credential with another one is not taken, for nobody would see to that."""


class Shown(msgspec.Struct, frozen=True):
    """A credential that counted when it came: whose it is here, and what it stands on."""

    actor: Actor
    name: Credential


class DoorTo(NamedTuple):
    """One environment whose doors take credentials: what the project says of them, and where domains are looked up."""

    scope: Scope
    table: AgentPinTable
    places: Directory


class Credentials:
    """Looks at credentials. `clock` counts microseconds; what was shown before it began is not taken twice."""

    def __init__(
        self,
        doors: Sequence[DoorTo],
        journal_of: Callable[[Scope], Journal],
        clock: Callable[[], int],
        new_id: Callable[[str], str],
        secrets: Secrets,
    ) -> None:
        self._doors: Mapping[str, DoorTo] = {door.table.audience: door for door in doors}
        self._journal_of, self._clock, self._new_id = journal_of, clock, new_id
        self._secrets = secrets
        self._began_s = clock() // 1_000_000
        self._nonces: dict[tuple[str, str], float] = {}
        self._news_s: dict[tuple[Scope, str], float] = {}
        self._decoy = new_key().public_key()

    async def check(self, text: str, attestation: str = "") -> Shown:
        """Who shows a credential. `attestation` says that they delegate what they may do to our own agent.

        Raises Unauthenticated (`credential_refused`), with a code of AgentPin's once the issuer's key has signed it.
        """
        try:
            token = taken_apart(text)
        except Invalid:
            raise self._unknown(None) from None
        door = self._doors.get(token.claims.aud)
        terms = door.table.agents.get(token.claims.sub) if door is not None else None
        if door is None or terms is None or token.claims.iss != domain_of(token.claims.sub):
            raise self._unknown(token)
        result = await self._verified(text, token, door)
        try:
            self._check_cycle(token.claims, door.table)
            self._check_constraints(result, door)
            chain = await self._delegated(token.claims, door, attestation) if attestation else ()
            await self._check_key(door, token.claims.iss, result.thumbprint)
            self._take_nonce(token.claims, door.table)
        except Refused as refused:
            raise _refused(refused.code, refused.message) from None
        return _shown(token.claims, result, terms, door, chain)

    def stands(self, name: Credential) -> bool:
        """Whether a credential that counted still does: its time is not over, its domain's key is the pinned one."""
        standing = self._standing(name.scope, name.domain)
        return self._clock() < name.until_us and standing.pinned == name.thumbprint

    async def answer(self, shown: Shown, asked: str) -> str | None:
        """Our answer to the challenge of somebody who was let in, which proves that we are the agent they speak to;
        None where we are nobody there, or it is no challenge."""
        scope = shown.name.scope
        own = next((door.table.own for door in self._doors.values() if door.scope == scope), None)
        data = base64url_decoded(asked) if len(asked) <= CHALLENGE_CHARS_MAX else None
        if own is None or data is None:
            return None
        try:
            challenge = msgspec.json.decode(data, type=Challenge)
            key = private_key((await self._secrets.get(scope, own.key)).reveal())
            said = respond(challenge, key, jwk_of(key.public_key()).kid)
        except (msgspec.DecodeError, Invalid, NotFound):
            return None
        return base64url(msgspec.json.encode(said))

    # -- steps ---------------------------------------------------------------------------------------------------

    async def _verified(self, text: str, token: Token, door: DoorTo) -> Result:
        table = door.table
        terms = Terms(table.audience, table.skew_s, table.ttl_s_max)
        result = await verify_credential(text, door.places, self._now(), terms=terms)
        if result.error_code in _BEFORE_PROOF:
            raise self._unknown(None if result.error_code == "SIGNATURE_INVALID" else token)
        if result.error_code is not None:
            raise _refused(result.error_code, result.error_message)
        if "revocation_unchecked" in result.warnings:
            raise _refused("DISCOVERY_INVALID", "Nothing says what its issuer took back.")
        return result

    def _check_cycle(self, claims: Claims, table: AgentPinTable) -> None:
        own = table.own.agent if table.own is not None else ""
        if own and own in (claims.sub, *(each.agent_id for each in claims.delegation_chain)):
            raise Refused("DELEGATION_INVALID", f"{own} stands in the chain of who asks it: that is a cycle.")

    def _check_constraints(self, result: Result, door: DoorTo) -> None:
        other = next((name for name in result.constraints if name not in HELD), None)
        if other is not None:
            raise Refused("CONSTRAINT_VIOLATION", f"It limits its agent by what is not kept here: {other[:40]}.")
        if not lets_reach(result.constraints, door.table.audience):
            raise Refused("CONSTRAINT_VIOLATION", "It does not let its agent speak to this domain.")

    async def _delegated(self, claims: Claims, door: DoorTo, attestation: str) -> tuple[str, ...]:
        """The chain with which our own agent may go on, the attestation of who asks it at its end."""
        said = _attestation(attestation)
        own = door.table.own
        if own is None or said is None or (said.domain, said.agent_id) != (claims.iss, claims.sub):
            raise Refused("DELEGATION_INVALID", "The attestation is none, or not of who shows the credential.")
        if len(claims.delegation_chain) >= DEPTH_MAX:
            raise Refused("DELEGATION_DEPTH_EXCEEDED", f"It would be delegated more than {DEPTH_MAX} times.")
        known = await door.places.known(claims.iss)
        jwk = known.identity.key(said.kid) if known is not None else None
        to = Agent(domain_of(own.agent), own.agent)
        if jwk is None or not is_attested(said, to, claims.capabilities, jwk.key):
            raise Refused("DELEGATION_INVALID", f"The attestation is not for {own.agent}.")
        if exceeding(claims.capabilities, said.attested(claims.capabilities)) is not None:
            raise Refused("DELEGATION_INVALID", "It lends more than its credential claims.")
        return tuple(msgspec.json.encode(each).decode() for each in (*claims.delegation_chain, said))

    async def _check_key(self, door: DoorTo, domain: str, thumbprint: str) -> None:
        """Pins the first key, and writes another one down as waiting."""
        standing = self._standing(door.scope, domain)
        if standing.pinned == thumbprint:
            return
        journal = self._journal_of(door.scope)
        is_first = standing == Standing() and door.table.trust == "first_use"
        if is_first:
            self._write(journal, e.Pinned("agent", domain, thumbprint, BY, self._new_id("pin")))
        elif thumbprint not in (standing.submitted, *standing.rejected) and self._is_news(door.scope, domain):
            self._write(
                journal, e.Submitted("agent", domain, thumbprint, standing.pinned, BY, self._new_id("submission"))
            )
        await journal.log.durable_stream(TENANT_STREAM)
        if not is_first:
            why = "had another key before" if standing.pinned else "has a key that nobody accepted yet"
            raise Refused("KEY_PIN_MISMATCH", f"The issuer {why}; an operator judges it.")

    def _write(self, journal: Journal, control: e.Pinned | e.Submitted) -> None:
        said = msgspec.json.encode({"domain": control.name, "thumbprint": control.digest})
        journal.append(
            {TENANT_STREAM: (e.Draft(control, moves.as_contents([("definition", said)], RETENTION)),)}, actor=BY
        )

    def _is_news(self, scope: Scope, domain: str) -> bool:
        now_s = self._clock() / 1_000_000
        if now_s - self._news_s.get((scope, domain), -NEWS_S) < NEWS_S:
            return False
        self._news_s[scope, domain] = now_s
        return True

    def _take_nonce(self, claims: Claims, table: AgentPinTable) -> None:
        """A credential with a nonce is shown once. One that was issued before we began may have been shown already."""
        if not claims.nonce:
            return
        now_s = self._clock() / 1_000_000
        if len(self._nonces) >= NONCES_MAX:
            self._nonces = {each: until for each, until in self._nonces.items() if until > now_s}
        name = (claims.iss, claims.nonce)
        if name in self._nonces or claims.iat <= self._began_s or len(self._nonces) >= NONCES_MAX:
            raise Refused("CREDENTIAL_EXPIRED", "It was for one time, and was shown before.")
        self._nonces[name] = claims.exp + table.skew_s

    # -- what is known -------------------------------------------------------------------------------------------

    def _standing(self, scope: Scope, domain: str) -> Standing:
        state = self._journal_of(scope).log.state(TENANT_STREAM)
        assert isinstance(state, TenantState)
        return state.definitions.get(f"agent:{domain}", Standing())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1_000_000, UTC)

    def _unknown(self, token: Token | None) -> Unauthenticated:
        """The same for whoever proved nothing, after the work that a proof would have been."""
        if token is not None:
            token.is_signed_by(self._decoy)
        step = "Look at its times and audience; ask whoever runs this which agents are let in."
        return Unauthenticated("This credential does not count here.", code="credential_refused", next_step=step)


def _shown(claims: Claims, result: Result, terms: AgentTerms, door: DoorTo, chain: tuple[str, ...]) -> Shown:
    able = tuple(each for each in terms.capabilities if exceeding(claims.capabilities, (each,)) is None)
    actor = Actor(
        terms.kind, claims.sub, terms.roles, f"agentpin:{result.thumbprint}", capabilities=able, delegated=chain
    )
    until_us = (claims.exp + door.table.skew_s) * 1_000_000
    return Shown(actor, Credential(door.scope, claims.iss, result.thumbprint, until_us))


def _attestation(text: str) -> Attestation | None:
    data = base64url_decoded(text) if len(text) <= ATTESTATION_CHARS_MAX else None
    try:
        return None if data is None else msgspec.json.decode(data, type=Attestation)
    except msgspec.DecodeError:
        return None


def _refused(code: Code, message: str) -> Unauthenticated:
    step = "Show a credential that counts; `lichen agentpin verify` says what is wrong with one."
    return Unauthenticated(f"{code}: {message}", code="credential_refused", next_step=step)
