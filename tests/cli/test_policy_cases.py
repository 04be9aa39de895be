"""`lichen policy test` and `why`: how calls would be decided, before anybody makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import SETTINGS, Project
from tests.cli.shop import Shop

CASES = """
    tenant = "acme"

    [[case]]
    name = "anybody may look"
    agent = "shop.support"
    tool = "orders.lookup"
    for = "customer-7"
    args = {order_id = "1042"}
    expect = "allow"
    policies = ["base.look", "look"]
"""
WHY = ("policy", "why", "shop.support", "payments.refund", "--tenant", "acme")
FACTS = '{"price": 12000, "refunded": 0, "owner": "customer-7"}'


@pytest.mark.req("LIC-33.1")
def test_cases_that_are_decided_as_they_say_pass_and_others_end_with_code_1(tmp_path: Path) -> None:
    project = Project(tmp_path, {"policies/look.cases.toml": CASES})
    assert project.run("policy", "test").code == 0
    project.write(**{"policies/look.cases.toml": CASES.replace('"allow"', '"deny"')})
    ended = project.run("policy", "test")
    assert ended.code == 1
    assert "NOT OK  anybody may look: allow by base.look, look" in ended.out
    assert "holds  permit look  shop.cedar:4:1" in ended.out


@pytest.mark.req("LIC-33.1")
def test_a_case_that_names_other_policies_than_decide_fails(tmp_path: Path) -> None:
    project = Project(tmp_path, {"policies/look.cases.toml": CASES.replace('"base.look", "look"', '"look"')})
    ended = project.run("policy", "test", "--json")
    assert (ended.code, ended.data[0]["outcome"], ended.data[0]["is_met"]) == (1, "allow", False)


@pytest.mark.req("LIC-33.1")
@pytest.mark.parametrize(
    ("right", "wrong", "code", "exit"),
    [
        ("agent =", "agnet =", "cases_invalid", 2),
        ('"acme"', '"amce"', "tenant_unknown", 4),
        ('"orders.lookup"', '"orders.lokup"', "tool_unknown", 4),
    ],
)
def test_a_case_that_cannot_be_decided_says_why(tmp_path: Path, right: str, wrong: str, code: str, exit: int) -> None:  # noqa: A002
    project = Project(tmp_path, {"policies/look.cases.toml": CASES.replace(right, wrong, 1)})
    ended = project.run("policy", "test", "--json")
    assert (ended.code, ended.error) == (exit, code)


@pytest.mark.req("LIC-33.1")
def test_the_demos_policies_decide_as_their_cases_say(shop: Shop) -> None:
    ended = shop.run("policy", "test", "--json")
    assert ended.code == 0, ended.out
    assert {case["outcome"] for case in ended.data} == {"allow", "hold", "deny"}


@pytest.mark.req("SYM-69.16")
def test_cases_and_why_are_decided_as_in_their_environment(tmp_path: Path) -> None:
    never = '@id("never") forbid (principal, action == Action::"orders.lookup", resource);\n'
    files = {
        "lichen.toml": SETTINGS.replace("[tenants.acme]", '[tenants.acme]\n    environments = ["dev", "prod"]'),
        "policies/prod/never.cedar": never,
        "policies/look.cases.toml": CASES,
        "policies/named.cases.toml": CASES.replace('"acme"', '"acme"\n    env = "prod"', 1),
        "policies/prod/never.cases.toml": CASES,
    }
    project = Project(tmp_path, files)
    decided = {Path(one["file"]).name: one["outcome"] for one in project.run("policy", "test", "--json").data}
    assert decided == {"look.cases.toml": "allow", "named.cases.toml": "deny", "never.cases.toml": "deny"}
    why = ("policy", "why", "shop.support", "orders.lookup", "--args", '{"order_id": "1"}', "--json")
    assert [project.run(*why, *env).data["outcome"] for env in ((), ("--env", "prod"))] == ["allow", "deny"]
    assert project.run(*why, "--env", "prd").error == "env_unknown"


@pytest.mark.req("LIC-33.2")
def test_why_names_the_policies_that_matched_and_what_the_others_lack(shop: Shop) -> None:
    asked = ("--for", "customer-7", "--args", '{"order_id": "1042", "amount": 4000}', "--facts", FACTS)
    found = shop.run(*WHY, *asked, "--json").data
    assert (found["outcome"], found["policies"]) == ("allow", ["refund-at-once"])
    held = shop.run(*WHY, *asked, "--meter", "refunded_today=2000", "--json").data
    assert (held["outcome"], held["policies"]) == ("hold", ["refund-with-approval"])
    lacking = next(one for one in held["considered"] if one["id"] == "refund-at-once")
    assert not lacking["holds"]
    assert lacking["missing"] == ["(context.meters.refunded_today + context.args.amount) <= 5000"]


@pytest.mark.req("LIC-33.2")
def test_why_says_that_no_policy_is_about_a_call(tmp_path: Path) -> None:
    bare = '@id("talk") permit (principal, action == Action::"session.open", resource);'
    project = Project(tmp_path, {"policies/shop.cedar": bare, "policies/policy.toml": "base = false\n"})
    ended = project.run("policy", "why", "shop.support", "orders.lookup", "--args", '{"order_id": "1"}')
    assert ended.code == 0
    assert "no_permit" in ended.out
    assert "No policy is about such a call." in ended.out


@pytest.mark.req("LIC-33.3")
def test_checking_a_folder_without_policies_names_those_that_have_some(shop: Shop) -> None:
    ended = shop.run("policy", "check", "policies")
    assert ended.code == 2
    assert "policies/acme, policies/globex" in ended.err


@pytest.mark.req("LIC-33.3")
def test_checking_policies_tells_what_they_will_not_do(tmp_path: Path) -> None:
    bare = '@id("talk") permit (principal, action == Action::"session.open", resource);'
    project = Project(tmp_path, {"policies/shop.cedar": bare, "policies/policy.toml": "base = false\n"})
    assert "No policy of acme permits orders.lookup" in project.run("policy", "check").out


MODELS = """
@id("dear-models-in-bounds")
@limit("run_tokens <= 900")
permit (principal is Agent, action == Action::"model.invoke", resource)
when { context.model.tags.contains("dear") };

@id("not-when-much-is-used")
forbid (principal, action == Action::"model.invoke", resource)
when { context.model.provider == "openai" && context.meters.day_micro_usd >= 100 };
"""
ASKED = """
    tenant = "acme"

    [[case]]
    name = "a dear model"
    agent = "shop.support"
    model = "openai:gpt-5"
    for = "customer-7"
    meters = {run_tokens = 899, day_micro_usd = 99}
    expect = "allow"
    policies = ["base.think", "dear-models-in-bounds"]

    [[case]]
    name = "its cap is used up"
    agent = "shop.support"
    model = "openai:gpt-5"
    for = "customer-7"
    meters = {run_tokens = 900}
    expect = "deny"

    [[case]]
    name = "the day is dear already"
    agent = "shop.support"
    model = "openai:gpt-5"
    for = "customer-7"
    meters = {day_micro_usd = 100}
    expect = "deny"
    policies = ["not-when-much-is-used"]
"""


@pytest.mark.req("GOA-28.6")
def test_cases_and_why_decide_about_models_with_the_tags_of_the_project(tmp_path: Path) -> None:
    files = {
        "lichen.toml": SETTINGS + '\n    [models.tags]\n    "openai:gpt-5" = ["dear"]\n    "openai:" = ["abroad"]\n',
        "policies/models.cedar": MODELS,
        "policies/models.cases.toml": ASKED,
    }
    project = Project(tmp_path, files)
    assert project.run("policy", "test").code == 0
    why = ("policy", "why", "shop.support", "--model", "openai:gpt-5", "--tenant", "acme")
    ended = project.run(*why)
    assert "The request is made to fit into run_tokens <= 900." in ended.out
    assert "holds  permit dear-models-in-bounds" in ended.out
    assert project.run(*why, "--json").data["caps"] == ["run_tokens <= 900"]
    ended = project.run(*why, "--meter", "day_micro_usd=100")
    assert ended.out.startswith("deny by not-when-much-is-used.")
    ended = project.run("policy", "why", "shop.support", "--model", "openai:gpt-5-mini", "--tenant", "acme")
    assert '.contains("dear")' in ended.out, "what the policy lacks to hold"
