"""`lichen list`: what there is to name, for whoever was told that a name is unknown."""

from __future__ import annotations

import json

import pytest

from tests.cli.shop import Shop


@pytest.mark.req("DOC-3.2")
@pytest.mark.parametrize(
    ("what", "name"), [("agents", "shop.support"), ("tools", "payments.refund"), ("tenants", "acme")]
)
def test_what_a_project_declares_is_listed_without_a_runtime(shop: Shop, what: str, name: str) -> None:
    plain = shop.run("list", what)
    assert plain.code == 0, plain.err
    assert name in plain.out
    found = {each["name"]: each for each in shop.run("list", what, "--json").data}
    assert name in found
    assert not (shop.home / "logs").exists()


@pytest.mark.req("DOC-3.2")
def test_a_tool_is_listed_with_what_repeating_it_would_do_and_who_may_call_it(shop: Shop) -> None:
    found = {each["name"]: each for each in shop.run("list", "tools", "--json").data}
    assert found["payments.refund"]["effects"] == "once"
    assert "shop.support" in found["payments.refund"]["of"]


@pytest.mark.req("DOC-3.2")
def test_the_sessions_of_a_tenant_are_listed_under_pseudonyms(hosted: Shop) -> None:
    (session,) = hosted.run("list", "sessions", "--tenant", "acme", "--json").data
    shown = hosted.run("list", "sessions", "--tenant", "acme").out
    assert session["id"] in shown
    assert session["customer"] in shown
    assert "customer-7" not in shown


@pytest.mark.req("DOC-3.3")
@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (("runs", "list", "--tenant", "nosuch"), "lichen list tenants"),
        (("runs", "list", "--tenant", "acme", "--env", "prod"), "lichen list tenants"),
        (("chat", "--tenant", "acme", "--as", "customer-7", "--agent", "shop.nobody"), "lichen list agents"),
        (("runs", "show", "run-1", "--tenant", "acme"), "lichen runs list"),
        (("approvals", "show", "run-1.w1", "--tenant", "acme"), "lichen approvals list"),
        (("chat", "--tenant", "acme", "--as", "nobody"), "`actors` of [tenants.acme]"),
    ],
)
def test_who_names_what_is_not_there_is_told_where_to_look(hosted: Shop, arguments: tuple[str, ...], step: str) -> None:
    ended = hosted.run(*arguments)
    assert ended.code == 4
    assert step in ended.err


@pytest.mark.req("GOA-4.4")
def test_the_contract_of_every_tool_is_printed_as_one_file(shop: Shop) -> None:
    first, second = shop.run("list", "tools", "--schemas"), shop.run("list", "tools", "--schemas")
    assert first.code == 0, first.err
    assert first.out == second.out
    document = json.loads(first.out)
    named = {each["name"] for each in shop.run("list", "tools", "--json").data}
    assert set(document["tools"]) == named
    assert document["tools"]["payments.refund"]["input_schema"]["required"] == ["order_id", "amount"]
