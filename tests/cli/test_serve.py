"""`lichen serve`: both doors open, what it prints, whom it lets in, and how it ends."""

from __future__ import annotations

import json
import resource
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from typing import Any

import httpx
import pytest

from lichen.cli.serving.serve import FILES
from tests.cli.shop import Shop


def serve(shop: Shop, *options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A process that serves on a free port, and what it said of it."""
    process = shop.start("serve", "--port", "0", "--json", *options)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def ask(url: str, path: str, key: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(f"{url}{path}", headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def environment(shop: Shop) -> dict[str, str]:
    lines = (shop.home / "demo.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.req("SYM-97.10")
def test_both_doors_are_open_at_once(shop: Shop) -> None:
    process, said = serve(shop, "--demo")
    assert ask(said["serving"], "/api/v1/runs", said["keys"]["acme"]) == (200, [])
    assert shop.chat("Where is order 1042?")
    assert len(ask(said["serving"], "/api/v1/runs", said["keys"]["acme"])[1]) == 1
    assert ask(said["serving"], "/api/v1/runs", said["keys"]["globex"]) == (200, [])
    assert shop.kill(process, signal.SIGTERM) == 0


@pytest.mark.req("SYM-98.3")
def test_the_demos_keys_are_for_their_owner_only_and_stay_the_same(shop: Shop) -> None:
    process, said = serve(shop, "--demo")
    assert stat.S_IMODE((shop.home / "demo.env").stat().st_mode) == 0o600
    assert environment(shop) == {
        "LICHEN_URL": said["serving"],
        "LICHEN_KEY_ACME": said["keys"]["acme"],
        "LICHEN_KEY_GLOBEX": said["keys"]["globex"],
    }
    revoked = said["keys"]["globex"].split("_")[1]
    assert shop.run("keys", "revoke", revoked, "--tenant", "globex").code == 0
    assert shop.kill(process, signal.SIGTERM) == 0
    process, again = serve(shop, "--demo")
    assert again["keys"]["acme"] == said["keys"]["acme"]
    assert again["keys"]["globex"] != said["keys"]["globex"]
    assert environment(shop)["LICHEN_KEY_GLOBEX"] == again["keys"]["globex"]
    assert environment(shop)["LICHEN_URL"] == again["serving"]
    assert shop.kill(process, signal.SIGINT) == 0


def test_without_demo_no_key_is_made_and_the_way_to_one_is_named(shop: Shop) -> None:
    process = shop.start("serve", "--port", "0")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    assert lines[0].startswith("serving on http://127.0.0.1:")
    assert [line.split()[0] for line in lines[1:5]] == ["console", "api", "chat", "chat"]
    assert "lichen keys create" in lines[5]
    assert not (shop.home / "demo.env").exists()
    assert shop.run("keys", "list", "--tenant", "acme", "--json").data == []
    assert shop.kill(process, signal.SIGTERM) == 0


@pytest.mark.req("SYM-97.10")
def test_a_second_one_on_the_same_data_is_refused(shop: Shop) -> None:
    process, _ = serve(shop)
    second = shop.run("serve", "--port", "0", "--json")
    assert (second.code, second.error) == (1, "data_dir_in_use")
    assert shop.kill(process, signal.SIGTERM) == 0


def test_demo_keys_that_cannot_be_kept_are_said(shop: Shop) -> None:
    (shop.home / "demo.env").mkdir(parents=True)
    ended = shop.run("serve", "--demo", "--port", "0")
    assert ended.code == 1
    assert "demo_keys_unwritable" in ended.err


@pytest.mark.req("SYM-101.16")
def test_keys_that_did_not_change_are_not_written_again(shop: Shop) -> None:
    """A full disk is no reason not to serve."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    process, said = serve(shop, "--demo", "--port", port)
    assert shop.kill(process, signal.SIGTERM) == 0
    (shop.home / "demo.new").mkdir()  # whoever writes it needs this name
    process, again = serve(shop, "--demo", "--port", port)
    assert again["keys"] == said["keys"]
    assert shop.kill(process, signal.SIGTERM) == 0


@pytest.mark.req("SYM-97.27")
@pytest.mark.parametrize(("host", "is_told"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_port_that_others_reach_is_said_to_be_plain_http_and_where_it_is(
    shop: Shop, capfd: pytest.CaptureFixture[str], host: str, is_told: bool
) -> None:
    process = shop.start("serve", "--host", host, "--port", "0")
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    assert httpx.get(f"{address}/healthz", timeout=20).status_code == 200
    assert shop.kill(process, signal.SIGTERM) == 0
    assert ("plain HTTP" in capfd.readouterr().err) is is_told


@pytest.mark.req("SYM-97.18")
def test_the_systems_usual_number_of_files_is_raised_as_far_as_it_lets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered = f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (256, {hard}))"
    raised = "from lichen.cli.serving.serve import allow_files; allow_files(); print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
    found = subprocess.run([sys.executable, "-c", f"{lowered}; {raised}"], capture_output=True, text=True, check=True)
    assert int(found.stdout) == (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard))


@pytest.mark.req("SYM-97.8")
def test_a_port_in_use_is_said_and_the_data_is_let_go(shop: Shop) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        refused = shop.run("serve", "--json", LICHEN_PORT=str(taken.getsockname()[1]))
    assert (refused.code, refused.error) == (1, "port_in_use")
    assert shop.chat("Where is order 1042?")


@pytest.mark.req("SYM-107.1")
def test_who_waits_is_sent_home_when_it_ends(shop: Shop) -> None:
    process, said = serve(shop, "--demo")
    address = said["serving"].removeprefix("http://").split(":")
    with closing(socket.create_connection((address[0], int(address[1])), timeout=20)) as poll:
        head = "GET /api/v1/log/records?after=1000000&wait_s=60 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer"
        poll.sendall(f"{head} {said['keys']['acme']}\r\n\r\n".encode())
        assert ask(said["serving"], "/readyz")[0] == 200
        assert shop.kill(process, signal.SIGTERM) == 0
        answer = b""
        while data := poll.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200")
