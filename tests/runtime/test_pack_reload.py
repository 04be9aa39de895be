"""A pack is reloaded whole: flows, agents and components or nothing, while runs keep what they began with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lichen.core.deciders import events as e
from lichen.core.words.ids import run_stream
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.loading import examine, load
from lichen.runtime.runtime import Runtime
from tests.runtime.test_packs import CLERK, CUSTOMER, OPS, SCOPE, Desk, answered, asked, opened, told
from tests.tools.wasm.guests import CLERK as GUEST
from tests.tools.wasm.guests import binary

ASKING = """id: asking
type: messaging
nodes:
  hear:
    session.wait: {}
    routing: [{to: ask}]
  ask:
    acme.clerk.execute: {content: "which?"}
    routing: [{to: say}]
  say:
    text: "{{node.ask.data}}"
    routing: out
"""
STRAIGHT = """id: straight
type: messaging
nodes:
  ask:
    OPERATION
    routing: [{to: say}]
  say:
    text: "{{node.ask.data}}"
    routing: out
"""


def saying(text: str) -> bytes:
    """A component that always says this."""
    assert len(text) <= 16, "it has room for so many characters"
    guest = GUEST.replace("nothing was said", text.ljust(16))
    guest = guest.replace("(i32.store (i32.const 16) (local.get 2))", "(i32.store (i32.const 16) (i32.const 1024))")
    return binary(
        guest.replace("(i32.store (i32.const 20) (local.get 3))", f"(i32.store (i32.const 20) (i32.const {len(text)}))")
    )


def ship(desk: Desk, text: str, *, clerk: str = CLERK, name: str = "acme.clerk") -> None:
    """A version of the pack whose component says this."""
    folder = desk.folder / "components"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.wasm").write_bytes(saying(text))
    desk.write(clerk=clerk, **{"flows/asking.ygtc": ASKING})
    desk.ship()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    ship(desk, "first")
    return desk


async def said(runtime: Runtime, flow: str = "shop_desk.asking") -> str:
    run, wait = await asked(runtime, flow)
    return await answered(runtime, run, wait)


async def straight(runtime: Runtime, flow: str) -> str:
    run = await runtime.runs.start(SCOPE, flow, "hello", CUSTOMER)
    return await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10)


@pytest.mark.req("GRE-74.1")
async def test_the_components_of_a_new_version_come_with_it_and_runs_under_way_keep_theirs(desk: Desk) -> None:
    async with opened(desk) as runtime:
        first, first_wait = await asked(runtime, "shop_desk.asking")
        later, later_wait = await asked(runtime, "shop_desk.asking")
        ship(desk, "second")
        reloaded = await runtime.reload(SCOPE, OPS)
        assert (reloaded.agents, reloaded.broken) == (("shop_desk.asking",), ())
        assert await said(runtime) == "second"
        assert await answered(runtime, first, first_wait) == "first"
        pins = [runtime.log(SCOPE).events(run_stream(run))[0].control for run in (first, later)]
        assert len({pin.pins.agent for pin in pins if isinstance(pin, e.RunStarted)}) == 1
    async with opened(desk) as runtime:
        assert await said(runtime) == "second"
        assert await answered(runtime, later, later_wait) == "first"


@pytest.mark.req("GRE-74.2")
@pytest.mark.parametrize("loss", ["gone", "another"])
async def test_a_run_whose_packs_code_is_kept_no_more_ends_with_the_reason(desk: Desk, loss: str) -> None:
    async with opened(desk) as runtime:
        run, wait = await asked(runtime, "shop_desk.asking")
    ship(desk, "second")
    for kept in (desk.project.home / "catalog" / "packs").iterdir():
        kept.unlink() if loss == "gone" else kept.write_bytes(b"another")
    async with opened(desk) as runtime:
        await answered(runtime, run, wait)
        detail = runtime.runs.show(SCOPE, run, SYSTEM)
    assert (detail.status, detail.code) == ("failed", "version_gone")


@pytest.mark.req("GRE-74.3")
@pytest.mark.parametrize("what", ["component", "flow", "agent"])
async def test_of_a_pack_of_which_one_part_is_broken_nothing_changes(desk: Desk, what: str) -> None:
    async with opened(desk) as runtime:
        before = {agent.name: agent.digest for agent in runtime.hosted}
        if what == "component":
            desk.write(clerk=CLERK.replace("first", "second"))
            (desk.folder / "components" / "acme.clerk.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
            desk.ship()
        elif what == "flow":
            desk.write(**{"flows/asking.ygtc": ASKING.replace("acme.clerk.execute", "acme.clerk.nothing")})
            ship_as_it_is(desk)
        else:
            ship(desk, "second", clerk=CLERK.replace("orders.lookup", "orders.nothing"))
        reloaded = await runtime.reload(SCOPE, OPS)
        assert (len(reloaded.broken), reloaded.agents) == (1, ())
        assert {agent.name: agent.digest for agent in runtime.hosted} == before
        assert (await said(runtime), await told(runtime)) == ("first", "first")
        ship(desk, "second", clerk=CLERK.replace("first", "second"))
        assert (await runtime.reload(SCOPE, OPS)).broken == ()
        assert (await said(runtime), await told(runtime)) == ("second", "second")


def ship_as_it_is(desk: Desk) -> None:
    desk.write(clerk=CLERK.replace("first", "second"))
    (desk.folder / "components" / "acme.clerk.wasm").write_bytes(saying("second"))
    desk.ship()


@pytest.mark.req("GRE-74.3")
async def test_a_version_whose_tools_policies_are_not_for_changes_nothing(desk: Desk) -> None:
    (desk.root / "policies").mkdir(exist_ok=True)
    action, args = 'action == Action::"acme.clerk.execute"', 'context.args.content == "x"'
    forbid = f"forbid (principal, {action}, resource) when {{ {args} }};"
    (desk.root / "policies" / "all.cedar").write_text(f"permit (principal, action, resource);\n{forbid}\n")
    async with opened(desk) as runtime:
        ship(desk, "second", name="acme.other", clerk=CLERK.replace("first", "second"))
        (desk.folder / "components" / "acme.clerk.wasm").unlink()
        desk.write(**{"flows/asking.ygtc": ASKING.replace("acme.clerk", "acme.other")})
        desk.ship()
        reloaded = await runtime.reload(SCOPE, OPS)
        assert ([each.code for each in reloaded.broken], reloaded.agents) == (["policy_schema"], ())
        assert (await said(runtime), await told(runtime)) == ("first", "first")


@pytest.mark.req("GRE-74.4")
async def test_packs_that_no_open_run_needs_are_kept_no_more(desk: Desk) -> None:
    shelf = desk.project.home / "catalog" / "packs"
    async with opened(desk) as runtime:
        run, wait = await asked(runtime, "shop_desk.asking")
        for text in ("second", "third", "fourth"):
            ship(desk, text)
            await runtime.reload(SCOPE, OPS)
        assert len(list(shelf.iterdir())) == 2  # the one that runs begin with, and the one that a run waits with
        assert await answered(runtime, run, wait) == "first"
        ship(desk, "fifth")
        await runtime.reload(SCOPE, OPS)
        assert len(list(shelf.iterdir())) == 1


# -- names -------------------------------------------------------------------------------------------------------


def beside(desk: Desk, text: str, *, id: str, said: str = '"other.gtpack"') -> None:
    """Another pack in the project: a component of this id, and a flow that asks it in three ways."""
    other = Desk.__new__(Desk)
    other.root, other.folder, other.project = desk.root, desk.root / "other", desk.project
    other.write(pack="pack_id: shop.other\nversion: 1.0.0\npublisher: Acme\n")
    ways = {
        "full": f"{id}.execute: {{content: x}}",
        "bare": "execute: {content: x}",
        "exec": f'component.exec: {{component: "{id}", operation: execute, input: {{content: x}}}}',
    }
    for name, operation in ways.items():
        flow = STRAIGHT.replace("straight", name).replace("OPERATION", operation)
        other.write(**{f"flows/{name}.ygtc": flow})
    (other.folder / "components").mkdir()
    (other.folder / "components" / f"{id}.wasm").write_bytes(saying(text))
    other.ship()
    (desk.root / "desk.gtpack").rename(desk.root / "other.gtpack")
    desk.ship()
    settings = (desk.root / "lichen.toml").read_text()
    (desk.root / "lichen.toml").write_text(settings.replace('"desk.gtpack"]', f'"desk.gtpack", {said}]'))


@pytest.mark.req("GRE-74.5")
@pytest.mark.parametrize("id", ["io.acme.clerk", "acme.clerk"])
async def test_a_flow_of_a_pack_asks_the_component_of_its_own_pack_first(desk: Desk, id: str) -> None:
    beside(desk, "other", id=id)
    project = load(desk.root / "lichen.toml", environ={})
    names = [tool.spec.name for tool in project.tools]
    assert names == ["orders.lookup", "acme.clerk.execute", "shop_other.clerk.execute"]
    async with Runtime.of(project) as runtime:
        assert await said(runtime) == "first"
        for way in ("full", "bare", "exec"):
            assert await straight(runtime, f"shop_other.{way}") == "other"


@pytest.mark.req("GRE-74.5")
async def test_a_component_that_two_packs_carry_is_one_tool(desk: Desk) -> None:
    beside(desk, "first", id="acme.clerk")
    project = load(desk.root / "lichen.toml", environ={})
    assert [tool.spec.name for tool in project.tools] == ["orders.lookup", "acme.clerk.execute"]
    async with Runtime.of(project) as runtime:
        assert await straight(runtime, "shop_other.exec") == "first"


@pytest.mark.req("GRE-74.6")
async def test_a_project_maps_operations_of_a_packs_flows_to_its_own_tools(desk: Desk) -> None:
    said = '{ file = "other.gtpack", tools = { execute = "acme.clerk.execute" } }'
    beside(desk, "other", id="acme.other", said=said)
    async with opened(desk) as runtime:
        assert await straight(runtime, "shop_other.bare") == "first"
        assert await straight(runtime, "shop_other.exec") == "other"


@pytest.mark.req("GRE-74.6")
def test_what_a_project_maps_and_no_flow_of_the_pack_names_is_an_error(desk: Desk) -> None:
    beside(desk, "other", id="acme.other", said='{ file = "other.gtpack", tools = { pay = "acme.clerk.execute" } }')
    errors = examine(desk.root / "lichen.toml", environ={}).errors
    assert [(error.code, (error.place or "").endswith("other.gtpack!")) for error in errors] == [("flow_mapping", True)]
