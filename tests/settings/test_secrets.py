"""What `lichen.toml` says of secrets: where each comes from, and never what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lichen.core.ports.secrets import SEALED, Source
from lichen.core.words.errors import LichenError, NotFound
from lichen.core.words.scope import Scope
from lichen.runtime.project.loading import examine
from lichen.settings import Settings
from lichen.settings.reading import read
from tests.cli.projects import Project

VALUE = "sk_live_51H8abcdefQ"
BEGIN = """
    [lichen]
    agents = ["shop.py:support"]

    [tenants.acme]
    environments = ["dev", "prod"]
"""


def settings_of(folder: Path, more: str) -> tuple[Settings | None, list[LichenError]]:
    project = Project(folder, {"lichen.toml": f"{BEGIN}\n{more}"})
    found = read(project.root / "lichen.toml", environ={})
    _, errors = examine(project.root / "lichen.toml", environ={})
    return found.settings, list(errors)


def source(settings: Settings | None, name: str, env: str = "dev", tenant: str = "acme") -> Source:
    assert settings is not None
    return settings.secret(Scope(tenant, env), name)


@pytest.mark.req("SYM-95.11")
def test_without_a_word_secrets_are_sealed_in_the_data_directory(tmp_path: Path) -> None:
    settings, errors = settings_of(tmp_path, "")
    assert errors == []
    assert source(settings, "payments.key") == SEALED
    assert source(settings, "payments.key", tenant="nobody") == SEALED


@pytest.mark.req("SYM-95.11")
def test_each_secret_has_its_source_or_that_of_its_environment(tmp_path: Path) -> None:
    settings, errors = settings_of(
        tmp_path,
        """
        [tenants.acme.secrets]
        source = "env:ACME_"
        names = { "mail.key" = "sealed", "old.key" = "none" }

        [tenants.acme.secrets.environments.prod]
        source = "mounted:/run/secrets/acme"
        names = { "payments.key" = "env:ACME_PAYMENTS" }
        """,
    )
    assert errors == []
    assert source(settings, "payments.key") == Source("env", "ACME_")
    assert source(settings, "mail.key") == Source("sealed", "", is_exact=True)
    assert source(settings, "payments.key", "prod") == Source("env", "ACME_PAYMENTS", is_exact=True)
    assert source(settings, "mail.key", "prod") == Source("mounted", "/run/secrets/acme")
    with pytest.raises(NotFound) as caught:
        source(settings, "old.key")
    assert caught.value.code == "secret_unknown"


@pytest.mark.req("SYM-95.12")
@pytest.mark.parametrize(
    "said",
    [
        f'names = {{ "payments.key" = "{VALUE}" }}',
        f'names = {{ "payments.key" = "env:{VALUE}" }}',
        f'names = {{ "payments.key" = "sealed:{VALUE}" }}',
        f'names = {{ "payments.key" = "mounted:{VALUE}" }}',
        f'names = {{ "payments.key" = "https://user:{VALUE}@example.com" }}',
        f'names = {{ "payments.key" = "hunter:{VALUE}" }}',
        f'names = {{ "payments.key" = {{ value = "{VALUE}" }} }}',
        f'source = "{VALUE}"',
        f'"payments.key" = "{VALUE}"',
        f'payments.key = "{VALUE}"',
        f'[tenants.acme.secrets.environments.prod]\n        names = {{ "payments.key" = "{VALUE}" }}',
    ],
)
def test_a_value_in_the_file_is_refused_at_its_line_and_never_repeated(tmp_path: Path, said: str) -> None:
    _, errors = settings_of(tmp_path, f"\n        [tenants.acme.secrets]\n        {said}\n")
    assert errors
    told = " ".join(f"{error} {error.place} {error.next_step}" for error in errors)
    assert VALUE not in told
    assert f"{tmp_path}/lichen.toml:" in told


@pytest.mark.req("SYM-95.12")
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('source = "env"', "secret_source_invalid"),
        ('source = "env:acme_"', "secret_source_invalid"),
        ('source = "mounted:run/secrets"', "secret_source_invalid"),
        ('source = "mounted:/run/../secrets"', "secret_source_invalid"),
        ('source = "keeper:kv/acme"', "secret_source_unknown"),
        ('source = "vault:"', "secret_source_invalid"),
        ('source = "vault:kv/../acme"', "secret_source_invalid"),
        ('source = "vault:kv/acme?version=1"', "secret_source_invalid"),
        ('source = "vault:kv/acme@3"', "secret_source_invalid"),
        ('names = { "payments.key" = "vault:kv" }', "secret_source_invalid"),
        ('source = "aws:acme//prod"', "secret_source_invalid"),
        ('names = { "payments.key" = "aws:acme/prod/" }', "secret_source_invalid"),
        ('source = "azure:acme_prod"', "secret_source_invalid"),
        ('names = { "payments.key" = "azure:acme" }', "secret_source_invalid"),
        ('source = "gcp:acme/prod/key"', "secret_source_invalid"),
        ('names = { "payments.key" = "gcp:acme/key#" }', "secret_source_invalid"),
        ('names = { "Payments.Key" = "sealed" }', "secret_name_invalid"),
        ('[tenants.acme.secrets.environments.prd]\n        source = "sealed"', "env_unknown"),
    ],
)
def test_a_mistake_has_its_line_and_what_to_do(tmp_path: Path, said: str, code: str) -> None:
    _, errors = settings_of(tmp_path, f"\n        [tenants.acme.secrets]\n        {said}\n")
    assert [error.code for error in errors] == [code]
    assert f"{tmp_path}/lichen.toml:" in (errors[0].place or "")
    assert errors[0].next_step


@pytest.mark.req("GRE-54.2")
@pytest.mark.parametrize(
    ("acme", "globex", "is_well"),
    [
        ("env:ACME_", "env:GLOBEX_", True),
        ("env:ACME_", "env:ACME_GLOBEX_", False),
        ("env:ACME_", "env:ACME_", False),
        ("mounted:/run/secrets/acme", "mounted:/run/secrets/globex", True),
        ("mounted:/run/secrets", "mounted:/run/secrets/globex", False),
        ("mounted:/run/secrets", "mounted:/run/secrets-globex", True),
        ("sealed", "sealed", True),
        ("vault:kv/acme", "vault:kv/acme-2", True),
        ("vault:kv/acme", "vault:kv/acme/globex#key", False),
        ("vault:kv", "vault:kv/globex/", False),
        ("aws:acme/", "aws:globex", True),
        ("aws:acme", "aws:arn:aws:secretsmanager:eu-central-1:1:secret:acme/globex", False),
        ("azure:corp/acme", "azure:corp/globex", True),
        ("azure:corp/acme", "azure:corp/acme-globex", False),
        ("azure:corp", "azure:corp-2/acme", True),
        ("azure:corp", "azure:corp/acme", False),
        ("gcp:acme-dev", "gcp:globex-dev", True),
        ("gcp:acme-dev/acme", "gcp:acme-dev/acme", False),
    ],
)
def test_no_tenant_has_a_source_in_which_anothers_secrets_could_be_found(
    tmp_path: Path, acme: str, globex: str, is_well: bool
) -> None:
    tables = f"""
        [tenants.acme.secrets]
        source = "{acme}"

        [tenants.globex]

        [tenants.globex.secrets]
        source = "{globex}"
        """
    _, errors = settings_of(tmp_path, tables)
    assert {error.code for error in errors} == (set() if is_well else {"secret_source_shared"})


@pytest.mark.req("GRE-54.2")
def test_a_variable_of_one_tenant_that_begins_as_anothers_do_is_refused(tmp_path: Path) -> None:
    tables = """
        [tenants.acme.secrets]
        source = "env:ACME_"

        [tenants.globex]

        [tenants.globex.secrets.names]
        "payments.key" = "env:ACME_KEY"
        """
    _, errors = settings_of(tmp_path, tables)
    assert [error.code for error in errors] == ["secret_source_shared"]


@pytest.mark.req("SYM-95.25")
def test_stores_of_others_are_named_by_the_file(tmp_path: Path) -> None:
    said = """
        [tenants.acme.secrets]
        source = "vault:secret/acme/"
        names = { "a" = "vault:kv/app@3#token", "b" = "aws:acme/hook@AWSPREVIOUS#key", "c" = "azure:corp/hook" }

        [secrets]
        stale_s = 300

        [secrets.vault]
        url = "https://vault.example:8200"
        auth = "approle"
        """
    settings, errors = settings_of(tmp_path, said)
    assert errors == []
    assert settings is not None
    assert source(settings, "payments.key") == Source("vault", "secret/acme/")
    assert source(settings, "b") == Source("aws", "acme/hook@AWSPREVIOUS#key", is_exact=True)
    assert (settings.stores.stale_s, settings.stores.vault.auth) == (300, "approle")


@pytest.mark.req("SYM-95.25")
@pytest.mark.parametrize(
    "said",
    [
        f'token = "{VALUE}"',
        f'secret_id = "env:{VALUE}"',
        f'jwt = "{VALUE}"',
        f'token = "mounted:{VALUE}"',
    ],
)
def test_what_a_store_is_signed_in_with_is_a_reference_and_nothing_else(tmp_path: Path, said: str) -> None:
    _, errors = settings_of(tmp_path, f"\n        [secrets.vault]\n        {said}\n")
    assert len(errors) == 1
    assert VALUE not in f"{errors[0]} {errors[0].place} {errors[0].next_step}"
    assert f"{tmp_path}/lichen.toml:" in (errors[0].place or "")
