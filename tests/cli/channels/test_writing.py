"""A table is put into a person's file, changed and taken out, and nothing else of the file is touched."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lichen.cli.channels.writing import replace, with_table, with_values, without_table
from lichen.core.words.errors import Conflict, Invalid, LichenError, Unavailable

STEPS = ("tenants", "acme", "slack")
ODD = '''
# first
[tenants.acme]
title = """
[tenants.acme.slack]
not a table"""

[lichen]  # between
agents = ["a.toml"]

[ tenants . acme . "slack" ] # of the people
token = "secret:x"   # kept
# of the team
team = "one"

[tenants.acme.slack.data]
by = "/who"

# the end
[tenants.acme.webchat]
'''


def said(text: str) -> Any:
    return tomllib.loads(text)["tenants"]["acme"]


@pytest.mark.req("GRE-64.5")
@pytest.mark.parametrize("after", ["", "\n# of the house\n[lichen]\nagents = []\n", "\n[tenants.acmes]\n"])
@pytest.mark.parametrize("before", ["[tenants.acme]\n", "[tenants.acme]\n\n# routes\n[[tenants.acme.routes]]\na = 1\n"])
def test_a_new_table_stands_after_the_others_of_its_tenant(before: str, after: str) -> None:
    table = {"kind": "slack", "n": 5, "on": True, "many": ["a", 'b"\n'], "data": {"by": "/who", "é": "/x"}}
    found = with_table(before + after, STEPS, table)
    assert found.startswith(f"{before}\n[tenants.acme.slack]\n")
    assert found.endswith(after)
    assert said(found)["slack"] == table
    assert said(with_table("[tenants.acme]", STEPS, table))["slack"] == table


@pytest.mark.req("GRE-64.5")
def test_values_change_within_their_table_and_remarks_stay() -> None:
    after = with_values(ODD, STEPS, {"token": "secret:y", "team": "one", "data": {"by": "/who"}, "more": ["a"]})
    assert said(after)["slack"] == {"token": "secret:y", "team": "one", "data": {"by": "/who"}, "more": ["a"]}
    for line in ODD.splitlines():
        assert "token" in line or line in after.splitlines()
    assert "# kept" in after


@pytest.mark.req("GRE-64.5")
def test_a_table_goes_with_those_in_it_and_what_follows_stays() -> None:
    after = without_table(ODD.replace("[tenants.acme.slack]\nnot", "not"), STEPS)
    assert after.endswith('agents = ["a.toml"]\n\n# the end\n[tenants.acme.webchat]\n')
    assert after.startswith("\n# first\n")


@pytest.mark.req("GRE-64.5")
@pytest.mark.parametrize(
    "text",
    ["tenants = {acme = {slack = {a = 1}}}\n", "[tenants.acme.slack]\na = 1\n", "[tenants]\nacme.slack.a = 1\n", ODD],
)
def test_what_no_program_can_take_out_is_left_to_an_editor(text: str) -> None:
    with pytest.raises(Invalid) as found:
        without_table(text, STEPS)
    assert found.value.code == "file_by_hand"
    assert "[tenants.acme.slack]" in found.value.next_step


@pytest.mark.req("GRE-64.5")
def test_an_inline_tenant_gets_no_table_by_a_program() -> None:
    with pytest.raises(Invalid) as found:
        with_table('[tenants]\nacme = {agent = "a"}\n', STEPS, {"a": 1})
    assert found.value.code == "file_by_hand"


def no_mistakes(path: Path) -> Sequence[LichenError]:
    return ()


@pytest.mark.req("GRE-64.5")
def test_a_file_that_somebody_changed_meanwhile_or_that_would_be_wrong_stays(tmp_path: Path) -> None:
    file = tmp_path / "lichen.toml"
    file.write_text("a = 1\n")

    def changing(path: Path) -> Sequence[LichenError]:
        file.write_text("a = 2\n")
        return ()

    with pytest.raises(Conflict):
        replace(file, lambda text: f"{text}b = 1\n", changing)
    assert file.read_text() == "a = 2\n"

    def wrong(path: Path) -> Sequence[LichenError]:
        return (Invalid("b is wrong.", place=f"{path}:2"),) if path != file else ()

    with pytest.raises(Invalid) as found:
        replace(file, lambda text: f"{text}b = 1\n", wrong)
    assert found.value.place == f"{file}:2"
    assert [each.name for each in tmp_path.iterdir()] == ["lichen.toml"]
    with pytest.raises(Unavailable):
        replace(tmp_path / "gone.toml", lambda text: text, no_mistakes)


@pytest.mark.req("GRE-64.5")
def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "lichen.toml"
    real.write_text("a = 1\n")
    link.symlink_to(real)
    assert replace(link, lambda text: f"{text}b = 1\n", no_mistakes)
    assert link.is_symlink()
    assert real.read_text() == "a = 1\nb = 1\n"
    assert not replace(link, lambda text: text, no_mistakes)
