"""Faults on purpose: every point, every mode, what a flow does then, and where nothing may be made to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from lichen import tool
from lichen.cli.trying.flow import app
from lichen.core.words.errors import Denied, LichenError
from lichen.core.words.scope import Scope
from lichen.evals import flow_tests, flows_tried
from lichen.evals.document import Fault, FaultKind, FaultPoint, Often, Stub
from lichen.evals.faults import Faulty, Injector, check_place, with_faults
from lichen.evals.plays.playing import Play, played, staged_alone, with_failures
from lichen.flows.read.load import parse
from lichen.runtime.project.flows import flow_agents
from lichen.settings.file import Settings, Tenant
from lichen.testing.worlds import world

FLOW = """
id: shop.flow
type: messaging
schema_version: 2
nodes:
  look: {shop.look: {sku: "{{entry.text}}"}, routing: [{status: on_error, to: sorry}, {to: ask_server}]}
  ask_server:
    mcp: {server: shop, tool: price, arguments: {}, output: price}
    routing: [{status: on_error, to: sorry}, {to: get}]
  get: {state.get: {key: last}, routing: [{status: on_error, to: sorry}, {to: put}]}
  put: {state.set: {key: last, value: 1}, routing: [{status: on_error, to: sorry}, {to: write}]}
  write: {text: "{{node.look.amount}}", routing: [{status: on_error, to: sorry}, {to: part}]}
  part: {flow.call: {flow_id: shop.part, input: {}}, routing: [{status: on_error, to: sorry}, {to: wait}]}
  wait: {session.wait: {prompt: "Yes?"}, routing: [{status: timeout, to: late}, {to: tell}]}
  tell: {text: "Done.", routing: reply}
  late: {text: "Too late.", routing: reply}
  sorry: {text: "Sorry: {{prev.error.code}}.", routing: reply}
"""
PART = "id: shop.part\ntype: messaging\nschema_version: 2\nnodes: {p: {text: part}}\n"
STUBS = (Stub("shop.look", result={"amount": 3}), Stub("shop.price", result={"each": 1}))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "flow.ygtc").write_text(FLOW)
    (tmp_path / "part.ygtc").write_text(PART)
    return tmp_path


def play(pack: Path, *faults: Fault, seed: int = 0, says: str = "yes") -> tuple[str, list[str], Injector]:
    """What the customer is told last, the nodes visited, and what happened of the faults."""

    async def go() -> tuple[str, list[str], Injector]:
        staged, injector = with_failures(staged_alone(pack / "flow.ygtc", stubs=STUBS), faults, seed=seed)
        async with played(staged) as playing:
            first = await playing.begin("nuts", None)
            told = await _told(playing, first.texts, says)
            return told, [f"{each.node} {each.outcome}" for each in playing.way()], injector

    return asyncio.run(go())


async def _told(playing: Play, texts: tuple[str, ...], says: str) -> str:
    from lichen.evals.document import Turn

    if playing.standing().waits and says:
        texts = (*texts, *(await playing.go_on(Turn(says=says))).texts)
    await playing.world.clock.advance(1)
    return (texts or ("",))[-1]


@pytest.mark.req("GRE-79.1")
@pytest.mark.parametrize(
    ("point", "node", "code"),
    [
        ("BeforeComponentCall", "look", "permanent"),
        ("AfterComponentCall", "look", "permanent"),
        ("BeforeToolCall", "ask_server", "permanent"),
        ("AfterToolCall", "ask_server", "permanent"),
        ("StateRead", "get", "permanent"),
        ("StateWrite", "put", "permanent"),
        ("TemplateRender", "write", "permanent"),
        ("PackResolve", "part", "permanent"),
        ("Timeout", "look", "timeout"),
    ],
)
def test_at_each_point_the_node_fails_and_the_flow_takes_the_route_of_that(
    pack: Path, point: FaultPoint, node: str, code: str
) -> None:
    told, way, injector = play(pack, Fault(point, error_kind="Permanent", node=node))
    assert f"{node} error:{code}" in way
    assert told == f"Sorry: {code}."
    assert injector.missing() == []


@pytest.mark.req("GRE-79.1")
def test_without_faults_and_with_those_of_other_places_it_goes_well(pack: Path) -> None:
    assert play(pack)[0] == "Done."
    others = (Fault("TemplateRender", node="nowhere"), Fault("BeforeComponentCall", tool="shop.other"))
    told, _, injector = play(pack, *others)
    assert (told, injector.missing()) == ("Done.", [0, 1])


@pytest.mark.req("GRE-79.1")
def test_a_wait_that_times_out_takes_its_route_though_the_customer_would_have_answered(pack: Path) -> None:
    told, way, _ = play(pack, Fault("Timeout", node="wait"), says="")
    assert way[-2:] == ["wait error:wait_expired", "late ok"]
    assert told in ("Yes?", "Too late.")


@pytest.mark.req("GRE-79.2")
def test_what_is_transient_is_tried_again_and_what_is_permanent_is_not(pack: Path) -> None:
    retrying = FLOW.replace('{shop.look: {sku: "{{entry.text}}"},', '{shop.look: {sku: "x"}, retry: {attempts: 2},')
    (pack / "flow.ygtc").write_text(retrying)
    assert play(pack, Fault("BeforeComponentCall", node="look"))[0] == "Done."
    assert play(pack, Fault("BeforeComponentCall", node="look", error_kind="BadInput"))[0] == "Sorry: bad_input."
    assert play(pack, Fault("BeforeComponentCall", "Always", node="look"))[0] == "Sorry: transient."
    assert play(pack, Fault("AfterComponentCall", node="look"))[0] == "Done.", "it may be done again"


CODES: Mapping[FaultKind, str] = {"Transient": "transient", "Timeout": "timeout", "Trap": "wasm_trap"}


@pytest.mark.req("GRE-79.2")
@pytest.mark.parametrize("kind", CODES)
def test_each_kind_has_its_code_for_routes(pack: Path, kind: FaultKind) -> None:
    assert play(pack, Fault("TemplateRender", error_kind=kind, node="write"))[0] == f"Sorry: {CODES[kind]}."


@pytest.mark.req("GRE-79.3")
@pytest.mark.parametrize(
    ("mode", "seed", "happens"),
    [  # greentic-runner, fault/mod.rs, should_inject
        ("Always", 0, [1, 2, 3, 4]),
        ("Once", 0, [1]),
        (Often(nth=3), 0, [3]),
        (Often(nth=0), 0, [1]),
        (Often(rate=100), 9, [1, 2, 3, 4]),
        (Often(rate=0), 0, []),
        (Often(rate=50), 10, [1, 2, 3, 4]),
        (Often(rate=50), 47, [1, 2]),
        (Often(rate=50), 80, []),
    ],
)
def test_modes_are_those_of_the_runner(mode: Any, seed: int, happens: list[int]) -> None:
    injector = Injector([Fault("StateRead", mode)], seed=seed)
    assert [n for n in range(1, 5) if injector.fault("StateRead") is not None] == happens


@pytest.mark.req("GRE-79.3")
def test_the_same_seed_gives_the_same_faults_and_a_plan_that_is_made_again_fails_again(pack: Path) -> None:
    fault = Fault("TemplateRender", Often(rate=60))
    ways = [play(pack, fault, seed=seed)[1] for seed in (58, 58, 30)]
    assert ways[0] == ways[1] != ways[2]


@pytest.mark.req("GRE-79.4")
async def test_of_what_acts_once_the_lost_result_is_asked_for_and_it_is_not_done_again(tmp_path: Path) -> None:
    done: list[str] = []

    @tool(name="shop.pay", effects="once", runs="loop")
    async def pay(order: str) -> dict[str, str]:
        """Pays."""
        done.append(order)
        return {"order": order}

    flow = parse(
        "id: shop.flow\ntype: messaging\nschema_version: 2\nnodes:\n"
        '  pay: {shop.pay: {order: "7"}, routing: [{to: tell}]}\n  tell: {text: "Paid.", routing: reply}\n',
        "shop/flow.ygtc",
    ).flow
    agents = with_faults(flow_agents([flow], tools=[pay]), Injector([Fault("AfterComponentCall")]))
    assert isinstance(next(iter(agents[0].tools.values())), Faulty)
    (tmp_path / "all.cedar").write_text('@id("all") permit (principal, action, resource);')
    async with world(agents, policies=tmp_path) as opened:
        talk = await opened.talk("customer-1")
        await talk.send("pay")
        await opened.settle()
        assert len(opened.unknown()) == 1
        await opened.reconcile("happened", result={"order": "7"})
        assert (await talk.reply()).text == "Paid."
    assert done == ["7"]


TESTS = """
[[case]]
name = "the shop is closed"
stubs = [{ tool = "shop.look", result = { amount = 3 } }, { tool = "shop.price", result = {} }]
faults = [{ point = "BeforeComponentCall", mode = "Always", node = "look", error_kind = "Permanent" }]

[[case.turn]]
says = "nuts"
told = ["Sorry: permanent."]
"""


@pytest.mark.req("GRE-79.5")
def test_tests_of_flows_make_them_fail_and_say_where_it_never_came_to_a_fault(pack: Path) -> None:
    (pack / "flow.test.toml").write_text(TESTS)
    assert asyncio.run(flows_tried(flow_tests([pack]))).is_met
    for_all = '\n[[faults]]\npoint = "StateRead"\nmode = { Nth = 2 }\n'
    (pack / "flow.test.toml").write_text(TESTS + for_all)
    report = asyncio.run(flows_tried(flow_tests([pack])))
    assert [miss.place for case in report.cases for trial in case.trials for miss in trial.missed] == ["/faults/0"]


@pytest.mark.req("GRE-79.5")
def test_the_command_plays_a_flow_that_fails(pack: Path) -> None:
    named: dict[str, Any] = {"shop.look": {"result": {"amount": 3}}, "shop.price": {"result": {}}}
    (pack / "tools.json").write_text(json.dumps(named))
    matrix = [{"point": "TemplateRender", "mode": "Once", "error_kind": "Trap", "message": "boom", "node": "write"}]
    for told in (matrix, {"seed": 3, "faults": matrix}):
        (pack / "faults.json").write_text(json.dumps(told))
        words = ["run", str(pack / "flow.ygtc"), "--with", str(pack / "tools.json"), "--faults"]
        ended = CliRunner().invoke(app, [*words, str(pack / "faults.json")])
        assert "Sorry: wasm_trap." in ended.stdout, ended.output


@pytest.mark.req("GRE-79.5")
@pytest.mark.parametrize(
    "told",
    [
        [{"point": "Nowhere"}],
        [{"point": "Timeout", "mode": {}}],
        [{"point": "Timeout", "mode": {"Nth": 1, "Rate": 2}}],
        [{"point": "Timeout", "mode": {"Rate": 101}}],
        [{"point": "Timeout"}] * 101,
        {"seed": 1},
        3,
    ],
)
def test_faults_that_are_none_are_refused_with_their_place(pack: Path, told: Any) -> None:
    (pack / "faults.json").write_text(json.dumps(told))
    ended = CliRunner().invoke(app, ["run", str(pack / "flow.ygtc"), "--faults", str(pack / "faults.json")])
    assert isinstance(ended.exception, LichenError)
    assert ended.exception.code == "faults_invalid"
    assert (ended.exception.place or "").startswith(str(pack / "faults.json"))


@pytest.mark.req("GRE-79.6")
def test_nothing_is_made_to_fail_in_an_environment_that_is_not_for_development() -> None:
    tenant = Tenant(environments=("dev", "live"), development=("dev",))
    settings = msgspec.structs.replace(Settings(Path(), Path(), {"acme": tenant}))
    check_place([Fault("Timeout")], settings, Scope("acme", "dev"))
    check_place([], settings, Scope("acme", "live"))
    for scope in (Scope("acme", "live"), Scope("globex", "dev")):
        with pytest.raises(Denied) as refused:
            check_place([Fault("Timeout")], settings, scope)
        assert refused.value.code == "not_for_development"
