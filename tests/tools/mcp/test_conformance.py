"""The official conformance suite, as it is published, against our client."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.published import NODE, installed

VERSION = "0.1.16"
ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, str(Path(__file__).with_name("conformant.py"))]
RUN_S = 120
SCENARIOS = (
    "initialize",
    "tools_call",
    "sse-retry",
    "elicitation-sep1034-client-defaults",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
    "auth/2025-03-26-oauth-endpoint-fallback",
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/client-credentials-basic",
)
REFUSING = ("auth/resource-mismatch",)  # there our client ends with an error, as it should
LEFT_OUT = {
    "auth/basic-cimd": "a client that is named by the address of a document needs a public address to lie at",
    "auth/scope-step-up": "nobody is asked to sign in in the midst of a call: `scopes` are named in lichen.toml",
    "auth/scope-retry-limit": "the same",
    "auth/2025-03-26-oauth-metadata-backcompat": "the metadata names another issuer than the address they lie at",
    "auth/client-credentials-jwt": "we sign in as ourselves with a secret alone",
    "auth/cross-app-access-complete-flow": "we take part in no identity provider of an enterprise",
}
"""Scenarios that are not held, each with the reason."""


@pytest.fixture(scope="module")
def suite() -> Path:
    folder = installed(f"mcp-conformance-{VERSION}", f"@modelcontextprotocol/conformance@{VERSION}")
    return folder / "node_modules/@modelcontextprotocol/conformance/dist/index.js"


def test_every_scenario_for_clients_is_held_or_left_out_for_a_reason(suite: Path) -> None:
    listed = subprocess.run([NODE, suite, "list"], capture_output=True, text=True, check=True, timeout=RUN_S).stdout
    clients = listed.partition("Client scenarios")[2]
    names = [line.split()[1] for line in clients.splitlines() if line.strip().startswith("- ")]
    assert set(names) == {*SCENARIOS, *LEFT_OUT}


@pytest.mark.req("SYM-57.3")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_official_suite_passes(suite: Path, tmp_path: Path, scenario: str) -> None:
    command = [NODE, suite, "client", "--command", shlex.join(PROGRAM), "--scenario", scenario, "-o", tmp_path]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S, env=environ)
    said = done.stdout + done.stderr
    assert "OVERALL: PASSED" in said, said
    assert ("CLIENT EXITED WITH ERROR" in said) <= (scenario in REFUSING)
    checks = json.loads(next(tmp_path.rglob("checks.json")).read_text())
    assert "SUCCESS" in {check["status"] for check in checks}
    assert {check["status"] for check in checks} <= {"SUCCESS", "INFO"}
