"""`[[agentpin]]` and `agentpin` of a server in `lichen.toml`: what is taken, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.settings.reading import Read, read

BASE = """
[lichen]
agents = []
[tenants.acme]
environments = ["dev", "prod"]
"""
DOOR = """
[[agentpin]]
audience = "shop.example"
tenant = "acme"
env = "dev"
[agentpin.agents."urn:agentpin:partner.example:buyer"]
capabilities = ["read:orders"]
"""
SHOWN = 'agentpin = { agent = "urn:agentpin:a.example:x", key = "k", to = "urn:agentpin:b.example:y", can = ["a:o"] }'


def said(folder: Path, text: str) -> Read:
    (folder / "lichen.toml").write_text(BASE + text)
    return read(folder / "lichen.toml", environ={})


@pytest.mark.req("SYM-66.19")
def test_doors_of_nobody_and_two_with_one_audience_are_mistakes_with_their_line(tmp_path: Path) -> None:
    assert said(tmp_path, DOOR).errors == ()
    for change, code, line in (
        ('tenant = "nobody"', "tenant_unknown", 9),
        ('tenant = "acme"\nenv = "test"', "env_unknown", 10),
        ('tenant = "acme"', "env_ambiguous", 9),
    ):
        errors = said(tmp_path, DOOR.replace('tenant = "acme"\nenv = "dev"', change)).errors
        assert [(each.code, f":{line}:" in str(each.place)) for each in errors] == [(code, True)]
    assert [each.code for each in said(tmp_path, DOOR + DOOR).errors] == ["audience_twice"]


@pytest.mark.req("SYM-66.19")
@pytest.mark.parametrize("kind", ["operator", "system", "agent"])
def test_no_agent_comes_in_as_an_operator(tmp_path: Path, kind: str) -> None:
    errors = said(tmp_path, DOOR + f'kind = "{kind}"\n').errors
    assert [each.code for each in errors] == ["settings_invalid"]


@pytest.mark.req("SYM-66.18")
def test_a_server_is_asked_by_a_credential_or_by_oauth_and_over_a_url_alone(tmp_path: Path) -> None:
    good = said(tmp_path, f'[[mcp]]\nname = "b"\nurl = "https://b.example/mcp"\n{SHOWN}\n')
    assert good.errors == ()
    assert good.settings is not None
    server = good.settings.servers(good.settings.scopes[0])["b"]
    assert server.agentpin is not None
    assert (server.agentpin.receiver, "k" in server.secrets) == ("b.example", True)
    for way in ('command = ["b"]', 'url = "https://b.example/mcp"\noauth = {}'):
        errors = said(tmp_path, f'[[mcp]]\nname = "b"\n{way}\n{SHOWN}\n').errors
        assert [each.code for each in errors] == ["settings_invalid"]
