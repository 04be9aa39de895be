"""Where AWS's own files send requests to Bedrock: as its library reads them, known before a key leaves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lichen.agents.providers.facts import PROVIDERS
from lichen.core.ports.model import Connection, ModelError
from lichen.core.words.scope import Scope
from lichen.runtime.given.connections import Reaching
from lichen.settings.providers import ProviderTable
from tests.runtime.test_connections import KEYS, KeyOf

BEDROCK = PROVIDERS["bedrock"]
ADDRESS = "https://models.corp.example:8443"
HOST = "models.corp.example:8443"
HOME = "bedrock-runtime.eu-west-1.amazonaws.com"
SERVICES = f"[services local]\nbedrock_runtime =\n  endpoint_url = {ADDRESS}\n"
CASES: Mapping[str, tuple[str, dict[str, str], dict[str, str], str]] = {
    "nothing": ("[default]\n", {}, {}, HOME),
    "the default profile": (f"[default]\nendpoint_url = {ADDRESS}\n", {}, {}, HOST),
    "a profile of the environment": (f"[profile work]\nendpoint_url = {ADDRESS}\n", {}, {"AWS_PROFILE": "work"}, HOST),
    "a profile that is named": (f"[profile work]\nendpoint_url = {ADDRESS}\n", {"profile": "work"}, {}, HOST),
    "another profile": (f"[default]\n[profile work]\nendpoint_url = {ADDRESS}\n", {}, {}, HOME),
    "a service": (f"[default]\nservices = local\n{SERVICES}", {}, {}, HOST),
    "a service before the profile": (
        f"[default]\nservices = local\nendpoint_url = https://other.example\n{SERVICES}", {}, {}, HOST,
    ),
    "another service": (
        "[default]\nservices = local\n[services local]\ns3 =\n  endpoint_url = https://x.example\n", {}, {}, HOME,
    ),
    "ignored by a variable": (
        f"[default]\nendpoint_url = {ADDRESS}\n", {}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, HOME,
    ),
    "ignored by the file": (
        f"[default]\nignore_configured_endpoint_urls = true\nendpoint_url = {ADDRESS}\n", {}, {}, HOME,
    ),
    "a variable before the file": (
        "[default]\nendpoint_url = https://other.example\n", {}, {"AWS_ENDPOINT_URL": ADDRESS}, HOST,
    ),
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    return file


def asked_by_the_library(options: Mapping[str, str]) -> str:
    """The host that AWS's own library would ask."""
    boto3: Any = import_module("boto3")
    session = boto3.Session("AKIA", "s", profile_name=options.get("profile"), region_name="eu-west-1")
    return session.client("bedrock-runtime").meta.endpoint_url.removeprefix("https://")


@pytest.mark.req("GOA-62.46")
@pytest.mark.parametrize("case", CASES)
async def test_an_address_of_awss_files_is_known_as_its_library_reads_it_and_no_secret_goes_there(
    case: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, options, variables, host = CASES[case]
    config.write_text(text)  # noqa: ASYNC240 - a few bytes
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    connection = Connection(options=options)
    assert BEDROCK.host_of(connection) == host
    assert asked_by_the_library(options) == host
    assert bool(BEDROCK.told_by(connection)) == (host == HOST)
    reaching = Reaching(
        lambda scope, name: ProviderTable("secret:model.key", options=options),
        KeyOf(KEYS),
        os.environ,
        lambda: bytes(32),
    )
    if host == HOME:
        assert (await reaching.of("bedrock", Scope("acme", "dev"))).held is not None
        return
    with pytest.raises(ModelError) as caught:
        await reaching.of("bedrock", Scope("acme", "dev"))
    assert caught.value.code == "model_key_elsewhere"
    assert "corp.example" not in str(caught.value)
