"""Documents at public https addresses: no redirect, no private address, no more than is allowed, and not for long."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from lichen.core.words.errors import Unavailable
from lichen.runtime.servers import https
from lichen.runtime.servers.https import Https, public_addresses
from lichen.tools.pins.keys import new_key

HOST = "vendor.example"


class Site(BaseHTTPRequestHandler):
    """A page, a redirect, and one that never ends."""

    released = threading.Event()

    def do_GET(self) -> None:
        match self.path:
            case "/page?x=1":
                self._say(200, b"hello")
            case "/elsewhere":
                self.send_response(302)
                self.send_header("Location", f"https://{HOST}/page?x=1")
                self.end_headers()
            case "/slow":
                self.send_response(200)
                self.end_headers()
                self.released.wait(20)
            case _:
                self._say(404, b"")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so the server calls it
        """Says nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def site(certificate: Path) -> Iterator[Https]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    trusted = ssl.create_default_context(cafile=str(certificate))
    yield Https(lambda host: ["127.0.0.1"], context=trusted, port=server.server_port, whole_s=2.0)
    Site.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.req("SYM-62.5")
async def test_a_page_is_got_and_nothing_that_is_larger_elsewhere_missing_or_slow(site: Https) -> None:
    assert await site(f"https://{HOST}/page?x=1", bytes_max=5) == b"hello"
    for path, size, told in (
        ("/page?x=1", 4, "more than 4 bytes"),
        ("/elsewhere", 99, "status 302"),
        ("/nothing", 99, "status 404"),
        ("/slow", 99, "too long"),
    ):
        with pytest.raises(Unavailable, match=told) as failed:
            await site(f"https://{HOST}{path}", bytes_max=size)
        assert failed.value.code == "fetch_failed"


@pytest.mark.req("SYM-62.5")
async def test_a_certificate_of_another_host_or_of_nobody_is_not_believed(site: Https) -> None:
    with pytest.raises(Unavailable, match="SSLCertVerificationError"):
        await site("https://other.example/page?x=1", bytes_max=99)


@pytest.mark.req("SYM-62.5")
@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/x",
        "ftp://vendor.example/x",
        "https:///x",
        "https://user@vendor.example/x",
        "https://vendor.example:8443/x",
        "https://vendor.example:no/x",
        "https://vendor.example/ü",
        "https://[::1",
    ],
)
async def test_an_address_is_a_plain_one_over_https(site: Https, url: str) -> None:
    with pytest.raises(Unavailable, match="no plain https address"):
        await site(url, bytes_max=99)


def resolving(monkeypatch: pytest.MonkeyPatch, addresses: Sequence[str]) -> None:
    """A name leads to these."""

    def found(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(0, 0, 0, "", (each, 443)) for each in addresses]

    monkeypatch.setattr(https.socket, "getaddrinfo", found)


@pytest.mark.req("SYM-62.5")
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["192.168.1.1"], ["100.64.0.1"], ["0.0.0.0"], ["224.0.0.1"],
        ["::1"], ["fe80::1%eth0"], ["fd00::1"], ["::ffff:10.0.0.1"], ["2002:a00:1::"], ["8.8.8.8", "10.0.0.1"], [],
    ],
)  # fmt: skip
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(
    addresses: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, addresses)
    with pytest.raises(Unavailable, match="address_private"):
        public_addresses(HOST)


def test_a_name_that_leads_to_public_addresses_has_those(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["8.8.8.8"])
    assert public_addresses(HOST) == ["8.8.8.8"]
    assert ipaddress.ip_address("8.8.8.8").is_global

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(https.socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable, match="fetch_failed"):
        public_addresses(HOST)
