"""How the big clouds know who asks: a token, a signature, or a machine's own credentials, as a server checks them."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lichen.agents.providers.facts import PROVIDERS
from lichen.agents.providers.remote import Held, RemoteModel
from lichen.core.ports.model import Connection, ModelReply
from lichen.testing.model_conformance import GREET, asked
from tests.agents.wire import bedrock as bedrock_api
from tests.agents.wire.relay import serving

REGION, ID, SECRET = "eu-central-1", "AKIDEXAMPLE", "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
CLOUD = ("AWS_", "GOOGLE_", "GEMINI_", "AZURE_", "OPENAI_")


class Cloud:
    """A server that keeps what it was asked with."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""

    def app(self) -> Starlette:
        """The server."""
        return Starlette(routes=[Route("/{rest:path}", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if request.url.path == "/token":
            return self._token(body)
        self.heads.append(dict(request.headers))
        self.bodies.append(body)
        self.paths.append(request.scope["raw_path"].decode())
        if "chat/completions" in request.url.path:
            choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
            head = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
            return JSONResponse({**head, "choices": [choice]})
        if "/model/" in request.url.path:
            return bedrock_api.streamed([{"text": "Yes."}])
        content = {"role": "model", "parts": [{"text": "Yes."}]}
        return JSONResponse({"candidates": [{"content": content, "finishReason": "STOP"}]})

    def _token(self, body: bytes) -> Response:
        """A token for whoever signed with the service account's key, as Google's own endpoint gives it."""
        assertion = parse_qs(body.decode())["assertion"][0]
        signed, _, signature = assertion.rpartition(".")
        try:
            self.key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = json.loads(_decoded(signed.split(".")[1]))
        if claims["aud"] != "https://oauth2.googleapis.com/token":
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"access_token": f"token-of-{claims['iss']}", "expires_in": 3600, "token_type": "Bearer"})

    def account(self, folder: Path) -> Path:
        """The file of a service account."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / "account.json"
        held = {"client_email": "shop@acme.example", "private_key": pem.decode(), "token_uri": f"{self.url}/token"}
        path.write_text(json.dumps({"type": "service_account", "project_id": "acme", "private_key_id": "1", **held}))
        return path


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Cloud]:
    import os

    for name in list(os.environ):
        if name.startswith(CLOUD):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # where the libraries look for credentials of their own
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Cloud()
    with serving(made.app()) as made.url:
        yield made


@pytest.fixture
def secure(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Cloud]:
    """The same behind TLS, which AWS's library wants for a token."""
    certificate = _certificate(cloud.key, tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with serving(cloud.app(), ssl_certfile=certificate) as url:
        cloud.url = url.replace("http:", "https:")
        yield cloud


def _certificate(key: rsa.RSAPrivateKey, folder: Path) -> Path:
    """A key and its certificate for the loopback address, in one file."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "loopback.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


async def said(name: str, connection: Connection) -> ModelReply:
    held = Held()
    provider, _, model = name.partition(":")
    try:
        return await RemoteModel(provider, model).asked(connection, held, asked(GREET), None)
    finally:
        await held.close()


def bedrock(cloud: Cloud, key: str = "", **options: str) -> Connection:
    return Connection(key, cloud.url, options={"region": REGION, **options})


def is_signed(cloud: Cloud, secret: str, token: str = "") -> bool:
    """Whether AWS's own signer, given the same request and key, writes the same signature."""
    from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    head, signature = cloud.heads[0], cloud.heads[0]["authorization"]
    names = signature.split("SignedHeaders=")[1].split(",")[0].split(";")
    sent = {name: head[name] for name in names}
    request: Any = AWSRequest("POST", cloud.url + cloud.paths[0], data=cloud.bodies[0], headers=sent)
    request.context["timestamp"] = head["x-amz-date"]
    signer: Any = SigV4Auth(Credentials(ID, secret, token or None), "bedrock", REGION)
    text: Any = signer.string_to_sign(request, signer.canonical_request(request))
    return signature.endswith(f"Signature={signer.signature(text, request)}")


@pytest.mark.req("GOA-62.34")
@pytest.mark.parametrize("where", ["secret", "variable"])
async def test_bedrock_is_asked_by_a_bearer_key(secure: Cloud, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "variable":
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")
    key = "bedrock-api-key-1" if where == "secret" else ""
    assert (await said("bedrock:amazon.nova-lite-v1:0", bedrock(secure, key))).text == "Yes."
    assert secure.heads[0]["authorization"] == "Bearer bedrock-api-key-1"


@pytest.mark.req("GOA-62.34")
@pytest.mark.parametrize("where", ["secret", "session", "variables", "profile"])
async def test_bedrock_is_asked_with_a_signature_that_awss_own_signer_writes(
    cloud: Cloud, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection, token = bedrock(cloud), "session-token" if where == "session" else ""
    match where:
        case "secret":
            connection = bedrock(cloud, f"{ID}:{SECRET}")
        case "session":
            connection = bedrock(cloud, f"{ID}:{SECRET}:{token}")
        case "variables":
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        case _:
            keys = tmp_path / "credentials"
            keys.write_text(f"[shop]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n")
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
            connection = bedrock(cloud, profile="shop")
    assert (await said("bedrock:amazon.nova-lite-v1:0", connection)).text == "Yes."
    today = datetime.now(UTC).strftime("%Y%m%d")
    assert f"Credential={ID}/{cloud.heads[0]['x-amz-date'][:8]}/{REGION}/bedrock/" in cloud.heads[0]["authorization"]
    assert abs(int(cloud.heads[0]["x-amz-date"][:8]) - int(today)) <= 1 or today.endswith("01")
    assert cloud.heads[0].get("x-amz-security-token", "") == token
    assert is_signed(cloud, SECRET, token)
    assert not is_signed(cloud, SECRET + "x", token)


@pytest.mark.req("GOA-62.35")
async def test_vertex_is_asked_with_the_token_of_the_machines_service_account(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(cloud.account(tmp_path)))
    options = {"project": "acme-models", "location": "europe-west4"}
    reply = await said("google:gemini-2.5-flash", Connection("", cloud.url, options=options))
    assert reply.text == "Yes."
    assert cloud.heads[0]["authorization"] == "Bearer token-of-shop@acme.example"
    assert "/projects/acme-models/locations/europe-west4/publishers/google/models/" in cloud.paths[0]


@pytest.mark.req("GOA-62.36")
async def test_azure_is_asked_by_a_key(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "entra-of-the-machine")
    assert (await said("azure:gpt-4o", Connection("azure-key-1", cloud.url))).text == "Yes."
    assert cloud.heads[0]["api-key"] == "azure-key-1"
    assert "entra" not in str(cloud.heads)


@pytest.mark.req("GOA-62.36")
@pytest.mark.parametrize("where", ["secret", "variable"])
async def test_azure_is_asked_with_a_token_of_entra(cloud: Cloud, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection("entra-token-1", cloud.url, options={"auth": "entra"})
    if where == "variable":
        monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "entra-token-1")
        connection = Connection("", cloud.url)
        assert PROVIDERS["azure"].is_keyed(connection)
    assert (await said("azure:gpt-4o", connection)).text == "Yes."
    assert cloud.heads[0]["authorization"] == "Bearer entra-token-1"
    assert "api-key" not in cloud.heads[0]


@pytest.mark.req("GOA-62.37")
def test_what_a_cloud_knows_us_by_is_named_and_nothing_of_it_shown(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known_by(name: str, **options: str) -> str:
        return PROVIDERS[name].known_by(Connection(options=options))

    assert [known_by(name) for name in ("bedrock", "google", "azure")] == ["", "", ""]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ID)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/keys/account.json")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "entra-token-1")
    assert known_by("bedrock") == "AWS_ACCESS_KEY_ID"
    assert known_by("bedrock", profile="shop") == "the profile shop"
    assert known_by("google") == "GOOGLE_APPLICATION_CREDENTIALS"
    assert known_by("azure") == "AZURE_OPENAI_AD_TOKEN"
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-1")
    assert known_by("bedrock") == "AWS_BEARER_TOKEN_BEDROCK"
