"""Methods of services as tools, what the runtime fills in for them, and what is refused where it is defined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen import Agent, Attribute, NotDone, Secret, Toolset
from lichen.core.ports.call import CallMeta, Happened, InvalidArguments, Resources, Tool
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import CallId, RunId, SessionId, TurnId
from lichen.core.words.scope import Actor, Scope
from lichen.testing.models import scripted_planner
from lichen.tools import bind, tool
from lichen.tools.spec import contract
from lichen.tools.workers.placement import Workers
from tests.tools.samples import Receipt, call_meta


class OrderFacts(BaseModel):
    price: int


class OrderDesk:
    """A service as somebody writes one: it holds what its methods need."""

    def __init__(self, prices: dict[str, int] | None = None) -> None:
        self.prices = prices if prices is not None else {"1042": 12000}

    def known(self, order_id: str) -> OrderFacts:
        return OrderFacts(price=self.prices.get(order_id, 0))

    def found(self, idempotency_key: str) -> Receipt | None:
        return Receipt(order_id=idempotency_key, amount=len(self.prices))

    @tool(effects="none", runs="loop")
    def price(self, order_id: str) -> int:
        """What an order cost."""
        return self.prices[order_id]

    @tool(name="payments.refund", facts=known, probe=found)
    async def refund(self, order_id: str, amount: int = 1) -> Receipt:
        """Pays money back."""
        self.prices[order_id] -= amount
        return Receipt(order_id=order_id, amount=amount)

    @staticmethod
    @tool(name="orders.open", effects="none", runs="loop")
    def opening() -> str:
        return "9 to 5"


class SubDesk(OrderDesk):
    @tool(effects="none", runs="loop")
    def price(self, order_id: str) -> int:  # pyright: ignore[reportIncompatibleVariableOverride] - of another self
        return 2 * self.prices[order_id]


async def executed(tool: Tool, args: bytes, meta: CallMeta | None = None) -> Any:
    return await tool.execute(tool.decode(args), meta or call_meta())


@pytest.mark.req("GOA-5.1")
async def test_a_call_reaches_the_method_of_its_service_and_returns_what_that_gives() -> None:
    desk = OrderDesk({"7": 300})
    tools = Toolset.of(desk)
    assert tools.name == "order_desk"
    assert [each.spec.name for each in tools] == ["order_desk.price", "payments.refund", "orders.open"]
    assert list(tools["price"].spec.input_schema["properties"]) == ["order_id"]
    assert await executed(tools["price"], b'{"order_id": "7"}') == b"300"
    assert await executed(tools["refund"], b'{"order_id": "7", "amount": 100}') == b'{"amount":100,"order_id":"7"}'
    assert desk.prices == {"7": 200}
    assert await executed(tools["orders.open"], b"{}") == b'"9 to 5"'


@pytest.mark.req("GOA-5.1")
async def test_the_facts_and_the_probe_of_a_method_are_those_of_its_instance() -> None:
    resources = Resources(workers := Workers())
    refund = Toolset.of(OrderDesk({"7": 300, "8": 1}))["refund"].bound(resources)
    assert await refund.facts(refund.decode(b'{"order_id": "7"}'), call_meta()) == b'{"price":300}'
    found = await refund.probe(refund.decode(b'{"order_id": "7"}'), call_meta())
    assert found == Happened(b'{"amount":2,"order_id":"run-1/c1"}')
    await workers.close()


@pytest.mark.req("GOA-5.2")
async def test_the_tools_of_a_class_share_the_one_instance_that_a_runtime_makes() -> None:
    resources, others = Resources(workers := Workers()), Resources(workers)
    price, refund = (each.bound(resources) for each in Toolset.of(OrderDesk).only("price", "refund"))
    await executed(refund, b'{"order_id": "1042", "amount": 2000}')
    assert await executed(price, b'{"order_id": "1042"}') == b"10000"
    assert await executed(Toolset.of(OrderDesk)["price"].bound(others), b'{"order_id": "1042"}') == b"12000"
    with pytest.raises(NotDone) as caught:
        await executed(OrderDesk.price, b'{"order_id": "1042"}')
    assert caught.value.code == "service_missing"
    await workers.close()


@pytest.mark.req("GOA-5.2")
def test_a_class_that_cannot_be_made_without_arguments_is_refused_where_it_becomes_a_toolset() -> None:
    class Needy:
        def __init__(self, database: str) -> None: ...

        @tool
        def ask(self) -> int:
            return 1

    with pytest.raises(Invalid) as caught:
        Toolset.of(Needy)
    assert (caught.value.code, str(caught.value.place).partition(":")[0]) == ("toolset_invalid", __file__)
    assert "database" in caught.value.message
    assert "Toolset.of(Needy(...))" in caught.value.next_step


@pytest.mark.req("GOA-5.1")
async def test_a_class_has_the_tools_it_inherits_and_its_own_in_their_place() -> None:
    tools = Toolset.of(SubDesk({"7": 300}))
    assert {each.spec.name for each in tools} == {"sub_desk.price", "payments.refund", "orders.open"}
    assert await executed(tools["price"], b'{"order_id": "7"}') == b"600"


def test_a_method_that_is_a_tool_is_still_a_method() -> None:
    assert OrderDesk({"7": 3}).price("7") == 3


# -- methods of others -------------------------------------------------------------------------------------------


class Crm:
    """A client that somebody else wrote: other names, other types."""

    async def find(self, id: str, tenant: str, limit: int, verbose: bool = False) -> list[tuple[str, int]]:
        return [(f"{tenant}/{id}", limit)][: 0 if verbose else 1]


class Found(BaseModel):
    names: list[str]


def view(rows: list[tuple[str, int]]) -> Found:
    return Found(names=[f"{name}:{limit}" for name, limit in rows])


@pytest.mark.req("GOA-5.3")
async def test_a_method_is_bound_with_mapped_arguments_and_a_mapped_result() -> None:
    made = bind(
        Crm().find,
        name="crm.customer",
        effects="none",
        renamed={"customer_id": "id"},
        filled={"tenant": Attribute("region")},
        fixed={"limit": 5},
        result=view,
    )
    assert made.spec.input_schema["properties"] == {
        "customer_id": {"type": "string"},
        "verbose": {"type": "boolean", "default": False},
    }
    assert made.spec.output_schema["required"] == ["names"]
    assert made.spec.needs == ("region",)
    assert await executed(made, b'{"customer_id": "c-1"}', call_meta(region="eu")) == b'{"names":["eu/c-1:5"]}'
    with pytest.raises(InvalidArguments):
        made.decode(b'{"customer_id": "c-1", "tenant": "acme"}')


# -- what the runtime fills in -----------------------------------------------------------------------------------


@tool(name="about.call", effects="none")
async def about(
    word: str,
    *,
    run: RunId,
    call: CallId,
    session: SessionId,
    turn: TurnId | None,
    scope: Scope,
    actor: Actor,
    region: Annotated[str, Attribute("region")],
    tier: Annotated[str | None, Attribute("tier")],
) -> list[str | None]:
    return [word, run, call, session, turn, scope.tenant, actor.id, region, tier]


@pytest.mark.req("GOA-6.6")
async def test_ids_and_attributes_are_filled_in_one_by_one_and_hidden_from_the_model() -> None:
    assert list(about.spec.input_schema["properties"]) == ["word"]
    assert about.spec.needs == ("region",)
    said = await executed(about, b'{"word": "a"}', call_meta(region="eu"))
    assert said == b'["a","run-1","c1","ses-1","t1","acme","shop.support","eu",null]'
    with pytest.raises(InvalidArguments):
        about.decode(b'{"word": "a", "region": "us"}')


@pytest.mark.req("GOA-6.6")
async def test_a_call_that_has_nothing_to_fill_in_is_not_made() -> None:
    with pytest.raises(NotDone) as caught:
        await executed(about, b'{"word": "a"}')
    assert caught.value.code == "attribute_missing"
    alone = msgspec.structs.replace(call_meta(region="eu"), session=None)
    with pytest.raises(NotDone) as caught:
        await executed(about, b'{"word": "a"}', alone)
    assert caught.value.code == "session_missing"


def test_a_contract_that_needs_nothing_says_nothing_of_it() -> None:
    plain = tool(name="a.b")(opening)
    assert "needs" not in contract(plain.spec)
    assert contract(about.spec)["needs"] == ("region",)


def opening() -> str:
    return ""


# -- misuse ------------------------------------------------------------------------------------------------------


FIRST = RunId("run-1")


def unkeyed(run: RunId) -> int:
    return 1


def defaulted(*, run: RunId = FIRST) -> int:
    return 1


def numbered(*, region: Annotated[int, Attribute("region")]) -> int:
    return 1


def positional(region: Annotated[str, Attribute("region")]) -> int:
    return 1


def two_metas(*, one: CallMeta, two: CallMeta) -> int:
    return 1


def unnamed(*, key: Secret) -> int:
    return 1


def takes_self(self, order: str) -> int:  # type: ignore[no-untyped-def]
    return 1


TAKES_SELF: Any = takes_self  # pyright: ignore[reportUnknownVariableType] - as somebody writes it
STATIC: Any = staticmethod


def pair(a: int, b: int) -> int:
    return a + b


ANY_PAIR: Any = pair


class Empty:
    def ask(self) -> int:
        return 1


class Mixed:
    def facts(self, order_id: str) -> OrderFacts:
        return OrderFacts(price=1)


def lone(order_id: str) -> int:
    return 1


LONE: Any = lone


MISUSES: dict[str, tuple[Callable[[], object], str]] = {
    "an id that is not keyword-only": (lambda: tool(name="a.b")(unkeyed), "keyword-only"),
    "an id with a default": (lambda: tool(name="a.b")(defaulted), "keyword-only"),
    "an attribute that is no text": (lambda: tool(name="a.b")(numbered), "which is a text"),
    "an attribute that is not keyword-only": (lambda: tool(name="a.b")(positional), "keyword-only"),
    "two places for the meta data": (lambda: tool(name="a.b")(two_metas), "Two parameters"),
    "a secret without a name": (lambda: tool(name="a.b")(unnamed), "does not say which"),
    "self outside of a class": (lambda: tool(name="a.b")(TAKES_SELF), "no annotation"),
    "a method in a process": (lambda: tool(name="a.b", runs="process")(OrderDesk.known), "cannot run in a process"),
    "facts of a method for a function": (lambda: tool(name="a.b", facts=Mixed.facts)(lone), "is a method"),
    "a service without tools": (lambda: Toolset.of(Empty()), "no methods that are tools"),
    "a class of one's own as a tool": (lambda: tool(Empty), "Only a function"),
    "a static method the wrong way round": (lambda: tool(STATIC(lone)), "Only a function"),
    "a method without its instance": (lambda: bind(Crm.find, name="a.b"), "no instance"),
    "a name that the method does not have": (lambda: bind(pair, name="a.b", renamed={"x": "c"}), "no parameter 'c'"),
    "a parameter named twice": (lambda: bind(pair, name="a.b", renamed={"x": "a"}, fixed={"a": 1}), "named twice"),
    "two parameters of one name": (lambda: bind(pair, name="a.b", renamed={"b": "a"}), "Two parameters"),
    "a result of two arguments": (lambda: bind(lone, name="a.b", result=ANY_PAIR), "of one argument"),
    "something that is no tool": (
        lambda: Agent("a.b", planner=scripted_planner([]), tools=[LONE]),
        "is not a tool",
    ),
}


@pytest.mark.req("GOA-2.12")
@pytest.mark.parametrize("misuse", MISUSES)
def test_misuse_is_refused_where_it_is_defined_with_what_to_do(misuse: str) -> None:
    make, words = MISUSES[misuse]
    with pytest.raises(Invalid) as caught:
        make()
    assert caught.value.code in ("tool_invalid", "toolset_invalid")
    assert words in str(caught.value)
    assert caught.value.next_step
    if "Only a function" not in words and "is not a tool" not in words:
        assert "test_services.py:" in (caught.value.place or "")
