"""`lichen secrets`, and what `doctor` says of those that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import POLICIES, SETTINGS, SHOP, Project

VALUE = "sk_live_51H8abcdefQ"
ASKING = (
    SHOP.replace(
        "from lichen import Agent, tool", "from typing import Annotated\n\n    from lichen import Agent, Secret, tool"
    )
    .replace(
        "async def lookup(order_id: str) -> dict[str, str]:",
        'async def lookup(order_id: str, *, key: Annotated[Secret, "shop.key"]) -> dict[str, str]:',
    )
    .replace('"status": "on its way"}', '"status": f"on its way by {len(key.reveal())}"}')
)
PERMIT = """
    @id("hand") permit (principal is Agent, action == Action::"secret.use", resource == Secret::"shop.key")
    when { context.tool == "orders.lookup" };
"""


def project(folder: Path, **files: str) -> Project:
    return Project(folder, {"shop.py": ASKING, "policies/shop.cedar": POLICIES + PERMIT, **files})


def as_ops(project: Project, *words: str, text: str = "") -> tuple[int, str]:
    done = project.run("secrets", *words, "--tenant", "acme", "--as", "ops", text=text)
    assert VALUE not in done.out + done.err
    return done.code, done.out + done.err


def asked(project: Project) -> str:
    done = project.run("chat", "--tenant", "acme", "--as", "customer-7", text="where is 1042\n")
    return done.out + done.err


def failing(project: Project) -> dict[str, dict[str, str]]:
    """What doctor finds that is not well, by code."""
    found = [finding for finding in project.run("doctor", "--json").data if finding["state"] != "ok"]
    return {finding["what"].rpartition("(")[2].rstrip(")"): finding for finding in found}


@pytest.mark.req("SYM-95.16")
def test_a_secret_is_set_from_standard_input_and_its_tool_is_handed_it(tmp_path: Path) -> None:
    shop = project(tmp_path)
    code, out = as_ops(shop, "set", "shop.key", text=f"{VALUE}\n")
    assert code == 0, out
    assert "shop.key is set: version 1-" in out
    assert f"on its way by {len(VALUE)}" in asked(shop)
    code, out = as_ops(shop, "rotate", "shop.key", text="another")
    assert "shop.key is replaced: version 2-" in out
    assert "on its way by 7" in asked(shop)
    code, out = as_ops(shop, "list")
    assert "orders.lookup" in out
    assert as_ops(shop, "remove", "shop.key") == (0, "shop.key is removed.\n")
    found = b"".join(path.read_bytes() for path in shop.home.rglob("*") if path.is_file())
    assert VALUE.encode() not in found


@pytest.mark.req("SYM-95.16")
@pytest.mark.parametrize(
    ("words", "text", "code", "told"),
    [
        (("set", "shop.key"), "", 2, "secret_size"),
        (("set", "shop.key"), "x" * 70_000, 2, "secret_size"),
        (("set", "shop.kye"), VALUE, 4, "shop.key"),
        (("set", "../key"), VALUE, 2, "secret_name_invalid"),
        (("rotate", "shop.key"), VALUE, 4, "secret_unknown"),
        (("remove", "shop.key"), "", 4, "secret_unknown"),
        (("set", "shop.key", VALUE), "", 2, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_so(tmp_path: Path, words: tuple[str, ...], text: str, code: int, told: str) -> None:
    done = project(tmp_path).run("secrets", *words, "--tenant", "acme", "--as", "ops", text=text)
    assert (done.code, told in done.err) == (code, True), done.err


@pytest.mark.req("SYM-95.16")
def test_a_customer_may_not(tmp_path: Path) -> None:
    done = project(tmp_path).run("secrets", "list", "--tenant", "acme", "--as", "customer-7")
    assert (done.code, "role_missing" in done.err) == (5, True)


@pytest.mark.req("SYM-95.17")
def test_doctor_names_a_secret_that_is_nowhere_and_one_that_no_policy_hands_out(tmp_path: Path) -> None:
    shop = project(tmp_path, **{"policies/shop.cedar": POLICIES})
    found = failing(shop)
    assert set(found) == {"secret_missing", "secret_unpermitted"}
    assert f"{tmp_path}/shop.py:8: orders.lookup needs the secret shop.key" in found["secret_missing"]["what"]
    assert found["secret_missing"]["mend"] == "lichen secrets set shop.key --tenant acme --env dev"
    unpermitted = found["secret_unpermitted"]
    assert f"{tmp_path}/shop.py:8: No policy of acme lets shop.support use shop.key" in unpermitted["what"]
    shop.write(**{"policies/more.cedar": f'@id("it")\n{unpermitted["mend"]}'})
    as_ops(shop, "set", "shop.key", text=VALUE)
    assert failing(shop) == {}


@pytest.mark.req("SYM-95.17")
def test_doctor_looks_where_the_settings_say(tmp_path: Path) -> None:
    settings = SETTINGS + '\n    [tenants.acme.secrets]\n    source = "env:ACME_"\n'
    shop = project(tmp_path, **{"lichen.toml": settings})
    assert "secret_missing" in shop.run("doctor").out
    assert "secret_missing" not in shop.run("doctor", ACME_SHOP_KEY=VALUE).out
    assert (
        "on its way by 19"
        in shop.run("chat", "--tenant", "acme", "--as", "customer-7", text="where is 1042\n", ACME_SHOP_KEY=VALUE).out
    )


CASE = """
    tenant = "acme"

    [[case]]
    name = "the look-up is handed its key"
    agent = "shop.support"
    tool = "orders.lookup"
    secret = "shop.key"
    for = "customer-7"
    expect = "allow"
    policies = ["hand"]
"""


@pytest.mark.req("SYM-95.19")
def test_policy_says_whether_a_tool_may_be_handed_a_secret_and_why(tmp_path: Path) -> None:
    shop = project(tmp_path, **{"policies/keys.cases.toml": CASE})
    assert shop.run("policy", "test").code == 0
    why = ("policy", "why", "shop.support", "orders.lookup", "--secret", "shop.key")
    assert shop.run(*why).out.startswith("allow by hand.")
    shop.write(**{"policies/shop.cedar": (POLICIES + PERMIT).replace('orders.lookup" }', 'orders.find" }')})
    denied = shop.run(*why).out
    assert denied.startswith("deny")
    assert 'lacks  context.tool == "orders.find"' in denied
    assert shop.run("policy", "test").code == 1
    assert shop.run(*why[:-1], "other.key").code == 4


@pytest.mark.req("GOA-62.41")
def test_the_doctor_and_a_simulation_say_whether_a_models_key_may_be_used(tmp_path: Path) -> None:
    model, asks = "anthropic:claude-haiku-4-5", 'permit (principal, action == Action::"model.invoke", resource);'
    planner = f"""
    from lichen import Agent
    from lichen.agents import LLMPlanner

    support = Agent("shop.support", planner=LLMPlanner("{model}"))
    """
    settings = SETTINGS + '\n    [models.anthropic]\n    key = "secret:model.key"\n'
    shop = Project(tmp_path, {"lichen.toml": settings, "shop.py": planner, "policies/shop.cedar": asks})
    unpermitted = failing(shop)["secret_unpermitted"]
    assert f"No policy of acme lets shop.support use model.key, the key of {model}" in unpermitted["what"]
    why = ("policy", "why", "shop.support", "--model", model, "--secret", "model.key", "--for", "customer-7")
    assert shop.run(*why).out.startswith("deny")
    assert unpermitted["state"] == "problem", "it is the agent's only model"
    shop.write(**{"policies/none.cedar": '@id("closed") forbid (principal, action == Action::"secret.use", resource);'})
    forbidden = failing(shop)["secret_forbidden"]
    assert forbidden["state"] == "problem"
    assert f"Policy closed of acme forbids shop.support to use model.key, the key of {model}" in forbidden["what"]
    assert forbidden["mend"].startswith("Take closed (none.cedar:1:1) out")
    shop.write(**{"policies/none.cedar": ""})
    only = unpermitted["mend"].removesuffix(";") + f' when {{ context.tool == "{model}" }};'
    shop.write(**{"policies/more.cedar": f'@id("key")\n{only}'})
    assert "secret_unpermitted" not in failing(shop)
    assert shop.run(*why).out.startswith("allow by key")
    assert shop.run(*why[:4], "anthropic:claude-opus-4-1", *why[5:]).out.startswith("deny")


@pytest.mark.req("SYM-95.20")
def test_secret_is_taken_for_secrets(tmp_path: Path) -> None:
    shop = project(tmp_path)
    done = shop.run("secret", "set", "shop.key", "--tenant", "acme", "--as", "ops", text=VALUE)
    assert done.code == 0, done.err
    assert "shop.key" in shop.run("secrets", "list", "--tenant", "acme", "--as", "ops").out
