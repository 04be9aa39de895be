"""What `lichen.toml` says of providers of models: where they are, and by which key they know us, never the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.words.errors import LichenError
from lichen.core.words.scope import Scope
from lichen.runtime.project.loading import examine
from lichen.settings import Settings
from lichen.settings.providers import ProviderTable
from lichen.settings.reading import read
from tests.cli.projects import Project

KEY = "sk-proj-51H8abcdefQ"
BEGIN = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]

    [tenants.globex]
"""


def settings_of(folder: Path, more: str) -> tuple[Settings | None, list[LichenError]]:
    project = Project(folder, {"lichen.toml": f"{BEGIN}\n{more}"})
    found = read(project.root / "lichen.toml", environ={})
    _, errors = examine(project.root / "lichen.toml", environ={})
    return found.settings, list(errors)


@pytest.mark.req("GOA-62.21")
def test_a_tenants_table_stands_over_that_of_all_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    settings, errors = settings_of(
        tmp_path,
        """
        [models.openai]
        key = "secret:openai.key"
        tries = 2
        options = { organization = "org-1" }

        [tenants.globex.models.openai]
        key = "env:GLOBEX_OPENAI"
        timeout_s = 30
        options = { project = "proj-1" }
        """,
    )
    assert errors == []
    assert settings is not None
    shared = ProviderTable("secret:openai.key", options={"organization": "org-1"}, tries=2)
    assert settings.provider(Scope("acme", "dev"), "openai") == shared
    assert settings.provider(Scope("globex", "dev"), "openai") == ProviderTable(
        "env:GLOBEX_OPENAI", options={"organization": "org-1", "project": "proj-1"}, tries=2, timeout_s=30
    )
    assert settings.provider(Scope("acme", "dev"), "anthropic") == ProviderTable()
    assert settings.secret_names(Scope("acme", "dev")) == ("openai.key",)  # so that it can be set
    assert settings.secret_names(Scope("globex", "dev")) == ()


@pytest.mark.req("GOA-62.22")
@pytest.mark.parametrize(
    ("more", "code", "place"),
    [
        (f'[models.openai]\nkey = "{KEY}"', "provider_key_invalid", "models.openai.key"),
        (f'[models.openai]\nkey = "env:{KEY}"', "provider_key_invalid", "models.openai.key"),
        (
            f'[tenants.acme.models.openai]\nkey = "secret:../{KEY}"',
            "provider_key_invalid",
            "tenants.acme.models.openai.key",
        ),
        (f'[models.openai]\nbase_url = "https://me:{KEY}@example.com"', "provider_url_invalid", "base_url"),
        ('[models.opnai]\nkey = "env:KEY"', "model_unknown", "models.opnai"),
        ('[models.bedrock.options]\nregoin = "eu-west-1"', "option_unknown", "models.bedrock.options.regoin"),
        ("[models.openai]\ntrys = 2", "settings_invalid", "models.openai.trys"),
        ("[tenants.acme.models.openai]\ntries = 0", "settings_invalid", "tenants.acme.models.openai.tries"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_no_key_is_repeated(
    tmp_path: Path, more: str, code: str, place: str
) -> None:
    _, errors = settings_of(tmp_path, more)
    assert [error.code for error in errors] == [code]
    assert place in (errors[0].place or "")
    assert KEY not in str(errors[0])


@pytest.mark.req("GOA-62.23")
def test_a_key_of_all_is_not_sent_to_an_address_that_a_tenant_names(tmp_path: Path) -> None:
    shared = (
        '[models.openai]\nkey = "secret:openai.key"\n[tenants.acme.models.openai]\nbase_url = "https://example.com"'
    )
    _, errors = settings_of(tmp_path / "a", shared)
    assert [error.code for error in errors] == ["provider_key_elsewhere"]
    _, errors = settings_of(tmp_path / "b", f'{shared}\nkey = "none"')
    assert errors == []
