"""How the big clouds know who asks: a token, a signature, or a machine's own credentials, as a server checks them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lichen.agents.clouds import entra
from lichen.agents.providers.facts import PROVIDERS
from lichen.agents.providers.remote import Held, RemoteModel
from lichen.core.ports.model import Connection, ModelError, ModelReply
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
        self.forms: list[dict[str, str]] = []
        self.entra: Response | None = None
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""

    def app(self) -> Starlette:
        """The server."""
        return Starlette(routes=[Route("/{rest:path}", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if request.url.path == "/token":
            return self._token(body)
        if request.url.path.endswith("/oauth2/v2.0/token"):
            return self._entra(request.url.path, body)
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

    def _entra(self, path: str, body: bytes) -> Response:
        """A token for an application that says its secret, as the Microsoft identity platform gives it."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.forms.append(form)
        if self.entra is not None:
            return self.entra
        scope = "https://cognitiveservices.azure.com/.default"
        known = {"grant_type": "client_credentials", "client_id": "app-1", "client_secret": SECRET, "scope": scope}
        if path != "/tenant-1/oauth2/v2.0/token" or form != known:
            said = {"error": "invalid_client", "error_description": f"AADSTS7000215: {SECRET} is not it."}
            return JSONResponse(said, 401)
        token = f"entra-token-{len(self.forms)}"
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token})

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


# -- an application of Entra ---------------------------------------------------------------------------------------


def application(monkeypatch: pytest.MonkeyPatch, cloud: Cloud, secret: str = SECRET) -> Connection:
    """A connection that knows nothing but what the environment says of an application."""
    for name, value in zip(entra.VARIABLES, ("tenant-1", "app-1", secret), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", cloud.url)
    return Connection("", cloud.url)


@pytest.mark.req("GOA-62.43")
async def test_azure_is_asked_with_a_token_that_entra_gives_an_application_and_one_serves_many_requests(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, held = application(monkeypatch, cloud), Held()
    assert PROVIDERS["azure"].is_keyed(connection)
    try:
        model = RemoteModel("azure", "gpt-4o")
        replies = [await model.asked(connection, held, asked(GREET), None) for _ in range(3)]
    finally:
        await held.close()
    assert [reply.text for reply in replies] == ["Yes."] * 3
    assert {head["authorization"] for head in cloud.heads} == {"Bearer entra-token-1"}
    assert not any("api-key" in head for head in cloud.heads)
    assert len(cloud.forms) == 1
    assert SECRET not in str((cloud.heads, cloud.bodies))


@pytest.mark.req("GOA-62.43")
@pytest.mark.parametrize("what", ["a key", "a token"])
async def test_a_key_or_a_token_of_the_machine_comes_before_its_application(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    connection = application(monkeypatch, cloud)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY" if what == "a key" else "AZURE_OPENAI_AD_TOKEN", "of-the-machine")
    assert (await said("azure:gpt-4o", connection)).text == "Yes."
    assert cloud.forms == []
    assert "of-the-machine" in cloud.heads[0].get("api-key", "") + cloud.heads[0].get("authorization", "")


@pytest.mark.req("GOA-62.44")
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "model_auth"),
        (Response(f"{SECRET} and more", 400), "model_auth"),
        (Response("", 307, {"location": "/elsewhere/oauth2/v2.0/token"}), "model_auth"),
        (Response(SECRET, 503), "model_unavailable"),
        (Response("", 429), "model_unavailable"),
        (JSONResponse({"access_token": "", "expires_in": 1}), "model_malformed"),
        (Response(f"<html>{SECRET}"), "model_malformed"),
    ],
)
async def test_a_token_that_is_not_given_is_a_failure_of_a_known_kind_and_says_no_secret(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, answer: Response | None, code: str
) -> None:
    connection = application(monkeypatch, cloud, SECRET if answer else f"{SECRET}-of-yesterday")
    cloud.entra = answer
    with pytest.raises(ModelError) as caught:
        await said("azure:gpt-4o", connection)
    assert caught.value.code == code
    assert SECRET not in str(caught.value)
    assert (cloud.heads, len(cloud.forms)) == ([], 1)


class Authority:
    """Gives tokens that last so long, and takes a moment to."""

    def __init__(self, lasts_s: int) -> None:
        self.lasts_s, self.asked = lasts_s, 0

    async def post(self, url: str, *, data: Mapping[str, str]) -> httpx2.Response:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0)
        return httpx2.Response(200, json={"access_token": f"token-{number}", "expires_in": self.lasts_s})


@pytest.mark.req("GOA-62.43")
@pytest.mark.parametrize(("lasts_s", "good_s"), [(3_600, 3_300), (400, 200), (60, 30)])
async def test_a_token_is_shared_while_it_is_good_and_renewed_before_it_ends(lasts_s: int, good_s: int) -> None:
    now = [1_000.0]
    authority = Authority(lasts_s)
    tokens = entra.EntraTokens(entra.Application("t", "c", SECRET), authority, lambda: now[0])
    assert set(await asyncio.gather(*(tokens.token() for _ in range(9)))) == {"token-1"}
    now[0] += good_s - 1
    assert await tokens.token() == "token-1"
    now[0] += 1
    assert set(await asyncio.gather(*(tokens.token() for _ in range(9)))) == {"token-2"}
    assert authority.asked == 2
    assert SECRET not in repr(entra.Application("t", "c", SECRET))


# -- what AWS's own library finds ------------------------------------------------------------------------------------


def keys_of(secret: str = SECRET) -> dict[str, str]:
    return {"AccessKeyId": ID, "SecretAccessKey": secret, "Expiration": "2999-01-01T00:00:00Z"}


class Machine:
    """The metadata of a machine that has a role, and the portal of a single sign-on."""

    def app(self) -> Starlette:
        """The server."""
        role = "/latest/meta-data/iam/security-credentials"
        return Starlette(
            routes=[
                Route("/latest/api/token", self._told("for-this-machine"), methods=["PUT"]),
                Route(f"{role}/", self._told("shop-role")),
                Route(f"{role}/shop-role", self._told({"Code": "Success", "Token": "session", **keys_of()})),
                Route("/federation/credentials", self._portal),
            ]
        )

    def _told(self, what: object) -> Callable[[Request], Response]:
        return lambda request: Response(what) if isinstance(what, str) else JSONResponse(what)

    async def _portal(self, request: Request) -> Response:
        if request.headers.get("x-amz-sso_bearer_token") != "of-the-sign-on":
            return JSONResponse({"message": "no"}, 401)
        told = {"accessKeyId": ID, "secretAccessKey": SECRET, "sessionToken": "session"}
        return JSONResponse({"roleCredentials": {**told, "expiration": 32_503_680_000_000}})


@pytest.mark.req("GOA-62.45")
@pytest.mark.parametrize(
    ("where", "by"),
    [
        ("file", "the profile default of ~/.aws/credentials (keys)"),
        ("program", "the profile shop of ~/.aws/config (a program)"),
        ("sign-on", "the profile shop of ~/.aws/config (SSO)"),
        ("role", ""),
    ],
)
async def test_bedrock_is_asked_with_what_awss_own_library_finds_and_the_doctor_names_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, by: str
) -> None:
    folder, connection, token = tmp_path / ".aws", bedrock(cloud), "session"
    folder.mkdir()
    with serving(Machine().app()) as machine:
        match where:
            case "file":
                (folder / "credentials").write_text(
                    f"[default]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n"
                )
                token = ""
            case "program":
                (tmp_path / "keys.json").write_text(json.dumps({"Version": 1, "SessionToken": "session", **keys_of()}))
                (folder / "config").write_text(f"[profile shop]\ncredential_process = cat {tmp_path}/keys.json\n")
                connection = bedrock(cloud, profile="shop")
            case "sign-on":
                monkeypatch.setenv("AWS_PROFILE", "shop")
                monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", machine)
                monkeypatch.setattr(
                    "botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", str(folder / "sso" / "cache")
                )
                _signed_on(folder)
            case _:
                monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
                monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine)
        assert PROVIDERS["bedrock"].is_keyed(connection)
        assert PROVIDERS["bedrock"].known_by(connection) == by
        assert (await said("bedrock:amazon.nova-lite-v1:0", connection)).text == "Yes."
    assert cloud.heads[0].get("x-amz-security-token", "") == token
    assert is_signed(cloud, SECRET, token)


def _signed_on(folder: Path) -> None:
    """What `aws sso login` leaves."""
    start = "https://shop.awsapps.com/start"
    (folder / "config").write_text(
        f"[profile shop]\nsso_session = shop\nsso_account_id = 1\nsso_role_name = shop\n"
        f"[sso-session shop]\nsso_start_url = {start}\nsso_region = {REGION}\n"
    )
    cached = folder / "sso" / "cache" / f"{hashlib.sha1(b'shop').hexdigest()}.json"  # noqa: S324 - AWS's own name of it
    cached.parent.mkdir(parents=True)
    held = {"startUrl": start, "region": REGION, "accessToken": "of-the-sign-on", "expiresAt": "2999-01-01T00:00:00Z"}
    cached.write_text(json.dumps(held))


@pytest.mark.req("GOA-62.45")
async def test_credentials_that_come_later_count_at_the_next_request(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    connection, held, model = bedrock(cloud), Held(), RemoteModel("bedrock", "amazon.nova-lite-v1:0")
    try:
        with pytest.raises(ModelError) as caught:
            await model.asked(connection, held, asked(GREET), None)
        assert caught.value.code == "model_key_missing"
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "credentials").write_text(
            f"[default]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n"
        )
        assert (await model.asked(connection, held, asked(GREET), None)).text == "Yes."
    finally:
        await held.close()


@pytest.mark.req("GOA-62.37")
def test_where_credentials_lie_is_named_and_nothing_that_stands_there_is_shown(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def known_by(name: str, **options: str) -> str:
        told = PROVIDERS[name].known_by(Connection(options=options))
        assert SECRET not in told
        assert ID not in told
        return told

    gcloud = tmp_path / ".config" / "gcloud"
    gcloud.mkdir(parents=True)
    (gcloud / "application_default_credentials.json").write_text(SECRET)
    adc = "~/.config/gcloud/application_default_credentials.json (application default credentials)"
    assert known_by("google", project="acme") == adc
    application(monkeypatch, cloud)
    assert known_by("azure") == "AZURE_TENANT_ID and AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    aws = tmp_path / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(f"[other]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n")
    assert known_by("bedrock") == ""
    assert not PROVIDERS["bedrock"].is_keyed(Connection())
    assert known_by("bedrock", profile="other") == "the profile other of ~/.aws/credentials (keys)"
    (aws / "credentials").write_bytes(b"\xff[[[" + SECRET.encode())
    assert known_by("bedrock") == ""


@pytest.mark.req("GOA-62.45")
async def test_a_sign_on_that_is_over_is_a_key_that_is_missing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    monkeypatch.setattr("botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    _signed_on(folder)
    with pytest.raises(ModelError) as caught:
        await said("bedrock:amazon.nova-lite-v1:0", bedrock(cloud))
    assert caught.value.code == "model_key_missing"
    assert cloud.heads == []
