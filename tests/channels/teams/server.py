"""What Microsoft has for a bot, on loopback: the keys of its tokens, the sign-in, and the Bot Connector."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.channels.loopback import Loopback

APP = "2f7ad3ee-1c5b-4c0b-9a67-0e5b8a7f5d21"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
PASSWORD = "the bot's password"
ISSUER = "https://api.botframework.com"
CARD = "application/vnd.microsoft.card.adaptive"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 100


@cache
def key(name: str) -> RSAPrivateKey:
    """A key of this name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _base64(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


def public(name: str, *endorsements: str) -> dict[str, Any]:
    """A key as it is published."""
    numbers = key(name).public_key().public_numbers()
    said = {"kty": "RSA", "kid": name, "use": "sig", "n": _base64(numbers.n), "e": _base64(numbers.e)}
    return {**said, "endorsements": list(endorsements)} if endorsements else said


class Refusal(NamedTuple):
    """What the next request to the connector is answered with. 0 cuts it off, 200 lets it be."""

    status: int
    code: str = ""
    retry_after: str = ""


class Sent(NamedTuple):
    """One activity, and the conversation it was posted to."""

    to: str
    activity: dict[str, Any]


class Microsoft(Loopback):
    """What was posted, the newest last; `refusals` answer the next posts, in order; `keys` are the connector's."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Sent] = []
        self.begun: list[dict[str, Any]] = []
        self.refusals: list[Refusal] = []
        self.signed_in: list[dict[str, str]] = []
        self.seen: list[tuple[str, str | None]] = []  # paths below /v3 and files, with what they were authorized by
        self.keys = [public("k1", "msteams", "webchat")]
        self.uploaded: list[tuple[str, str, bytes, str | None]] = []
        self.keys_read = 0
        self.is_away = False

    @property
    def metadata(self) -> str:
        """Where the connector's metadata are."""
        return f"{self.url}/v1/.well-known/openidconfiguration"

    @property
    def service(self) -> str:
        """The service's address, as activities name it."""
        return f"{self.url}/emea/"

    def get(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        if path in ("/v1/.well-known/openidconfiguration", f"/{TENANT}/v2.0/.well-known/openid-configuration"):
            if self.is_away:
                _answer(request, 503, {})
                return
            self.keys_read += 1
            name = "keys" if path.startswith("/v1") else "tenant-keys"
            _answer(request, 200, {"issuer": ISSUER, "jwks_uri": f"{self.url}/v1/.well-known/{name}"})
        elif path == "/v1/.well-known/keys":
            _answer(request, 200, {"keys": self.keys})
        elif path == "/v1/.well-known/tenant-keys":
            _answer(request, 200, {"keys": [public("t1")]})
        elif path in ("/emea/v3/attachments/a1/views/original", "/files/f1"):
            self.seen.append((path, request.headers["authorization"]))
            _answer(request, 200, PICTURE)
        else:
            _answer(request, 404, {})

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        path = unquote(urlsplit(request.path).path)
        if path.endswith("/oauth2/v2.0/token"):
            self._sign_in(request, path.split("/")[1], body)
            return
        if request.headers["authorization"] != f"Bearer token-{len(self.signed_in)}":
            _answer(request, 401, {"message": "Authorization has been denied for this request."})
            return
        refusal = self.refusals.pop(0) if self.refusals else Refusal(200)
        if refusal.status != 200:
            _refuse(request, refusal)
            return
        said = json.loads(body)
        if path == "/emea/v3/conversations":
            self.begun.append(said)
            _answer(request, 201, {"id": "a:begun"})
            return
        before, conversation, after = path.partition("/v3/conversations/")[0], *_split(path)
        assert (before, after) == ("/emea", "activities"), path
        self.posted.append(Sent(conversation, said))
        _answer(request, 201, {"id": str(1_700_000_000_000 + len(self.posted))})

    def put(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        if request.path == "/upload/full":
            _answer(request, 507, {})
            return
        self.uploaded.append((request.path, request.headers["content-range"], body, request.headers["authorization"]))
        _answer(request, 201, {})

    def _sign_in(self, request: BaseHTTPRequestHandler, tenant: str, body: bytes) -> None:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("client_secret") != PASSWORD:
            _answer(request, 401, {"error": "invalid_client"})
            return
        self.signed_in.append({**form, "tenant": tenant})
        granted = {"token_type": "Bearer", "expires_in": 3_599, "access_token": f"token-{len(self.signed_in)}"}
        _answer(request, 200, granted)


def _split(path: str) -> tuple[str, str]:
    conversation, _, after = path.partition("/v3/conversations/")[2].rpartition("/")
    return conversation, after


def _refuse(request: BaseHTTPRequestHandler, refusal: Refusal) -> None:
    if not refusal.status:
        request.close_connection = True
        return
    headers = {"retry-after": refusal.retry_after} if refusal.retry_after else {}
    _answer(request, refusal.status, {"error": {"code": refusal.code, "message": "no"}}, headers)


def _answer(request: BaseHTTPRequestHandler, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    request.send_response(status)
    for name, value in {"content-type": "application/json", **(headers or {})}.items():
        request.send_header(name, value)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
