"""Flows and agents that packs bring: trusted strictly at start and at every reload, and kept by what is under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lichen.cli.here.workspace import Workspace
from lichen.cli.serving.doctor import examined
from lichen.cli.serving.warming import warming
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import RunId
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.packs.building.building import build
from lichen.packs.building.folder import read_folder
from lichen.packs.building.signing import signed_pack
from lichen.packs.proofs.folder import FILE, sign_folder
from lichen.packs.proofs.keys import public_pem
from lichen.runtime.packs.opening import open_pack
from lichen.runtime.project.loading import examine, load
from lichen.runtime.runtime import Runtime
from lichen.settings.packs.table import PackFile
from lichen.settings.reading import read
from lichen.tools.wasm.component_tool import ComponentTool
from tests.cli.projects import Project
from tests.packs.making import cbor, v1_pack, v1_value
from tests.tools.wasm.guests import CLERK as CLERK_GUEST
from tests.tools.wasm.guests import binary

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE, CUSTOMER, OPS = Scope("acme", "prod"), Customer("customer-7"), Operator("ops", ("operator",))
SETTINGS = """
    [lichen]
    agents = []
    tools = ["shop.py:lookup"]
    packs = [PACKS]

    [tenants.acme]
    environments = ["dev", "prod"]
    development = ["dev"]
    policies = "policies"
    agent = "desk.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "customer-7", kind = "customer"}]

    [[packs.trust]]
    name = "acme"
    key = "acme.pem"
"""
CLERK = """
name = "desk.clerk"
tools = ["orders.lookup"]

[rules]
fallback = "first"

[[rules.intents]]
name = "ask"
phrases = ["ask"]
slots = [{name = "word", ask = "Which word?"}]
answer = "first {word}"
"""
FLOW = """id: welcome
type: messaging
nodes:
  hear:
    session.wait: {}
    routing: [{to: say}]
  say:
    text: first
    routing: out
"""


class Desk:
    """A project with one pack, and the folder it is built from."""

    def __init__(self, root: Path, packs: str = '"desk.gtpack"') -> None:
        self.project = Project(root, {"lichen.toml": SETTINGS.replace("PACKS", packs)})
        self.root, self.folder = root, root / "desk"
        (root / "acme.pem").write_text(public_pem(KEY.public_key()))
        self.write(pack="pack_id: shop.desk\nversion: 1.0.0\npublisher: Acme\n")
        self.write(clerk=CLERK, flow=FLOW)

    def write(self, **texts: str) -> None:
        """Writes what the pack is built from."""
        where = {"pack": "pack.yaml", "clerk": "agents/clerk.toml", "flow": "flows/welcome.ygtc"}
        for name, text in texts.items():
            path = self.folder / where.get(name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def ship(self, key: Ed25519PrivateKey | None = KEY) -> None:
        """Builds the pack, signed if there is a key."""
        data = build(read_folder(self.folder)).data
        whole = data if key is None else signed_pack("desk.gtpack", data, key, NOW)
        (self.root / "desk.gtpack").write_bytes(whole)

    def refused(self) -> LichenError:
        """What is wrong when it is loaded."""
        with pytest.raises(LichenError) as told:
            load(self.root / "lichen.toml", environ={})
        return told.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.ship()
    return desk


@asynccontextmanager
async def opened(desk: Desk) -> AsyncGenerator[Runtime]:
    async with Runtime.of(load(desk.root / "lichen.toml", environ={})) as runtime:
        yield runtime


async def told(runtime: Runtime) -> str:
    """What a run that begins now says."""
    run = await runtime.runs.start(SCOPE, "desk.clerk", "hello", CUSTOMER)
    return await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10)


async def asked(runtime: Runtime, agent: str) -> tuple[RunId, str]:
    """A run that waits for the customer's word, and its wait."""
    session = await runtime.sessions.open(SCOPE, CUSTOMER, agent=agent)
    run = await (await session.say("ask")).run()
    await runtime.idle()
    await runtime.log(SCOPE).durable()
    waits = runtime.waits.list(SCOPE, SYSTEM, kinds=("clarification",))
    return run, next(wait.id for wait in waits if wait.run == run)


async def answered(runtime: Runtime, run: RunId, wait: str) -> str:
    await runtime.waits.answer(SCOPE, wait, "answered", CUSTOMER, body={"text": "word"})
    return await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10)


@pytest.mark.req("GRE-35.9")
def test_the_agents_and_flows_of_a_trusted_pack_are_the_projects(desk: Desk) -> None:
    project = load(desk.root / "lichen.toml", environ={})
    assert [agent.name for agent in project.agents] == ["desk.clerk", "shop_desk.welcome"]
    assert (project.packed, project.flows) == (("desk.clerk",), ("shop_desk.welcome",))
    assert [tool for agent in project.agents for tool in agent.tools] == ["orders.lookup"]
    assert project.warnings == ()


@pytest.mark.req("GRE-35.10")
@pytest.mark.parametrize(
    ("key", "code"), [(None, "pack_unsigned"), (OTHER, "pack_signer_unknown")], ids=["unsigned", "unknown"]
)
def test_a_pack_that_one_environment_does_not_trust_keeps_a_project_from_loading(
    desk: Desk, key: Ed25519PrivateKey | None, code: str
) -> None:
    desk.ship(key)
    told = desk.refused()
    assert (told.code, told.kind) == (code, "denied")
    assert told.message.startswith("It may not be loaded in acme/prod")
    text = (desk.root / "lichen.toml").read_text()
    (desk.root / "lichen.toml").write_text(text.replace('development = ["dev"]', 'development = ["dev", "prod"]'))
    project = load(desk.root / "lichen.toml", environ={})
    assert {warning.code for warning in project.warnings} == {code}
    found = examined(Workspace(desk.root / ".lichen", desk.root / "lichen.toml"))
    assert [finding.state for finding in found if code in finding.what] == ["warning"]


@pytest.mark.req("GRE-35.10")
def test_a_pack_is_the_one_that_is_pinned(tmp_path: Path) -> None:
    desk = Desk(tmp_path, '{ file = "desk.gtpack", digest = "sha256:' + "0" * 64 + '" }')
    desk.ship()
    told = desk.refused()
    assert told.code == "pack_digest_differs"
    digest = told.message.rpartition(" ")[2].rstrip(".")
    text = (desk.root / "lichen.toml").read_text()
    (desk.root / "lichen.toml").write_text(text.replace("sha256:" + "0" * 64, digest))
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)


@pytest.mark.req("GRE-35.10")
def test_a_certificate_that_ran_out_is_refused_at_the_next_start(desk: Desk) -> None:
    settings = read(desk.root / "lichen.toml", environ={}).settings
    assert settings is not None
    assert open_pack(settings, PackFile("desk.gtpack"), at=NOW + timedelta(days=365)).agents
    with pytest.raises(LichenError, match="pack_signature_expired"):
        open_pack(settings, PackFile("desk.gtpack"), at=NOW + timedelta(days=366))


@pytest.mark.req("GRE-34.6")
def test_a_folder_is_a_pack_where_its_own_signature_is_trusted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, '"desk"')
    assert desk.refused().code == "pack_unsigned"
    desk.write(**{FILE: sign_folder(read_folder(desk.folder).files, KEY, NOW).decode()})
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    desk.write(clerk=CLERK.replace("first", "second"))
    assert desk.refused().code == "pack_signature_invalid"
    desk.write(**{FILE: sign_folder(read_folder(desk.folder).files, OTHER, NOW).decode()})
    assert desk.refused().code == "pack_signer_unknown"


@pytest.mark.req("GRE-35.11")
def test_an_agent_of_a_pack_reaches_nothing_of_the_disk_and_brings_no_commands(desk: Desk) -> None:
    (desk.root / "secret.md").write_text("secret")
    llm = 'name = "desk.clerk"\n[llm]\nmodel = "echo:"\nprompt = "{}"\n'
    for reach in ("../../secret.md", str(desk.root / "secret.md")):
        desk.write(clerk=llm.format(reach))
        desk.ship()
        assert desk.refused().code == "path_outside"
    desk.write(clerk=llm.format("../prompts/clerk.md"), **{"prompts/clerk.md": "Be kind."})
    desk.ship()
    assert load(desk.root / "lichen.toml", environ={}).packed == ("desk.clerk",)
    desk.write(**{"agents/run.clad.toml": "[tool]\n"})
    desk.ship()
    assert desk.refused().code == "pack_agent_commands"


@pytest.mark.req("GRE-35.11")
def test_names_of_packs_and_of_the_project_never_stand_for_each_other(desk: Desk) -> None:
    text = (desk.root / "lichen.toml").read_text()
    (desk.root / "own.toml").write_text(CLERK)
    (desk.root / "lichen.toml").write_text(text.replace("agents = []", 'agents = ["own.toml"]'))
    assert desk.refused().code == "settings_invalid"


@pytest.mark.req("GRE-29.7")
def test_a_pack_without_sources_is_walked_by_its_lowered_form(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    value = v1_value()
    value["flows"][0]["flow"]["nodes"][0] = {
        **value["flows"][0]["flow"]["nodes"][0],
        "component": {"id": 1},
        "input": {"mapping": {"text": "Which?"}},
    }
    (tmp_path / "desk.gtpack").write_bytes(v1_pack({"manifest.cbor": cbor(value)}, KEY))
    text = (tmp_path / "lichen.toml").read_text()
    (tmp_path / "lichen.toml").write_text(text.replace('agent = "desk.clerk"', 'agent = "shop_v1.main"'))
    assert load(desk.root / "lichen.toml", environ={}).flows == ("shop_v1.main",)


def second(desk: Desk, key: Ed25519PrivateKey = KEY) -> None:
    """A second version of the pack."""
    desk.write(clerk=CLERK.replace("first", "second"), flow=FLOW.replace("first", "second"))
    desk.ship(key)


@pytest.mark.req("GRE-35.12")
async def test_a_new_pack_is_in_force_after_a_reload_and_a_bad_one_leaves_the_old(desk: Desk) -> None:
    async with opened(desk) as runtime:
        assert await told(runtime) == "first"
        second(desk, OTHER)
        reloaded = await runtime.reload(SCOPE, OPS)
        assert ([broken.code for broken in reloaded.broken], reloaded.agents) == (["pack_signer_unknown"], ())
        (desk.root / "desk.gtpack").write_bytes(b"{}")
        reloaded = await runtime.reload(SCOPE, OPS)
        assert ([broken.code for broken in reloaded.broken], reloaded.agents) == (["pack_is_json"], ())
        assert await told(runtime) == "first"
        assert {agent.name for agent in runtime.hosted} == {"desk.clerk", "shop_desk.welcome"}
        desk.ship()
        reloaded = await runtime.reload(SCOPE, OPS)
        assert (reloaded.agents, reloaded.broken) == (("desk.clerk", "shop_desk.welcome"), ())
        assert await told(runtime) == "second"


@pytest.mark.req("GRE-35.13")
@pytest.mark.parametrize(("agent", "answer"), [("desk.clerk", "first word"), ("shop_desk.welcome", "first")])
async def test_what_waits_keeps_the_version_of_a_pack_it_began_with_over_reload_and_restart(
    desk: Desk, agent: str, answer: str
) -> None:
    async with opened(desk) as runtime:
        run, wait = await asked(runtime, agent)
        other, other_wait = await asked(runtime, agent)
        second(desk)
        await runtime.reload(SCOPE, OPS)
        assert await answered(runtime, run, wait) == answer
    async with opened(desk) as runtime:
        assert await told(runtime) == "second"
        assert await answered(runtime, other, other_wait) == answer


# -- components --------------------------------------------------------------------------------------------------

ECHOING = """id: echoing
type: messaging
nodes:
  ask:
    acme.clerk.execute: {content: "hello from a pack"}
    routing: [{to: say}]
  say:
    text: "{{node.ask.data}}"
    routing: out
"""


@pytest.mark.req("GRE-35.14")
async def test_a_node_of_a_packs_flow_asks_a_component_of_the_pack(desk: Desk) -> None:
    desk.write(**{"flows/echoing.ygtc": ECHOING})
    (desk.folder / "components").mkdir()
    (desk.folder / "components" / "acme.clerk.wasm").write_bytes(binary(CLERK_GUEST))
    desk.ship()
    project = load(desk.root / "lichen.toml", environ={})
    assert [tool.spec.name for tool in project.tools] == ["orders.lookup", "acme.clerk.execute"]
    async with Runtime.of(project) as runtime:
        run = await runtime.runs.start(SCOPE, "shop_desk.echoing", "hello", CUSTOMER)
        assert await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10) == "hello from a pack"


@pytest.mark.req("GRE-35.14")
def test_a_component_of_a_pack_takes_no_name_that_a_tool_has(desk: Desk) -> None:
    (desk.folder / "components").mkdir()
    (desk.folder / "components" / "acme.clerk.wasm").write_bytes(binary(CLERK_GUEST))
    desk.ship()
    own = 'from lichen import tool\n\n@tool(name="acme.clerk.execute", effects="none")\n'
    (desk.root / "own.py").write_text(own + 'def own() -> str:\n    """Own."""\n    return ""\n')
    text = (desk.root / "lichen.toml").read_text()
    (desk.root / "lichen.toml").write_text(text.replace('"shop.py:lookup"', '"shop.py:lookup", "own.py:own"'))
    assert "tool_twice" in {error.code for error in examine(desk.root / "lichen.toml", environ={}).errors}


KNOWN = """pack_id: shop.desk
version: 1.0.0
components:
  - id: acme.clerk
    wasm: components/acme.clerk.wasm
    operations:
      - name: execute
        input_schema: {type: object, properties: {content: {type: string}}}
"""


def known(desk: Desk, data: bytes) -> None:
    """A pack that says all there is to know of its component."""
    desk.write(pack=KNOWN, **{"flows/echoing.ygtc": ECHOING})
    (desk.folder / "components").mkdir()
    (desk.folder / "components" / "acme.clerk.wasm").write_bytes(data)
    desk.ship()


def clerk_of(desk: Desk) -> ComponentTool:
    project = load(desk.root / "lichen.toml", environ={})
    return next(tool for tool in project.tools if isinstance(tool, ComponentTool))


@pytest.mark.req("GRE-35.31")
async def test_a_start_does_not_wait_for_a_component_of_which_its_pack_says_everything(desk: Desk) -> None:
    known(desk, binary(CLERK_GUEST))
    project = load(desk.root / "lichen.toml", environ={})
    tool = next(tool for tool in project.tools if isinstance(tool, ComponentTool))
    assert not tool.component.is_compiled
    async with Runtime.of(project) as runtime:
        run = await runtime.runs.start(SCOPE, "shop_desk.echoing", "hello", CUSTOMER)
        assert await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10) == "hello from a pack"
    assert tool.component.is_compiled
    assert clerk_of(desk).component.is_compiled, "its code was kept for the next start"


@pytest.mark.req("GRE-35.31")
def test_components_are_compiled_beside_what_is_served_and_what_cannot_be_is_told(desk: Desk) -> None:
    known(desk, b"\0asm\x0d\0\x01\0" + b"\xff" * 64)
    told: list[str] = []
    ended = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        ended.set()

    assert "acme.clerk" in warming([clerk_of(desk)], tell)
    assert ended.wait(10)
    assert told[0].endswith("(component_invalid)")
    assert warming(load(desk.root / "lichen.toml", environ={}).tools[:1], tell) == ""


@pytest.mark.req("GRE-35.31")
async def test_a_component_that_does_not_compile_fails_the_calls_that_ask_it(desk: Desk) -> None:
    known(desk, b"\0asm\x0d\0\x01\0" + b"\xff" * 64)
    routed = ECHOING.replace("[{to: say}]", "[{status: component_invalid, to: broken}, {to: say}]")
    desk.write(**{"flows/echoing.ygtc": f"{routed}  broken:\n    text: it is broken\n    routing: out\n"})
    desk.ship()
    async with Runtime.of(load(desk.root / "lichen.toml", environ={})) as runtime:
        run = await runtime.runs.start(SCOPE, "shop_desk.echoing", "hello", CUSTOMER)
        assert await asyncio.wait_for(runtime.runs.result(SCOPE, run, SYSTEM), 10) == "it is broken"


@pytest.mark.req("GRE-35.31")
def test_what_is_no_component_does_not_load_though_its_pack_says_everything(desk: Desk) -> None:
    known(desk, b"\0asm\x01\0\0\0")
    assert desk.refused().code == "component_invalid"
