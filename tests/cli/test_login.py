"""`lichen tools login`: somebody signs in at a server, and from then on the tenant's agents have its tools."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.cli.projects import SETTINGS, Project
from tests.cli.shop import LICHEN
from tests.served import free_port
from tests.tools.mcp.test_http import wait_for

LIBRARY = Path(__file__).parents[1] / "tools/mcp/oauth/library.py"
WHO = ("--tenant", "acme", "--as", "ops")


@pytest.fixture
def url() -> Generator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(LIBRARY), str(port), "3600"], stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(10)


def signed_in(project: Project) -> str:
    """What the command says, once somebody opened the address that it shows."""
    command = [*LICHEN, "tools", "login", "library", *WHO]
    with subprocess.Popen(
        command, cwd=project.root, env=project.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as login:
        assert login.stdout is not None
        assert login.stderr is not None
        address = next(line for line in login.stderr if line.startswith("http")).strip()
        assert "signed in" in httpx.get(address, follow_redirects=True, timeout=20).text
        said, wrong = login.communicate(timeout=60)
    assert login.returncode == 0, wrong
    return said


@pytest.mark.req("SYM-57.4")
def test_a_tenant_has_the_tools_of_a_server_once_somebody_signed_in(tmp_path: Path, url: str) -> None:
    server = f'    [[mcp]]\n    name = "library"\n    url = "{url}"\n    oauth = {{}}\n'
    project = Project(tmp_path, {"lichen.toml": f"{SETTINGS}\n{server}"})
    assert project.run("tools", "look", "library", *WHO, "--json").error == "sign_in_needed"
    assert "Signed in at library" in signed_in(project)
    looked = project.run("tools", "look", "library", *WHO)
    assert looked.out == "library.find is on.\n"
    assert "Signed in at library" in signed_in(project)  # and again, in the place of the first
    kept = b"".join(path.read_bytes() for path in project.home.rglob("*") if path.is_file())
    assert b"access_token" not in kept
    assert project.run("tools", "login", "nothing", *WHO, "--json").error == "server_unknown"


@pytest.mark.req("SYM-57.6")
def test_a_person_signs_in_for_themselves_alone(tmp_path: Path, url: str) -> None:
    server = f'    [[mcp]]\n    name = "library"\n    url = "{url}"\n    oauth = {{}}\n    tokens = "person"\n'
    project = Project(tmp_path, {"lichen.toml": f"{SETTINGS}\n{server}"})
    assert "Signed in at library" in signed_in(project)
    assert project.run("tools", "look", "library", *WHO).out == "library.find is on.\n"
    listed = {secret["name"] for secret in project.run("secrets", "list", *WHO, "--json").data}
    assert "mcp.library.token" not in listed
    assert any(name.startswith("mcp.library.token/operator_") for name in listed)
