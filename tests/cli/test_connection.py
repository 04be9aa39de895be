"""The way to the runtime: what is tried again, under which key, and when it is given up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from lichen.cli.here import connection as connection_module
from lichen.cli.here.client import Client
from lichen.cli.here.connection import Connection
from lichen.cli.here.workspace import Workspace
from lichen.core.words.errors import Conflict, LichenError, NotFound, Unavailable

DIE = None


def http(status: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def error(status: int, code: str) -> bytes:
    return http(status, {"error": {"code": code, "message": "It is so.", "next_step": "Do this.", "place": None}})


def read(channel: socket.socket) -> str:
    """A whole request."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        if end and len(body) >= length:
            return data.decode()
        data += channel.recv(65536)


class Peer:
    """Somebody at the other end of the socket who answers each request as told, or dies on it."""

    def __init__(self, path: Path, answers: Sequence[bytes | None]) -> None:
        self.requests: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answers = list(answers)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            channel, _ = self._listener.accept()
            with channel:
                self.requests.append(read(channel))
                if answer is not None:
                    channel.sendall(answer)

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)

    def keys(self) -> list[str]:
        """The idempotency key of each request."""
        lines = [line for request in self.requests for line in request.splitlines()]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith("idempotency-key")]


@pytest.fixture
def peer(tmp_path: Path) -> Generator[Callable[..., tuple[Peer, Client]]]:
    peers: list[Peer] = []

    def start(*answers: bytes | None) -> tuple[Peer, Client]:
        peers.append(Peer(tmp_path / "lichen.sock", answers))
        return peers[0], Client(Connection(Workspace(tmp_path, None)), {"Lichen-Tenant": "acme"})

    yield start
    for each in peers:
        each.close()


Start = Callable[..., tuple[Peer, Client]]


def test_a_request_says_who_asks_and_gives_the_answer(peer: Start) -> None:
    other, client = peer(http(200, [1, 2]))
    assert client.get("runs", limit=3) == [1, 2]
    assert other.requests[0].startswith("GET /api/v1/runs?limit=3 HTTP/1.1")
    assert "Lichen-Tenant: acme" in other.requests[0]


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (503, Unavailable), (500, LichenError)])
def test_an_error_arrives_as_what_it_was(peer: Start, status: int, kind: type[LichenError]) -> None:
    _, client = peer(error(status, "it_is_so"))
    with pytest.raises(kind) as raised:
        client.get("runs")
    assert (raised.value.code, raised.value.next_step) == ("it_is_so", "Do this.")


@pytest.mark.req("SYM-101.10")
def test_when_the_owner_dies_the_request_goes_once_more_under_the_same_key(peer: Start) -> None:
    other, client = peer(DIE, http(200, {"id": "run-1"}))
    assert client.post("runs", {"agent": "a"}) == {"id": "run-1"}
    keys = other.keys()
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.req("SYM-101.10")
def test_when_the_owner_dies_twice_it_is_given_up(peer: Start) -> None:
    _, client = peer(DIE, DIE)
    with pytest.raises(Unavailable) as raised:
        client.post("runs")
    assert raised.value.code == "owner_died"


def test_two_requests_have_two_keys(peer: Start) -> None:
    other, client = peer(http(200, {}), http(200, {}))
    client.post("runs")
    client.post("runs")
    assert len(set(other.keys())) == 2


def test_an_owner_that_drains_is_asked_again(peer: Start) -> None:
    _, client = peer(error(503, "draining"), http(200, {"ok": True}))
    assert client.get("health") == {"ok": True}


@pytest.mark.req("SYM-101.7")
def test_a_directory_whose_owner_does_not_answer_is_given_up_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(Workspace(tmp_path, None))

    def refused() -> None:
        raise Unavailable("It is in use.", code="data_dir_in_use")

    monkeypatch.setattr(connection, "own", refused)
    monkeypatch.setattr(connection_module, "PAUSE_S", (0.0, 0.0))
    with pytest.raises(Unavailable) as raised:
        Client(connection, {}).get("health")
    assert raised.value.code == "data_dir_in_use"
