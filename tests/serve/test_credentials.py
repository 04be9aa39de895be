"""Agents of somebody else at the API and at `/mcp`: who they are, what they may, and how a key of theirs is judged."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.controls.calls import Decided
from lichen.core.ports.secrets import Secret
from lichen.core.remote.credentials import AgentPinTable, AgentTerms, OwnAgent
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import Actor, Operator, Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.site import make_site
from lichen.tools.agentpin.delegation import Agent
from lichen.tools.agentpin.jwk import base64url, base64url_decoded
from lichen.tools.agentpin.mutual import Nonces, Response, answered, challenge
from lichen.tools.pins.keys import new_key, private_pem
from tests.declared import declaring
from tests.serve.asgi import Answer, Door
from tests.serve.conftest import DEMO
from tests.serve.mcp import client, served
from tests.serve.partners import AUDIENCE, BUYER, TABLE, Partner, now, now_s, shown

ACME = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
OWN = "urn:agentpin:shop.example:seller"
NAME = "agent:partner.example"


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    return Partner(tmp_path / "known")


def trusting(project: Project, tmp_path: Path, table: AgentPinTable = TABLE) -> Project:
    table = msgspec.structs.replace(table, known=str(tmp_path / "known"))
    return declaring(project, agentpin=(table,))


@pytest.fixture
async def house(project: Project, partner: Partner, tmp_path: Path) -> AsyncGenerator[Runtime]:
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        yield runtime


def door(runtime: Runtime, credential: str, scheme: str = "AgentPin", **headers: str) -> Door:
    return Door(make_site(runtime), {"authorization": f"{scheme} {credential}", **headers})


async def code_of(runtime: Runtime, credential: str, **headers: str) -> str:
    """What is wrong with a credential, as its holder is told; empty where nothing is."""
    answer = await door(runtime, credential, **headers).get("runs")
    return "" if answer.status == 200 else message_of(answer)


def message_of(answer: Answer) -> str:
    assert (answer.status, answer.code) == (401, "credential_refused")
    return answer.data["error"]["message"].partition(":")[0]


GENERIC = "This credential does not count here."


@pytest.mark.req("SYM-66.10")
@pytest.mark.parametrize("scheme", ["AgentPin", "Bearer", "agentpin"])
async def test_an_agent_of_a_trusted_domain_comes_in_as_what_the_project_says(
    house: Runtime, partner: Partner, scheme: str
) -> None:
    caller = door(house, partner.credential(), scheme)
    assert (await caller.get("runs")).status == 200  # a service looks
    assert (await caller.get("tools")).code == "role_missing"
    opened = await caller.post("sessions", {})
    assert opened.status == 200
    log = house.log(ACME)
    who = Actor("service", BUYER)
    assert log.knows(log.pseudonym(who))


@pytest.mark.req("SYM-66.10")
async def test_an_agent_comes_in_over_mcp_with_its_credential_as_bearer(house: Runtime, partner: Partner) -> None:
    async with served(house) as url, client(url, partner.credential()) as agent:
        assert "shop.support" in {tool.name for tool in (await agent.list_tools()).tools}
        result = await agent.call_tool("shop.support", {"text": "Where is order 1042?"})
    assert not result.is_error
    run = house.runs.list(ACME, OPS)[0]
    actor = house.engine.journal(ACME).actor_of(run.id).subject
    assert (actor.kind, actor.id, actor.roles, actor.capabilities) == ("service", BUYER, ("partner",), ("read:orders",))
    pinned = house.tools.show(ACME, NAME, OPS).standing.pinned
    assert actor.auth == f"agentpin:{pinned}"


@pytest.mark.req("SYM-66.11")
async def test_who_proved_nothing_is_told_the_same_whatever_is_wrong(house: Runtime, partner: Partner) -> None:
    stranger = Partner(partner.folder, "stranger.example")
    thief = Partner(partner.folder.parent / "elsewhere")
    credentials = (
        "a.b.c", stranger.credential(), thief.credential(), partner.credential(to="other.example"),
        partner.credential(to="*"), partner.credential(to=""), partner.credential(name="seller"),
        partner.credential(iat=now_s() - 9_000, exp=now_s() - 8_000), partner.credential(iat=now_s() + 600),
        partner.credential(exp=now_s() + 8_000), partner.credential(iss="stranger.example"),
    )  # fmt: skip
    for credential in credentials:
        answer = await door(house, credential).get("runs")
        assert message_of(answer) == GENERIC
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.req("SYM-66.11")
async def test_who_proved_its_domain_is_told_what_is_wrong(house: Runtime, partner: Partner) -> None:
    assert await code_of(house, partner.credential(can=("write:orders",))) == "CAPABILITY_EXCEEDED"
    limits = {"data_classification_max": "public"}
    assert await code_of(house, partner.credential(constraints=limits)) == "CONSTRAINT_VIOLATION"
    assert (
        await code_of(house, partner.credential(constraints={"denied_domains": [AUDIENCE]})) == "CONSTRAINT_VIOLATION"
    )
    assert await code_of(house, partner.credential(constraints={"allowed_domains": [AUDIENCE]})) == ""


@pytest.mark.req("SYM-66.12")
@pytest.mark.parametrize("kind", ["credential", "agent", "key"])
async def test_what_an_issuer_took_back_does_not_come_in(
    project: Project, partner: Partner, tmp_path: Path, kind: str
) -> None:
    credential = partner.credential(jti="taken")
    named = {"credential": {"jti": "taken"}, "agent": {"agent_id": BUYER}, "key": {"kid": partner.kid}}[kind]
    code = {"credential": "CREDENTIAL_REVOKED", "agent": "AGENT_INACTIVE", "key": "KEY_REVOKED"}[kind]
    partner.publish(**{f"revoked_{kind}s": [{**named, "revoked_at": "", "reason": "key_compromise"}]})
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        assert await code_of(runtime, credential) == code


@pytest.mark.req("SYM-66.12")
async def test_without_word_of_what_was_taken_back_nobody_comes_in(
    project: Project, partner: Partner, tmp_path: Path
) -> None:
    (partner.folder / "partner.example.revocations.json").unlink()
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        assert await code_of(runtime, partner.credential()) == "DISCOVERY_INVALID"


@pytest.mark.req("SYM-66.13")
async def test_another_key_waits_for_an_operator_and_ends_what_the_first_one_opened(
    project: Project, partner: Partner, tmp_path: Path
) -> None:
    old = partner.credential()
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        assert await code_of(runtime, old) == ""
        pinned = runtime.tools.show(ACME, NAME, OPS)
        assert (pinned.standing.state, pinned.pinned_by) == ("on", "system")
    partner.key = new_key()
    partner.publish()
    async with Runtime.of(trusting(project, tmp_path)) as runtime:  # after a restart the log still knows
        assert await code_of(runtime, partner.credential()) == "KEY_PIN_MISMATCH"
        assert await code_of(runtime, partner.credential()) == "KEY_PIN_MISMATCH"
        offer = runtime.tools.show(ACME, NAME, OPS)
        assert (offer.standing.state, offer.standing.pinned) == ("changed", pinned.standing.pinned)
        assert offer.difference
        assert runtime.tools.waiting(ACME, OPS) == 1
        await runtime.tools.accept(ACME, NAME, offer.standing.waiting, OPS)
        assert await code_of(runtime, partner.credential()) == ""
        await runtime.tools.reject(ACME, NAME, offer.standing.waiting, OPS)
        assert await code_of(runtime, partner.credential()) == "KEY_PIN_MISMATCH"
        assert runtime.tools.show(ACME, NAME, OPS).standing.state == "rejected"


@pytest.mark.req("SYM-66.13")
async def test_a_project_may_want_even_the_first_key_accepted(
    project: Project, partner: Partner, tmp_path: Path
) -> None:
    table = msgspec.structs.replace(TABLE, trust="review")
    async with Runtime.of(trusting(project, tmp_path, table)) as runtime:
        assert await code_of(runtime, partner.credential()) == "KEY_PIN_MISMATCH"
        assert [(each.name, each.state) for each in runtime.tools.list(ACME, OPS)] == [(NAME, "waiting")]


@pytest.mark.req("SYM-66.13")
async def test_what_does_not_count_pins_nothing(house: Runtime, partner: Partner) -> None:
    assert await code_of(house, partner.credential(can=("write:orders",))) == "CAPABILITY_EXCEEDED"
    assert runtime_tools(house) == []


def runtime_tools(runtime: Runtime) -> list[str]:
    return [each.name for each in runtime.tools.list(ACME, OPS)]


@pytest.mark.req("SYM-66.14")
async def test_a_credential_with_a_nonce_comes_in_once_before_and_after_a_restart(
    project: Project, partner: Partner, tmp_path: Path
) -> None:
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        once = partner.credential(nonce="one", iat=now_s() + 5)
        assert await code_of(runtime, once) == ""
        assert await code_of(runtime, once) == "CREDENTIAL_EXPIRED"
        assert await code_of(runtime, partner.credential(nonce="one", iat=now_s() + 5)) == "CREDENTIAL_EXPIRED"
        early = partner.credential(nonce="two", iat=now_s() - 5)
    async with Runtime.of(trusting(project, tmp_path)) as runtime:
        assert await code_of(runtime, early) == "CREDENTIAL_EXPIRED"


@pytest.mark.req("SYM-66.15")
async def test_a_credential_alone_says_who_asks_and_where(house: Runtime, partner: Partner) -> None:
    credential = partner.credential()
    assert (await door(house, credential, **{"lichen-tenant": "acme"}).get("runs")).status == 200
    assert (await door(house, credential, **{"lichen-tenant": "globex"}).get("runs")).code == "key_scope"
    assert (await door(house, credential, **{"lichen-as": "ops"}).get("runs")).code == "key_decides"


@pytest.mark.req("SYM-66.15")
async def test_where_no_credential_counts_none_is_looked_at(runtime: Runtime, partner: Partner) -> None:
    assert (await door(runtime, partner.credential()).get("runs")).code == "key_invalid"
    assert (await door(runtime, partner.credential(), "Bearer").get("runs")).code == "key_invalid"


@pytest.mark.req("SYM-76.3")
async def test_who_was_delegated_by_us_and_asks_us_is_refused_as_a_cycle_by_name(
    project: Project, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    shop_domain = Partner(known, "shop.example", depth=3, seller=("read:*",))
    partner = Partner(known, depth=3)
    table = msgspec.structs.replace(TABLE, vouchers=("shop.example",), own=OwnAgent(OWN, "own_key"))
    async with Runtime.of(trusting(project, tmp_path, table)) as runtime:
        lent = shop_domain.lends(partner.agent(), "read:*", name="seller")
        answer = await door(runtime, partner.credential(delegation_chain=(lent,))).get("runs")
        assert message_of(answer) == "DELEGATION_INVALID"
        assert OWN in answer.data["error"]["message"]
        assert "cycle" in answer.data["error"]["message"]


@pytest.mark.req("SYM-76.3")
async def test_who_delegates_to_our_agent_does_so_three_deep_at_most(project: Project, tmp_path: Path) -> None:
    known = tmp_path / "known"
    partner = Partner(known, depth=3)
    makers = [Partner(known, f"{name}.example", depth=3) for name in ("one", "two", "three")]
    table = msgspec.structs.replace(
        TABLE, vouchers=tuple(maker.domain for maker in makers), own=OwnAgent(OWN, "own_key")
    )
    to = Agent("shop.example", OWN)
    lent = partner.lends(to, "read:*")

    def chain(*owners: Partner) -> tuple[Any, ...]:
        after = [*(owner.agent() for owner in owners[1:]), partner.agent()]
        return tuple(owner.lends(agent, "read:*") for owner, agent in zip(owners, after, strict=False))

    async with Runtime.of(trusting(project, tmp_path, table)) as runtime:

        async def told(*owners: Partner, **headers: str) -> str:
            return await code_of(runtime, partner.credential(delegation_chain=chain(*owners)), **headers)

        delegating = {"agentpin-attestation": shown(lent)}
        assert await told(*makers[:2], **delegating) == ""
        assert await told(*makers) == ""  # three deep, and it goes no further
        assert await told(*makers, **delegating) == "DELEGATION_DEPTH_EXCEEDED"
        assert (
            await told(**{"agentpin-attestation": shown(partner.lends(partner.agent(), "read:*"))})
            == "DELEGATION_INVALID"
        )
        assert await told(**{"agentpin-attestation": shown(partner.lends(to, "write:*"))}) == "DELEGATION_INVALID"
        assert await told(**{"agentpin-attestation": shown(makers[0].lends(to, "read:*"))}) == "DELEGATION_INVALID"
        assert await told(**{"agentpin-attestation": "none"}) == "DELEGATION_INVALID"


@pytest.mark.req("SYM-66.16")
async def test_whoever_came_in_may_have_us_prove_who_we_are(project: Project, partner: Partner, tmp_path: Path) -> None:
    key = new_key()
    table = msgspec.structs.replace(TABLE, own=OwnAgent(OWN, "own_key"))
    async with Runtime.of(trusting(project, tmp_path, table)) as runtime:
        await runtime.secrets.set(ACME, "own_key", Secret(private_pem(key)), OPS)
        asked = challenge(b"0123456789abcdef", now())
        words = base64url(msgspec.json.encode(asked))
        answer = await door(runtime, partner.credential(), **{"agentpin-challenge": words}).get("runs")
        said = msgspec.json.decode(base64url_decoded(answer.headers["agentpin-response"]) or b"", type=Response)
        assert answered(said, asked, key.public_key(), Nonces(), now()) == "proved"
        refused = await door(runtime, "a.b.c", **{"agentpin-challenge": words}).get("runs")
        assert "agentpin-response" not in refused.headers
        for nonce in ("e30.e30", "a|b|c", "short", "x" * 200):  # what could be a credential, or an attestation
            words = base64url(msgspec.json.encode(msgspec.structs.replace(asked, nonce=nonce)))
            answer = await door(runtime, partner.credential(), **{"agentpin-challenge": words}).get("runs")
            assert (answer.status, "agentpin-response" in answer.headers) == (200, False)


POLICIES = """
@id("agents-read-orders")
forbid (principal is Customer, action == Action::"session.close", resource)
unless { principal.capabilities.contains("read:orders") };

@id("for-agents-that-read")
forbid (principal, action == Action::"orders.lookup", resource)
when { context.actor.kind == "customer" }
unless { context.actor.capabilities.contains("read:orders") };
"""


@pytest.mark.req("SYM-66.17")
@pytest.mark.parametrize(("can", "may"), [("read:*", True), ("read:stock", False)])
async def test_policies_read_the_capabilities_that_count_here(
    project: Project, partner: Partner, tmp_path: Path, can: str, may: bool
) -> None:
    folder = tmp_path / "policies"
    shutil.copytree(DEMO / "policies" / "acme", folder)
    (folder / "agents.cedar").write_text(POLICIES)
    tenants = dict(project.settings.tenants)
    tenants["acme"] = msgspec.structs.replace(tenants["acme"], policies=str(folder))
    agents = {BUYER: AgentTerms(kind="customer", capabilities=("read:orders",))}
    table = msgspec.structs.replace(TABLE, agents=agents)
    async with Runtime.of(declaring(trusting(project, tmp_path, table), tenants=tenants)) as runtime:
        caller = door(runtime, partner.credential(can=(can,)))
        session = (await caller.post("sessions", {"agent": "shop.support"})).data["id"]
        said = await caller.post(f"sessions/{session}/messages", {"text": "Where is order 1042?"}, key="one")
        assert said.status == 200
        await runtime.idle()
        journal = runtime.engine.journal(ACME)
        told = [each.control for run in runtime.runs.list(ACME, OPS) for each in journal.events(run_stream(run.id))]
        assert [each.verdict for each in told if isinstance(each, Decided)] == ["allow" if may else "deny"]
        closed = await caller.post(f"sessions/{session}/close", {})
        assert (closed.status == 200) is may
