"""Where and who: names that may be part of a path or a key, and nobody without a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import Invalid
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Scope, Service, TenantCtx


@pytest.mark.parametrize("name", ["a", "acme", "acme-2", "0", "x" * 63])
def test_a_scope_takes_lower_case_letters_digits_and_hyphens(name: str) -> None:
    assert Scope(name, name, name).log_id() == f"{name}/{name}/0"


@pytest.mark.parametrize("name", ["", "-a", "Acme", "a/b", "a.b", "a b", "ä", "x" * 64, "a\n", "../a", "a\x00"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_scope_refuses_every_other_spelling(name: str, place: int) -> None:
    names = ["acme", "dev"]
    names[place] = name
    with pytest.raises(Invalid) as error:
        Scope(*names)
    assert error.value.code == "scope_invalid"
    if name:
        with pytest.raises(Invalid):
            Scope("acme", "dev", name)


@given(st.text())
def test_no_text_makes_a_scope_that_leaves_its_place_in_a_path(name: str) -> None:
    try:
        scope = Scope(name, "dev")
    except Invalid:
        return
    assert scope.log_id(3).split("/") == [name, "dev", "3"]


def test_a_team_is_optional_and_does_not_change_the_log() -> None:
    assert Scope("acme", "dev").log_id() == Scope("acme", "dev", "blue").log_id()
    assert Scope("acme", "dev") != Scope("acme", "dev", "blue")


@pytest.mark.parametrize("id", ["", "x" * 129, "a\nb", "a\x00", "\x7f"])
def test_an_actor_needs_a_printable_id(id: str) -> None:
    with pytest.raises(Invalid) as error:
        Customer(id)
    assert error.value.code == "actor_invalid"


def test_actors_are_made_by_the_noun() -> None:
    assert Customer("Ann Ö.") == Actor("customer", "Ann Ö.")
    assert Operator("bob", ("supervisor",)).roles == ("supervisor",)
    assert Service("crm").kind == "service"
    assert (SYSTEM.kind, SYSTEM.auth) == ("system", "system")


def test_the_subject_is_whom_it_is_about_in_the_end() -> None:
    agent = Actor("agent", "support", on_behalf_of=Actor("agent", "router", on_behalf_of=Customer("ann")))
    assert agent.subject == Customer("ann")
    assert Customer("ann").subject == Customer("ann")


def test_the_documented_name_holds_both() -> None:
    scope, actor = TenantCtx(Scope("acme", "dev"), Customer("ann"))
    assert (scope.tenant, actor.id) == ("acme", "ann")
