"""Guests ask a real server over HTTPS, as far as they were granted: what it says is theirs, and nothing else is."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from lichen.core.components.capabilities import Capabilities
from lichen.core.components.limits import CallLimits
from lichen.tools.egress.reach import Reach
from lichen.tools.pins.keys import new_key
from lichen.tools.wasm.imports.answers import ANSWERS
from lichen.tools.wasm.imports.host import Granted, HostCall
from lichen.tools.wasm.port import Services, Trapped
from lichen.tools.wasm.running.program import Program, compiled
from lichen.tools.wasm.running.watch import Watch
from lichen.tools.wasm.values.canonical import Ok
from tests.tools.wasm.guests import ERROR, binary, forwarding
from tests.tools.wasm.test_imports import REQUEST, RESPONSE, SCOPE, err

OPTIONS = (
    '(record (field "timeout-ms" (option u32)) (field "allow-insecure" (option bool))'
    ' (field "follow-redirects" (option bool)))'
)
TYPES = {"host-error": ERROR, "request": REQUEST, "response": RESPONSE}
RESULT = "(result (result $response (error $host-error)))"
PLAIN = forwarding("greentic:http/http-client@1.0.0", TYPES, {"send": ('(param "req" $request)', RESULT, 9)})
NEWER = forwarding(
    "greentic:http/http-client@1.1.0",
    {**TYPES, "request-options": OPTIONS},
    {"send": ('(param "req" $request) (param "opts" (option $request-options))', RESULT, 16)},
)
OLDER = PLAIN.replace("greentic:http/http-client@1.0.0", "greentic:http/client@1.0.0")
LARGE = 3 * 1024 * 1024


class Site(BaseHTTPRequestHandler):
    """Says what it was asked, leads elsewhere, says too much, or never comes to an end."""

    protocol_version = "HTTP/1.1"
    released = threading.Event()
    asked: ClassVar[list[tuple[str, str]]] = []
    is_slow = threading.Event()

    def do_POST(self) -> None:
        self.asked.append((self.command, self.path))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match self.path:
            case "/echo":
                self._say(201, body, **{"X-Seen": f"{self.command} {self.headers.get('X-Mine', '')}"})
            case "/away":
                self._say(302, b"", Location="https://127.0.0.1:1/private")
            case "/large":
                self._say(200, bytes(LARGE))
            case "/packed":
                self._say(200, b"x", **{"Content-Encoding": "gzip"})
            case "/slow":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"x")
                self.wfile.flush()
                self.is_slow.set()
                self.released.wait(20)
            case "/gone":
                self.close_connection = True
                self.connection.shutdown(2)
            case _:
                self._say(404, b"")

    do_GET = do_POST  # noqa: N815 - so the server calls it

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so the server calls it
        """Says nothing."""


def certificate(path: Path) -> Path:
    """A certificate of localhost, with its key, that vouches for itself."""
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pkcs8 = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


class Server:
    """The site on loopback, and whose certificates count for it."""

    def __init__(self, folder: Path) -> None:
        pem = certificate(folder / "site.pem")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"localhost:{self._server.server_address[1]}"
        self.trusted = ssl.create_default_context(cafile=pem)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"https://{self.host}{path}"

    def close(self) -> None:
        Site.released.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    held = Server(tmp_path_factory.mktemp("tls"))
    yield held
    held.close()


class Asking:
    """Guests that ask the server, with what it grants."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reach = Reach(trusted=server.trusted)
        self.last: HostCall | None = None

    async def __call__(
        self,
        path: str,
        method: str = "GET",
        *,
        text: str = NEWER,
        hosts: tuple[str, ...] = (),
        private: bool = True,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        options: dict[str, Any] | None = None,
        timeout_s: float = 10.0,
    ) -> Any:
        may = Capabilities(http=True, hosts=hosts or (self.server.host,))
        self.last = call = HostCall(
            Granted(may, "component.x", private),
            Services(reach=self.reach),
            scope=SCOPE,
            loop=asyncio.get_running_loop(),
            timeout_s=timeout_s,
        )
        call.watch = Watch(CallLimits(value_mib=4, memory_mib=32), call)
        instance = Program(compiled(binary(text)), ANSWERS).instance(call.watch.limits, call.watch)
        url = path if "://" in path else self.server.url(path)
        asked = {"method": method, "url": url, "headers": list(headers), "body": body}
        return await asyncio.to_thread(instance.call, "", "send", asked, *([options] if text is NEWER else []))


@pytest.fixture
async def ask(server: Server) -> AsyncGenerator[Asking]:
    Site.asked.clear()
    asking = Asking(server)
    yield asking
    await asking.reach.close()


@pytest.mark.req("GRE-46.17")
@pytest.mark.parametrize("text", [PLAIN, NEWER, OLDER])
async def test_a_guest_asks_a_server_and_reads_its_status_headers_and_body(ask: Asking, text: str) -> None:
    said = await ask("/echo", "POST", text=text, headers=(("X-Mine", "yes"),), body=b"\x00 what was sent")
    assert isinstance(said, Ok)
    told: Any = said.value
    assert (told["status"], told["body"]) == (201, b"\x00 what was sent")
    assert dict(told["headers"])["x-seen"] == "POST yes"
    assert ask.last is not None
    assert ask.last.has_acted


@pytest.mark.req("GRE-46.17")
async def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(ask: Asking) -> None:
    ask.reach = Reach()
    insecure = {"timeout-ms": None, "allow-insecure": True, "follow-redirects": True}
    assert err(await ask("/echo", options=insecure)) == "unavailable"
    assert Site.asked == []


@pytest.mark.req("GRE-46.18")
async def test_a_redirect_is_an_answer_that_nobody_follows(ask: Asking) -> None:
    follow = {"timeout-ms": None, "allow-insecure": None, "follow-redirects": True}
    said = await ask("/away", options=follow)
    assert isinstance(said, Ok)
    told: Any = said.value
    assert (told["status"], dict(told["headers"])["location"][:18]) == (302, "https://127.0.0.1:")
    assert Site.asked == [("GET", "/away")]
    assert err(await ask(dict(told["headers"])["location"])) == "denied"


@pytest.mark.req("GRE-46.18")
async def test_without_a_word_about_private_hosts_our_own_network_is_not_asked(ask: Asking) -> None:
    assert err(await ask("/echo", private=False)) == "denied"
    assert err(await ask("/echo", hosts=("elsewhere.example.com",))) == "denied"
    assert err(await ask("/echo", headers=(("X", "a\r\nHost: b"),))) == "invalid"
    assert err(await ask("/echo", headers=(("Host", "b"),))) == "invalid"
    assert Site.asked == []


@pytest.mark.req("GRE-46.18")
async def test_the_address_that_was_looked_at_is_the_one_that_is_asked_whatever_the_name_leads_to_then(
    ask: Asking,
) -> None:
    addresses = [("93.184.216.34",), ("127.0.0.1",)]
    seen: list[tuple[str, str, Any]] = []

    async def resolve(name: str, port: int) -> tuple[str, ...]:
        return addresses.pop(0)

    async def body() -> AsyncGenerator[bytes]:
        yield b"public"

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.url.host, request.headers["Host"], request.extensions["sni_hostname"]))
        return httpx2.Response(200, content=body())

    ask.reach = Reach(resolve)
    ask.reach._clients["vendor.example"] = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))  # pyright: ignore[reportPrivateUsage]
    url = "https://vendor.example/x"
    assert isinstance(await ask(url, hosts=("vendor.example",), private=False), Ok)
    assert err(await ask(url, hosts=("vendor.example",), private=False)) == "denied"
    assert seen == [("93.184.216.34", "vendor.example", "vendor.example")]


@pytest.mark.req("GRE-46.19")
async def test_a_body_that_is_too_large_packed_or_breaks_off_is_an_error(ask: Asking) -> None:
    for path in ("/large", "/packed", "/gone"):
        assert err(await ask(path)) == "unavailable", path


@pytest.mark.req("GRE-46.19")
async def test_a_body_that_never_ends_ends_with_the_time_that_the_guest_or_its_call_has(ask: Asking) -> None:
    options = {"timeout-ms": 100, "allow-insecure": None, "follow-redirects": None}
    assert err(await ask("/slow", options=options)) == "unavailable"
    assert err(await ask("/slow", timeout_s=0.1)) == "unavailable"


@pytest.mark.req("GRE-46.19")
async def test_a_guest_whose_call_is_cancelled_waits_for_no_server(ask: Asking) -> None:
    Site.is_slow.clear()
    asked = asyncio.ensure_future(ask("/slow"))
    assert await asyncio.to_thread(Site.is_slow.wait, 5)
    assert ask.last is not None
    ask.last.cancel()
    with pytest.raises(Trapped) as stopped:
        await asyncio.wait_for(asked, 5)
    assert stopped.value.kind == "cancelled"
