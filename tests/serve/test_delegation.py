"""Agents of several Lichens that call each other over MCP with credentials: who delegates, and where that ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from lichen.core.ports.secrets import Secret
from lichen.core.remote.credentials import AgentPinTable, AgentTerms, OwnAgent, ShownAs
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Actor, Customer, Operator, Scope
from lichen.runtime.project.project import Project
from lichen.runtime.runtime import Runtime
from lichen.serve.listen.tcp import listening
from lichen.serve.site import make_site
from lichen.settings.servers import McpTable
from lichen.tools.mcp.oauth.showing import Showing
from lichen.tools.pins.keys import new_key, private_pem
from tests.declared import declaring
from tests.serve.partners import Partner
from tests.served import free_port

ACME = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
PERSON = Customer("customer-7")
DOMAINS = tuple(f"{name}.example" for name in ("one", "two", "three", "four", "five"))


class House:
    """A Lichen of a domain of its own, with an agent that others may ask and that asks them."""

    def __init__(self, runtime: Runtime, partner: Partner) -> None:
        self.runtime, self.partner = runtime, partner

    async def asks(self, other: House, by: Actor) -> Actor:
        """Asks another one in a call for somebody. Gives whom the other one's run is for."""
        connection = self.runtime.servers.connection(ACME, name_of(other.partner.domain), by)
        client = await connection.client()
        await client.call_tool("shop.support", {"text": "Where is order 1042?"})
        run = other.runtime.runs.list(ACME, OPS)[0]
        return other.runtime.engine.journal(ACME).actor_of(run.id).subject


def granting(showing: Showing) -> tuple[str, ...]:
    return ("read:orders",)


def name_of(domain: str) -> str:
    return domain.partition(".")[0]


def urn(domain: str) -> str:
    return f"urn:agentpin:{domain}:clerk"


def door_of(domain: str, known: Path) -> AgentPinTable:
    terms = AgentTerms(kind="customer", capabilities=("read:orders",))
    agents = {urn(each): terms for each in DOMAINS if each != domain}
    own = OwnAgent(urn(domain), "own_key")
    return AgentPinTable(audience=domain, tenant="acme", agents=agents, vouchers=DOMAINS, known=str(known), own=own)


def table_of(own: str, other: str, port: int, known: Path) -> McpTable:
    shown = ShownAs(urn(own), "own_key", urn(other), ("read:orders",), known=str(known), proves=True)
    return McpTable(name=name_of(other), url=f"http://127.0.0.1:{port}/mcp", agentpin=shown)


@pytest.fixture
def partners(tmp_path: Path) -> dict[str, Partner]:
    return {each: Partner(tmp_path / "known", each, depth=3, clerk=("read:*",)) for each in DOMAINS}


@pytest.fixture
async def houses(shop: Project, partners: dict[str, Partner], tmp_path: Path) -> AsyncGenerator[list[House]]:
    ports, known = {each: free_port() for each in DOMAINS}, tmp_path / "known"
    async with AsyncExitStack() as stack:
        opened: list[House] = []
        for domain in DOMAINS:
            tables = tuple(table_of(domain, other, ports[other], known) for other in DOMAINS if other != domain)
            project = declaring(shop, home=tmp_path / domain, agentpin=(door_of(domain, known),), mcp=tables)
            runtime = await stack.enter_async_context(Runtime.of(project))
            await runtime.secrets.set(ACME, "own_key", Secret(private_pem(partners[domain].key)), OPS)
            await stack.enter_async_context(listening(make_site(runtime), "127.0.0.1", ports[domain]))
            opened.append(House(runtime, partners[domain]))
        yield opened


@pytest.mark.req("SYM-66.18")
async def test_an_agent_of_ours_shows_who_it_is_and_delegates_and_the_server_proves_itself(houses: list[House]) -> None:
    one, two, *_ = houses
    actor = await one.asks(two, PERSON)
    assert (actor.id, actor.capabilities, len(actor.delegated)) == (urn("one.example"), ("read:orders",), 1)


@pytest.mark.req("SYM-76.4")
async def test_an_agent_that_was_asked_by_one_asks_it_back_in_vain(houses: list[House]) -> None:
    one, two, three, *_ = houses
    by = await one.asks(two, PERSON)
    with pytest.raises(Unavailable, match="example:clerk stands in the chain") as refused:
        await two.asks(one, by)
    assert (refused.value.code, urn("one.example") in refused.value.message) == ("delegation_refused", True)
    further = await two.asks(three, by)
    with pytest.raises(Unavailable, match="cycle"):
        await three.asks(one, further)


@pytest.mark.req("SYM-76.4")
async def test_where_the_caller_does_not_look_the_door_refuses_the_cycle_by_name(
    houses: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, *_ = houses
    by = await one.asks(two, PERSON)
    monkeypatch.setattr(Showing, "_granted", granting)  # as somebody else's program would
    with pytest.raises(Unavailable, match="clerk stands in the chain of who asks it") as refused:
        await two.asks(one, by)
    assert (refused.value.code, urn("one.example") in refused.value.message) == ("credential_refused", True)


@pytest.mark.req("SYM-76.4")
async def test_calls_go_three_delegations_deep_and_no_further(houses: list[House]) -> None:
    by: Actor = PERSON
    for caller, called in pairwise(houses[:4]):
        by = await caller.asks(called, by)
    assert len(by.delegated) == 3
    last = await houses[3].asks(houses[4], by)  # it may answer, and delegates to nobody
    assert last.delegated == ()
    with pytest.raises(Unavailable, match="does not delegate to ours"):
        await houses[4].asks(houses[0], last)


@pytest.mark.req("SYM-66.18")
async def test_a_server_that_has_another_key_is_told_nothing(houses: list[House], partners: dict[str, Partner]) -> None:
    one, two, *_ = houses
    partners["two.example"].key = new_key()
    partners["two.example"].publish()
    with pytest.raises(Unavailable, match="does not prove to be") as refused:
        await one.asks(two, PERSON)
    assert refused.value.code == "server_unproved"
    assert two.runtime.runs.list(ACME, OPS) == ()


@pytest.mark.req("SYM-66.18")
async def test_a_credential_that_is_refused_says_why_and_nothing_was_asked(
    houses: list[House], partners: dict[str, Partner]
) -> None:
    one, two, *_ = houses
    gone = {"agent_id": urn("one.example"), "revoked_at": "", "reason": "x"}
    partners["one.example"].publish(revoked_agents=[gone])
    with pytest.raises(Unavailable, match="AGENT_INACTIVE") as refused:
        await one.asks(two, PERSON)
    assert refused.value.code == "credential_refused"
    assert two.runtime.runs.list(ACME, OPS) == ()
