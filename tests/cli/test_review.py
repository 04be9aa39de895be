"""What `doctor` and `policy check` find before a customer does."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from lichen.runtime.project.loading import load
from lichen.runtime.review import review
from tests.cli.projects import POLICIES, SETTINGS, SHOP, Project
from tests.cli.shop import DEMO

LOOK = '    @id("look") permit (principal is Agent, action == Action::"orders.lookup", resource);\n'
THINK = 'permit (principal, action == Action::"model.invoke", resource);'
VOUCHER = """
    id: shop.voucher
    type: messaging
    nodes:
      find:
        orders.lookup: {order: "1042"}
        routing: out
"""


def flaws(project: Project) -> dict[str, tuple[str, str]]:
    """State and text of what doctor says of the project besides that it is fine, by code."""
    found = [finding for finding in project.run("doctor", "--json").data if finding["state"] != "ok"]
    return {f["what"].rpartition("(")[2].rstrip(")"): (f["state"], f["what"]) for f in found}


def test_a_project_that_is_well_has_nothing_to_mend(tmp_path: Path) -> None:
    assert flaws(Project(tmp_path)) == {}


@pytest.mark.req("LIC-29.4")
def test_a_tool_that_no_policy_permits_is_found_before_it_is_denied(tmp_path: Path) -> None:
    bare = POLICIES.replace(LOOK, "")
    project = Project(tmp_path, {"policies/shop.cedar": bare, "policies/policy.toml": "base = false\n"})
    state, what = flaws(project)["tool_unpermitted"]
    assert state == "warning"
    assert "No policy of acme permits orders.lookup, which shop.support calls" in what


@pytest.mark.req("LIC-29.4")
def test_a_tool_that_policy_forbids_whatever_is_permitted_is_named_with_that_policy(tmp_path: Path) -> None:
    closed = '    @id("closed") forbid (principal, action == Action::"orders.lookup", resource);\n'
    project = Project(tmp_path, {"policies/shop.cedar": POLICIES + closed})
    state, what = flaws(project)["tool_forbidden"]
    assert state == "warning"
    assert "Policy closed of acme forbids shop.support to call orders.lookup" in what
    project.write(**{"policies/shop.cedar": POLICIES + closed.replace(";", ' when { context.args.order_id == "13" };')})
    assert flaws(project) == {}


@pytest.mark.req("LIC-29.4")
def test_a_tool_that_policy_forbids_an_agent_with_others_is_named_and_no_fault() -> None:
    found = [each for each in review(load(DEMO / "lichen.toml", environ={})) if each.code == "tool_forbidden"]
    assert {each.severity for each in found} == {"note"}
    assert any("no-refunds-by-chat of globex forbids shop.support to call payments.refund" in f.message for f in found)


@pytest.mark.req("LIC-29.4")
@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [
        ('@id("closed") forbid (principal, action == Action::"model.invoke", resource);', "model_forbidden", "problem"),
        ("", "model_unpermitted", "problem"),
        (
            f'{THINK} @id("closed") forbid (principal, action, resource == Model::"openai:gpt-5");',
            "model_forbidden",
            "warning",
        ),
    ],
)
def test_a_model_that_policy_does_not_let_an_agent_ask_is_named_and_a_problem_if_there_is_no_other(
    policy: str, code: str, state: str, tmp_path: Path
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.cedar").write_text(policy)
    (tmp_path / "policies" / "policy.toml").write_text("base = false\n")
    (tmp_path / "lichen.toml").write_text(dedent(SETTINGS))
    (tmp_path / "shop.py").write_text(
        "from lichen import Agent\nfrom lichen.agents import LLMPlanner\n"
        'support = Agent("shop.support", planner=LLMPlanner(["openai:gpt-5", "openai:gpt-5-mini"]))\n'
    )
    found = [each for each in review(load(tmp_path / "lichen.toml", environ={})) if each.code == code]
    assert {each.severity for each in found} == {state}
    assert len(found) == (1 if state == "warning" else 2)


@pytest.mark.req("LIC-29.5")
def test_an_approval_by_a_role_that_nobody_has_is_found_with_its_line(tmp_path: Path) -> None:
    asking = POLICIES.replace('@id("look")', '@id("look") @approval("supervisor")')
    state, what = flaws(Project(tmp_path, {"policies/shop.cedar": asking}))["role_unheld"]
    assert state == "warning"
    assert "shop.cedar:4:1" in what
    assert "'supervisor'" in what


@pytest.mark.req("LIC-29.5")
def test_a_policy_about_an_agent_that_is_not_there_is_found_with_its_line(tmp_path: Path) -> None:
    about = POLICIES.replace("principal is Agent", 'principal == Agent::"shop.suport"')
    state, what = flaws(Project(tmp_path, {"policies/shop.cedar": about}))["policy_agent_unknown"]
    assert state == "problem"
    assert "shop.cedar:4:1" in what


ASKS = """
    id: shop.voucher
    type: messaging
    nodes:
      agree:
        approval.call: {text: "May we?", role: supervisor}
        routing: [{to: dear}]
      dear:
        approval.call: {text: "May we really?", role: "{{entry.role}}"}
        routing: [{to: usual}]
      usual:
        approval.call: {text: "And now?"}
        routing: [{to: talk}]
      talk:
        session.handover: {text: "Please help.", role: nurse}
        routing: out
"""
FLOWS = SETTINGS.replace("[lichen]", '[lichen]\n    flows = ["voucher.ygtc"]')


@pytest.mark.req("LIC-29.5")
def test_a_role_that_a_flow_asks_for_and_nobody_has_is_found_with_its_line(tmp_path: Path) -> None:
    project = Project(tmp_path, {"lichen.toml": FLOWS, "voucher.ygtc": ASKS})
    found = [one for one in project.run("doctor", "--json").data if "(role_unheld)" in one["what"]]
    assert [one["state"] for one in found] == ["warning", "warning"]
    assert "voucher.ygtc:4:3: Node 'agree' of shop.voucher waits for approval by 'supervisor'" in found[0]["what"]
    assert "voucher.ygtc:13:3: Node 'talk' of shop.voucher hands over to 'nurse'" in found[1]["what"]
    held = FLOWS.replace('roles = ["operator"]', 'roles = ["supervisor", "nurse"]')
    project.write(**{"lichen.toml": held})
    assert "role_unheld" not in flaws(project)


@pytest.mark.req("LIC-29.5")
def test_a_role_that_only_a_customer_has_approves_nothing_and_is_found(tmp_path: Path) -> None:
    theirs = SETTINGS.replace('kind = "customer"', 'kind = "customer", roles = ["supervisor"]')
    asking = POLICIES.replace('@id("look")', '@id("look") @approval("supervisor")')
    assert "role_unheld" in flaws(Project(tmp_path, {"lichen.toml": theirs, "policies/shop.cedar": asking}))


SEVERAL = SETTINGS.replace('policies = "policies"', 'policies = "policies"\n    environments = ["dev", "prod"]')
METER = '[[meter]]\nname = "looks"\ntools = ["orders.lookup"]\n'
FEW = """
    @id("few") @approval("supervisor")
    permit (principal is Agent, action == Action::"orders.lookup", resource) when { context.meters.looks < 3 };
"""


@pytest.mark.req("SYM-69.16")
def test_doctor_reads_the_policies_and_meters_of_each_environment(tmp_path: Path) -> None:
    files = {"lichen.toml": SEVERAL, "policies/prod/few.cedar": FEW, "policies/prod/meters.toml": METER}
    project = Project(tmp_path, files)
    loads = [one["what"] for one in project.run("doctor", "--json").data if one["check"] == "policies"]
    assert [what.partition(":")[0] for what in loads] == ["acme", "acme/prod"]
    assert "prod/few.cedar:1:1" in flaws(project)["role_unheld"][1]
    project.write(**{"policies/prod/few.cedar": FEW.replace("looks", "lokos"), "policies/shop.cedar": "permit ("})
    found = [one["what"] for one in project.run("doctor", "--json").data if one["check"] == "policies"]
    assert len(found) == 2, "what is wrong with the shared file is said once"
    assert any("policies/shop.cedar:1:" in what for what in found)
    assert any("policies/prod/few.cedar:2:" in what for what in found)


@pytest.mark.req("SYM-69.16")
def test_checking_policies_reads_each_environments_and_no_shared_ones_that_decide_nowhere(tmp_path: Path) -> None:
    files = {"lichen.toml": SEVERAL, "policies/prod/few.cedar": FEW, "policies/prod/meters.toml": METER}
    project = Project(tmp_path, files)
    found = project.run("policy", "check", "--json").data
    assert {name: ("few" in one["policies"], one["meters"]) for name, one in found.items()} == {
        "acme": (False, []),
        "acme/prod": (True, ["looks"]),
    }
    project.write(**{"policies/dev/meters.toml": METER})
    assert list(project.run("policy", "check", "--json").data) == ["acme/dev", "acme/prod"]
    project.write(**{"policies/prod/meters.toml": ""})
    ended = project.run("policy", "check", "--json")
    assert ended.code == 2
    assert "prod/few.cedar:2:" in ended.err


@pytest.mark.req("SYM-69.16")
@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("policies/prd/few.cedar", FEW, "acme has no environment 'prd'"),
        ("policies/prd/meters.toml", METER, "acme has no environment 'prd'"),
        ("policies/prod/policy.toml", "base = false", "policy.toml of one environment alone"),
    ],
)
def test_policies_in_a_folder_that_nobody_reads_are_found(tmp_path: Path, file: str, text: str, said: str) -> None:
    state, what = flaws(Project(tmp_path, {"lichen.toml": SEVERAL, file: text}))["policies_unread"]
    assert state == "warning"
    assert said in what


@pytest.mark.req("SYM-69.16")
def test_the_policies_of_another_tenant_below_are_no_finding(tmp_path: Path) -> None:
    two = f'{SEVERAL}\n    [tenants.globex]\n    policies = "policies/globex/now"\n'
    files = {"policies/globex/now/a.cedar": POLICIES, "policies/globex/a.cedar": POLICIES}
    assert flaws(Project(tmp_path, {"lichen.toml": two, **files})) == {}


@pytest.mark.req("LIC-29.6")
@pytest.mark.parametrize(
    ("right", "wrong", "code", "said"),
    [
        ('{"order_id": "{order_id}"}', '{"order": "{order_id}"}', "argument_unknown", "Did you mean 'order_id'"),
        ('{"order_id": "{order_id}"}', "{}", "argument_missing", "'order_id'"),
    ],
)
def test_rules_that_call_a_tool_otherwise_than_it_takes_are_found(
    tmp_path: Path, right: str, wrong: str, code: str, said: str
) -> None:
    project = Project(tmp_path, {"shop.py": SHOP.replace(right, wrong)})
    found = [finding for finding in project.run("doctor", "--json").data if f"({code})" in finding["what"]]
    assert found[0]["state"] == "problem"
    assert said in f"{found[0]['what']} {found[0]['mend']}"


@pytest.mark.req("LIC-29.6")
def test_rules_that_use_a_field_no_result_has_are_found(tmp_path: Path) -> None:
    typed = SHOP.replace("-> dict[str, str]", "-> Order").replace(
        "    @tool(", "    class Order(BaseModel):\n        status: str\n\n\n    @tool("
    )
    wrong = typed.replace("{lookup.status}", "{lookup.statos}").replace(
        "    from lichen import", "    from pydantic import BaseModel\n\n    from lichen import"
    )
    state, what = flaws(Project(tmp_path, {"shop.py": wrong}))["field_unknown"]
    assert state == "problem"
    assert "{lookup.statos}" in what


@pytest.mark.req("LIC-29.6")
def test_a_flow_that_calls_a_tool_otherwise_than_it_takes_is_found_with_its_line(tmp_path: Path) -> None:
    parts = SETTINGS.replace("[lichen]", '[lichen]\n    flows = ["voucher.ygtc"]')
    found = flaws(Project(tmp_path, {"lichen.toml": parts, "voucher.ygtc": VOUCHER}))
    assert "voucher.ygtc:4:3" in found["argument_unknown"][1]
    assert "argument_missing" in found


@pytest.mark.req("LIC-29.7")
def test_a_route_for_a_channel_that_is_not_there_is_found(tmp_path: Path) -> None:
    routed = f'{SETTINGS}\n    [[tenants.acme.routes]]\n    channel = "slack"\n    agent = "shop.support"\n'
    assert flaws(Project(tmp_path, {"lichen.toml": routed}))["channel_unknown"][0] == "problem"
    elsewhere = f'{routed}\n    [tenants.globex]\n    agent = "shop.support"\n    [tenants.globex.slack]\n'
    assert "'slack'" in flaws(Project(tmp_path, {"lichen.toml": elsewhere}))["channel_unknown"][1]


@pytest.mark.req("LIC-29.1")
def test_every_statement_that_does_not_load_is_named_at_its_place(tmp_path: Path) -> None:
    wrong = 'permit (principal, action resource);\n\npermit (principal, action == Action::"no.tool", resource);\n'
    project = Project(tmp_path, {"policies/shop.cedar": wrong})
    found = [finding["what"] for finding in project.run("doctor", "--json").data if finding["check"] == "policies"]
    assert len(found) == 2
    assert "shop.cedar:1:" in found[0]
    assert "shop.cedar:3:" in found[1]
