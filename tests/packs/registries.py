"""A real registry on loopback, one that gives tokens beside it, and servers that say whatever a test wants."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lichen.packs.fetching.terms import Terms
from lichen.settings.packs.registries import RegistryHost
from tests.served import free_port

NAME, PASSWORD = "ann", "open-sesame"
HTPASSWD = f"{NAME}:$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G\n"
SERVICE, ISSUER = "registry.test", "tokens.test"


@dataclass
class Store:
    """A registry that runs: its host and port, where its blobs lie, and what it was asked."""

    port: int
    root: Path
    log: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        """The requests that it answered since the last look, as `GET /v2/…`."""
        lines = self.log.read_text().splitlines()
        return [line.split('"')[1].rpartition(" ")[0] for line in lines if ' "' in line and " HTTP/1.1" in line]

    def blob(self, digest: str) -> Path:
        """The file of a blob."""
        name = digest.removeprefix("sha256:")
        return self.root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"

    def terms(self, folder: Path, **more: object) -> Terms:
        """How a process comes to it that keeps what it fetches in a folder."""
        host = more.pop("said", RegistryHost(self.host, insecure=True))
        assert isinstance(host, RegistryHost)
        return msgspec.structs.replace(Terms(folder / "cache", folder, registries=(host,)), **more)


def program() -> str:
    """Where the registry is. A machine without one fails here: `tests/registry.sh` brings it."""
    found = os.environ.get("DOCKER_REGISTRY") or shutil.which("docker-registry") or shutil.which("registry")
    assert found is not None, "There is no registry: run tests/registry.sh."
    return found


@contextmanager
def running(folder: Path, *, auth: str = "", tls: str = "") -> Generator[Store]:
    """A registry whose files lie in a folder."""
    store = Store(free_port(), folder / "blobs", folder / "registry.log")
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {store.root}}}}}\n"
        f"http: {{addr: '{store.host}'{tls}}}\n{auth}"
    )
    with store.log.open("w") as log:
        process = subprocess.Popen([program(), "serve", str(config)], stdout=log, stderr=subprocess.STDOUT)
        try:
            _until_it_answers(store, process, "https" if tls else "http")
            yield store
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _until_it_answers(store: Store, process: subprocess.Popen[bytes], scheme: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            httpx.get(f"{scheme}://{store.host}/v2/", verify=False)  # noqa: S501 - whether it is up, no more
            return
        time.sleep(0.02)
    raise AssertionError(f"The registry does not begin: {store.log.read_text()[-500:]}")


def with_passwords(folder: Path) -> str:
    """What a registry is configured with that knows one name and its password."""
    (folder / "htpasswd").write_text(HTPASSWD)
    return f"auth: {{htpasswd: {{realm: registry, path: {folder / 'htpasswd'}}}}}\n"


def with_tls(folder: Path) -> tuple[str, Path]:
    """What a registry is configured with that has a certificate, and the file of who issued it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 2, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return f", tls: {{certificate: '{folder / 'ca.pem'}', key: '{folder / 'tls.key'}'}}", folder / "ca.pem"


# -- what a test says ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    """An answer; `says` is the length it claims, where that is not what it has."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    says: int | None = None


@dataclass
class Front:
    """A server that answers as a function says, and what it was asked."""

    port: int
    asked: list[Asked]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def answering(answer: Callable[[Asked], Said]) -> Generator[Front]:
    """A server on loopback that answers so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answered(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            front.asked.append(asked := Asked(self.command, self.path, headers, body))
            said = answer(asked)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body) if said.says is None else said.says))
            self.end_headers()
            if self.command != "HEAD":
                with suppress(OSError):
                    self.wfile.write(said.body)
            self.close_connection = said.says is not None

        def do_GET(self) -> None:
            self._answered()

        def do_HEAD(self) -> None:
            self._answered()

        def do_POST(self) -> None:
            self._answered()

        def do_PUT(self) -> None:
            self._answered()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front = Front(server.server_address[1], [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- tokens ----------------------------------------------------------------------------------------------------------


class Tokens:
    """Who gives tokens for a registry, to `ann` by her password and to who shows a refresh token."""

    RENEWAL = "renewal-of-ann"

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder(name, name, self._key.public_key(), 1, now - timedelta(1), now + timedelta(1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def auth(self, realm: str) -> str:
        """What the registry is configured with."""
        said = f"realm: '{realm}', service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {self.bundle}"
        return f"auth: {{token: {{{said}}}}}\n"

    def answer(self, asked: Asked) -> Said:
        """The token service of the CNCF distribution project, and its OAuth 2 form."""
        parts = urlsplit(asked.path)
        words = parse_qs(asked.body.decode() if asked.method == "POST" else parts.query)
        basic = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        is_ann = words.get("refresh_token") == [self.RENEWAL] or asked.headers.get("authorization") == basic
        if not is_ann or words.get("service") != [SERVICE]:
            return Said(401, b"{}")
        type_, name, actions = words["scope"][0].split(":")
        return Said(200, msgspec.json.encode({"token": self.made(type_, name, actions.split(","))}))

    def made(self, type_: str, name: str, actions: list[str]) -> str:
        """A token for these actions."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": NAME, "aud": SERVICE, "exp": now + 300, "nbf": now - 5, "iat": now, "jti": "1"}
        der = base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()
        access = [{"type": type_, "name": name, "actions": actions}]
        return jwt.encode({**claims, "access": access}, self._key, "ES256", headers={"x5c": [der]})
