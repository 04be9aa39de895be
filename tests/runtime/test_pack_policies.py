"""Policies that packs bring: in force where the project says so, beside the tenant's, widening nothing of others."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lichen.cli.here.workspace import Workspace
from lichen.cli.serving.doctor import examined
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.gate.simulation import Case
from lichen.packs.building.building import build
from lichen.packs.building.folder import read_folder
from lichen.runtime.project.loading import examine, load
from lichen.runtime.review.cases import case_files, check_cases, simulated
from lichen.runtime.runtime import Runtime
from tests.cli.projects import Project
from tests.tools.wasm.guests import CLERK as CLERK_GUEST
from tests.tools.wasm.guests import binary

ACME, GLOBEX, OPS = Scope("acme", "dev"), Scope("globex", "dev"), Operator("ops", ("operator",))
CUSTOMER = Customer("customer-7")
ACTORS = """actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "customer-7", kind = "customer"}]"""
SETTINGS = f"""
    [lichen]
    agents = ["own.toml"]
    tools = ["shop.py:lookup", "shop.py:refund"]
    packs = [{{ file = "desk.gtpack", policies = trueMORE }}]

    [tenants.acme]
    environments = ["dev"]
    development = ["dev"]
    policies = "policies"
    agent = "shop.own"
    {ACTORS}

    [tenants.globex]
    environments = ["dev"]
    development = ["dev"]
    policies = "policies"
    agent = "shop.own"
    {ACTORS}
"""
TOOLS = """
from typing import Annotated

from lichen import tool


@tool(name="orders.lookup", effects="none")
def lookup(order_id: str) -> dict[str, str]:
    "Looks up an order."
    return {}


@tool(name="payments.refund", effects="once")
def refund(order_id: str, amount: int) -> dict[str, str]:
    "Pays back."
    return {}
"""
AGENT = """
name = "{}"
tools = ["orders.lookup", "payments.refund"]

[rules]
fallback = "first"
intents = []
"""
TENANTS = """
@id("own-refunds")
permit (principal == Agent::"shop.own", action == Action::"payments.refund", resource);
"""
FORBID = """
@id("refunds")
@reason("The pack says so.")
forbid (principal, action == Action::"payments.refund", resource)
when { context.args.amount > 100 };
"""
PERMIT = """
@id("asks")
permit (principal == Agent::"desk.clerk", action == Action::"acme.clerk.execute", resource);
"""


class Desk:
    """A project with one pack that brings policies, and the folder it is built from."""

    def __init__(self, root: Path, more: str = "") -> None:
        files = {
            "lichen.toml": SETTINGS.replace("MORE", more),
            "shop.py": TOOLS,
            "own.toml": AGENT.format("shop.own"),
            "policies/own.cedar": TENANTS,
        }
        self.root, self.folder, self.file = root, root / "desk", root / "lichen.toml"
        Project(root, files)
        self.write("pack.yaml", "pack_id: shop.desk\nversion: 1.0.0\npublisher: Acme\n")
        self.write("agents/clerk.toml", AGENT.format("desk.clerk"))
        self.write("policies/refunds.cedar", FORBID + PERMIT)
        (self.folder / "components").mkdir()
        (self.folder / "components" / "acme.clerk.wasm").write_bytes(binary(CLERK_GUEST))
        self.ship()

    def write(self, name: str, text: str) -> None:
        """Writes what the pack is built from."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def ship(self) -> None:
        """Builds the pack."""
        (self.root / "desk.gtpack").write_bytes(build(read_folder(self.folder)).data)

    def found(self) -> list[str]:
        """What is wrong with the project, by code, with the pack built anew."""
        self.ship()
        return [error.code for error in examine(self.file, environ={}).errors]

    async def starts(self) -> None:
        """Opens a runtime of the project."""
        async with Runtime.of(load(self.file, environ={})):
            pass

    async def refused(self, text: str) -> LichenError:
        """What is wrong with a project whose pack brings these policies."""
        self.write("policies/refunds.cedar", text)
        self.ship()
        with pytest.raises(LichenError) as told:
            await self.starts()
        return told.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def refund(agent: str, amount: int) -> Case:
    return Case(agent, "payments.refund", CUSTOMER, {"order_id": "1", "amount": amount})


async def outcome(desk: Desk, tenant: str, case: Case) -> tuple[str, tuple[str, ...]]:
    verdict = (await simulated(load(desk.file, environ={}), tenant, case)).verdict
    return verdict.outcome, verdict.policies


@pytest.mark.req("GRE-35.21")
async def test_a_packs_forbid_outweighs_the_permit_of_a_tenant_and_is_named_after_the_pack(desk: Desk) -> None:
    assert await outcome(desk, "acme", refund("shop.own", 100)) == ("allow", ("own-refunds",))
    assert await outcome(desk, "acme", refund("shop.own", 101)) == ("deny", ("shop.desk/refunds",))
    async with Runtime.of(load(desk.file, environ={})) as runtime:
        why = await runtime.policies.why(ACME, refund("shop.own", 101), OPS)
        assert why.verdict.operator_reason == "forbidden: The pack says so."
        files = {file.name: [each.id for each in file.policies] for file in runtime.policies.show(ACME, OPS).files}
        assert files["(shop.desk)/policies/refunds.cedar"] == ["shop.desk/refunds", "shop.desk/asks"]


@pytest.mark.req("GRE-35.21")
async def test_a_packs_permit_lets_its_agent_use_its_tool_where_nothing_built_in_does(desk: Desk) -> None:
    (desk.root / "policies" / "policy.toml").write_text("base = false\n")
    asks = Case("desk.clerk", "acme.clerk.execute", CUSTOMER, {"content": "hello"})
    desk.write("agents/clerk.toml", AGENT.format("desk.clerk").replace('"orders.lookup"', '"acme.clerk.execute"'))
    desk.ship()
    assert await outcome(desk, "acme", asks) == ("allow", ("shop.desk/asks",))
    assert await outcome(desk, "acme", msgspec.structs.replace(asks, agent="shop.own")) == ("deny", ())


@pytest.mark.req("GRE-35.21")
async def test_policies_of_a_pack_are_in_force_in_the_tenants_that_the_project_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ', tenants = ["globex"]')
    assert (await outcome(desk, "globex", refund("shop.own", 101)))[0] == "deny"
    assert (await outcome(desk, "acme", refund("shop.own", 101)))[0] == "allow"


@pytest.mark.req("GRE-35.21")
async def test_policies_of_a_pack_say_nothing_unless_the_project_wants_them(desk: Desk) -> None:
    desk.file.write_text(desk.file.read_text().replace("policies = true", "policies = false"))
    assert (await outcome(desk, "acme", refund("shop.own", 101)))[0] == "allow"


WIDENING = {
    "another's tool": 'permit (principal == Agent::"desk.clerk", action == Action::"payments.refund", resource);',
    "one of another beside its own": 'permit (principal == Agent::"desk.clerk", action in '
    '[Action::"acme.clerk.execute", Action::"payments.refund"], resource);',
    "a group": 'permit (principal == Agent::"desk.clerk", action in Action::"tool.call.once", resource);',
    "anything": "permit (principal, action, resource);",
    "another's agent": 'permit (principal == Agent::"shop.own", action == Action::"acme.clerk.execute", resource);',
    "every agent": 'permit (principal is Agent, action == Action::"acme.clerk.execute", resource);',
    "a customer": 'permit (principal == Customer::"desk.clerk", action == Action::"acme.clerk.execute", resource);',
    "a secret": 'permit (principal == Agent::"desk.clerk", action == Action::"secret.use", resource);',
    "a model": 'permit (principal == Agent::"desk.clerk", action == Action::"model.invoke", resource);',
    "an operation": 'permit (principal == Agent::"desk.clerk", action == Action::"log.export", resource);',
    "another agent as a tool": 'permit (principal == Agent::"desk.clerk", action == Action::"shop.own", resource);',
    "what it came from": '@declassify("third_party:web.fetch")\n'
    'permit (principal == Agent::"desk.clerk", action == Action::"acme.clerk.execute", resource);',
}


@pytest.mark.req("GRE-35.22")
@pytest.mark.parametrize("what", WIDENING)
async def test_a_permit_of_a_pack_widens_nothing_but_what_its_own_agents_may_with_its_own_tools(
    desk: Desk, what: str
) -> None:
    if what == "another agent as a tool":
        (desk.root / "ask.ygtc").write_text(
            "id: shop.ask\ntype: messaging\nnodes:\n  ask: {dw.agent: {agent: shop.own, message: hi}, routing: out}\n"
        )
        desk.file.write_text(desk.file.read_text().replace("[lichen]", '[lichen]\n    flows = ["ask.ygtc"]'))
    told = await desk.refused(f'@id("wide")\n{WIDENING[what]}\n')
    assert (told.code, told.message.split(":")[0]) == (
        "pack_policy_widens",
        "Policy shop.desk/wide permits what a pack cannot",
    )
    assert told.place is not None
    assert told.place.startswith(f"{desk.root}/desk.gtpack!/policies/refunds.cedar:")


@pytest.mark.req("GRE-35.22")
def test_a_pack_takes_no_tool_of_the_project_over_by_its_name(desk: Desk) -> None:
    (desk.root / "shop.py").write_text(TOOLS.replace("payments.refund", "acme.clerk.execute"))
    (desk.root / "own.toml").write_text(AGENT.format("shop.own").replace("payments.refund", "acme.clerk.execute"))
    desk.write("agents/clerk.toml", AGENT.format("desk.clerk").replace("payments.refund", "acme.clerk.execute"))
    assert desk.found() == ["tool_twice"]
    project = examine(desk.file, environ={}).project
    assert project is not None
    assert [tool for pack in project.packs for tool in pack.all_tools] == []


@pytest.mark.req("GRE-35.23")
@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("forbid (principal, action,", "policy_syntax", ":1:"),
        (FORBID.replace("amount", "sum"), "policy_schema", ":5:"),
        ('@id("a")\nforbid (principal, action, resource);\n' * 2, "policy_duplicate", ":3:"),
    ],
    ids=["syntax", "schema", "twice"],
)
async def test_a_pack_with_a_broken_policy_is_kept_out_with_its_place(
    desk: Desk, text: str, code: str, line: str
) -> None:
    told = await desk.refused(text)
    assert told.code == code
    assert told.place is not None
    assert f"{desk.root}/desk.gtpack!/policies/refunds.cedar{line}" in told.place
    found = examined(Workspace(desk.root / ".lichen", desk.file))
    assert any("desk.gtpack!/policies/refunds.cedar" in finding.what for finding in found if finding.state == "problem")


@pytest.mark.req("GRE-35.23")
def test_a_pack_whose_policies_cannot_be_in_force_does_not_load(desk: Desk) -> None:
    desk.write("policies/policy.toml", "base = false\n")
    assert desk.found() == ["policy_settings"]
    (desk.folder / "policies" / "policy.toml").unlink()
    (desk.folder / "policies" / "refunds.cedar").write_bytes(b"// \xff")
    assert desk.found() == ["policy_syntax"]
    (desk.folder / "policies" / "refunds.cedar").unlink()
    assert desk.found() == ["pack_policies_missing"]


@pytest.mark.req("GRE-35.23")
def test_two_packs_of_one_name_do_not_both_bring_policies(desk: Desk) -> None:
    (desk.root / "other.gtpack").write_bytes((desk.root / "desk.gtpack").read_bytes())
    other = '{ file = "desk.gtpack", policies = true }, { file = "other.gtpack", policies = true }'
    desk.file.write_text(desk.file.read_text().replace('{ file = "desk.gtpack", policies = true }', other))
    assert "pack_twice" in {error.code for error in examine(desk.file, environ={}).errors}


@pytest.mark.req("GRE-35.23")
@pytest.mark.parametrize(
    ("more", "code"),
    [(', tenants = ["acme", "initech"]', "pack_tenant_unknown"), (', tenants = ["acme"]', "pack_policies_unused")],
)
def test_tenants_of_a_packs_policies_are_there(tmp_path: Path, more: str, code: str) -> None:
    desk = Desk(tmp_path, more)
    if code == "pack_policies_unused":
        desk.file.write_text(desk.file.read_text().replace("policies = true", "policies = false"))
    (told,) = examine(desk.file, environ={}).errors
    assert (told.code, (told.place or "").split(":")[0]) == (code, str(desk.file))


@pytest.mark.req("GRE-35.24")
async def test_a_reload_takes_policies_with_their_pack_or_neither(desk: Desk) -> None:
    async with Runtime.of(load(desk.file, environ={})) as runtime:
        before = runtime.policies.show(GLOBEX, OPS).digest
        desk.write("agents/clerk.toml", AGENT.format("desk.clerk").replace("first", "second"))
        desk.write("policies/refunds.cedar", FORBID + WIDENING["anything"])
        desk.ship()
        reloaded = await runtime.reload(ACME, OPS)
        assert ([each.code for each in reloaded.broken], reloaded.agents) == (["pack_policy_widens"], ())
        assert runtime.policies.show(GLOBEX, OPS).digest == before
        (desk.root / "desk.gtpack").write_bytes(b"{}")
        assert [each.code for each in (await runtime.reload(ACME, OPS)).broken] == ["pack_is_json"]
        assert (await runtime.policies.why(ACME, refund("shop.own", 101), OPS)).verdict.outcome == "deny"
        desk.write("policies/refunds.cedar", FORBID.replace("100", "200"))
        desk.ship()
        reloaded = await runtime.reload(ACME, OPS)
        assert (reloaded.agents, reloaded.broken, reloaded.are_policies_new) == (("desk.clerk",), (), True)
        for scope in (ACME, GLOBEX):
            assert (await runtime.policies.why(scope, refund("shop.own", 150), OPS)).verdict.outcome == "allow"
            assert (await runtime.policies.why(scope, refund("shop.own", 201), OPS)).verdict.outcome == "deny"
        records = await runtime.records.page(GLOBEX, OPS, limit=500)
        kinds = [str(record.control["kind"]) for record in records if record.type == "changed"]
        assert sorted(kinds) == ["catalog", "policy"]


@pytest.mark.req("GRE-35.25")
async def test_meters_of_a_pack_count_beside_those_of_the_tenant_and_take_none_over(desk: Desk) -> None:
    meter = '[[meter]]\nname = "paid"\ntools = ["payments.refund"]\namount = "amount"\nwindow = "day"\n'
    desk.write("policies/meters.toml", meter)
    limited = FORBID.replace("context.args.amount", "context.meters.paid + context.args.amount")
    desk.write("policies/refunds.cedar", limited)
    desk.ship()
    used = msgspec.structs.replace(refund("shop.own", 50), meters={"paid": 60})
    assert await outcome(desk, "acme", used) == ("deny", ("shop.desk/refunds",))
    assert (await outcome(desk, "acme", refund("shop.own", 50)))[0] == "allow"
    (desk.root / "policies" / "meters.toml").write_text(meter)
    with pytest.raises(LichenError) as told:
        await desk.starts()
    assert told.value.code == "meters_invalid"
    assert (told.value.place or "").startswith(f"{desk.root}/desk.gtpack!/policies/meters.toml:1")


@pytest.mark.req("GRE-35.25")
async def test_cases_of_a_project_are_decided_with_the_policies_of_its_packs(desk: Desk) -> None:
    (desk.root / "policies" / "a.cases.toml").write_text(
        'tenant = "acme"\n[[case]]\nname = "too much"\nagent = "shop.own"\ntool = "payments.refund"\n'
        'for = "customer-7"\nargs = { order_id = "1", amount = 500 }\nexpect = "deny"\n'
        'policies = ["shop.desk/refunds"]\n'
    )
    project = load(desk.file, environ={})
    (checked,) = await check_cases(project, case_files(desk.root))
    assert checked.is_met
