"""The tenant of a webhook by a verified token: who signed it, for whom and until when; and whatever is none changes
nothing."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from lichen import Runtime, Scope
from lichen.channels.platform.signing import hmac_hex
from lichen.core.words.errors import Unauthenticated, Unavailable
from lichen.core.words.scope import SYSTEM
from lichen.runtime.project.loading import examine, load
from lichen.serve.hooks.tokens import Claimed, Tokens
from lichen.serve.site import make_site
from lichen.settings.issuers.table import IssuerTable
from lichen.tools.egress.reach import Reach
from tests.channels.loopback import Loopback, respond

ISSUER, AUDIENCE = "https://login.example", "lichen.example"
RSA = rsa.generate_private_key(65_537, 2_048)
OTHER = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
TENANT = """
[tenants.{name}]
hosts = ["{name}.example"]
[tenants.{name}.hooks]
kind = "webhook"
team = "{team}"
scheme = "hmac"
secrets = ["env:{upper}"]
text = "/text"
"""
TABLE = f"""
[[issuer]]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
tenants = ["acme", "globex"]
keys = "keys/login.json"
env = "env"
team = "/in/team"
"""


def jwk(private: Any, kid: str, **more: str) -> dict[str, Any]:
    """The public half of a key as a JWK."""
    kinds: list[tuple[type, Any]] = [
        (rsa.RSAPrivateKey, RSAAlgorithm),
        (ec.EllipticCurvePrivateKey, ECAlgorithm),
        (ed25519.Ed25519PrivateKey, OKPAlgorithm),
    ]
    algorithm = next(made for kind, made in kinds if isinstance(private, kind))
    return {**algorithm.to_jwk(private.public_key(), as_dict=True), "kid": kid, **more}


JWKS = {"keys": [jwk(RSA, "one"), jwk(EC, "two", use="sig"), jwk(ED, "three"), jwk(OTHER, "enc", use="enc")]}


def token(
    key: Any = RSA, alg: str = "RS256", *, kid: str = "one", headers: Any = None, team: str = "sales", **claims: Any
) -> str:
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 300,
        "tenant": "acme",
        "env": "dev",
    }
    said |= {"in": {"team": team}, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, key, alg, headers={"kid": kid, **(headers or {})})


def unsigned(**claims: Any) -> str:
    parts = token(**claims).split(".")
    head = urlsafe_b64encode(json.dumps({"alg": "none", "kid": "one"}).encode()).rstrip(b"=").decode()
    return f"{head}.{parts[1]}."


def tampered(text: str, **claims: Any) -> str:
    head, _, signature = text.split(".")
    said = {**jwt.decode(text, options={"verify_signature": False}), **claims}
    return f"{head}.{urlsafe_b64encode(json.dumps(said).encode()).rstrip(b'=').decode()}.{signature}"


Post = Callable[..., Any]


@asynccontextmanager
async def door(root: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[tuple[Runtime, Post]]:
    """Two tenants, each with a webhook of its own, and one issuer for both."""
    (root / "keys").mkdir()
    (root / "keys/login.json").write_text(json.dumps(JWKS))
    (root / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    tenants = "".join(
        TENANT.format(name=name, team="sales" if name == "acme" else "", upper=name.upper())
        for name in ("acme", "globex")
    )
    (root / "lichen.toml").write_text(f'[lichen]\nagents = ["echo.toml"]\nhome = "data"\n{TABLE}{tenants}')
    monkeypatch.setenv("ACME", "s1")
    monkeypatch.setenv("GLOBEX", "s2")
    async with Runtime.of(load(root / "lichen.toml", environ={})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))

        async def posted(bearer: str, secret: str, *, path: str = "/webhook/orders", host: str = "any.example") -> Any:
            body = b'{"text": "Hello?"}'
            headers = {"x-signature": hmac_hex(secret, body)} | (
                {"authorization": f"Bearer {bearer}"} if bearer else {}
            )
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                found = await client.post(path, content=body, headers=headers)
            return found.status_code, found.json().get("error", {}).get("code", "")

        yield runtime, posted


@pytest.mark.req("GRE-55.4")
async def test_a_verified_token_picks_the_tenant_where_neither_path_nor_host_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, monkeypatch) as (runtime, posted):
        assert await posted("", "s1") == (404, "host_unknown")
        for key, alg, kid in ((RSA, "RS256", "one"), (EC, "ES256", "two"), (ED, "EdDSA", "three")):
            assert await posted(token(key, alg, kid=kid), "s1") == (200, "")
        assert await posted(token(), "s2") == (403, "signature_invalid")  # the token alone proves no webhook
        assert await posted(token(tenant="globex", team="ops"), "s2") == (404, "channel_unknown")
        assert await posted(token(env="prod"), "s1") == (404, "channel_unknown")
        assert len(await runtime.sessions.list(Scope("acme", "dev"), SYSTEM)) == 1
        assert await runtime.sessions.list(Scope("globex", "dev"), SYSTEM) == ()


@pytest.mark.req("GRE-55.5")
async def test_a_token_of_one_tenant_is_refused_at_the_address_and_host_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, monkeypatch) as (runtime, posted):
        for path in ("/v1/messaging/ingress/hooks/globex", "/events/ingress/hooks/globex"):
            assert await posted(token(), "s2", path=path) == (403, "tenant_other")
        assert await posted(token(), "s1", host="globex.example") == (403, "tenant_other")
        assert await posted(token(), "s2", host="globex.example") == (403, "tenant_other")
        own = "/v1/messaging/ingress/hooks/acme/sales"
        assert await posted(token(env="prod"), "s1", path=own) == (403, "tenant_other")
        assert await posted(token(team="ops"), "s1", path=own) == (403, "tenant_other")
        assert await posted(token(tenant="initech"), "s1", path=own) == (403, "tenant_other")
        for scope in (Scope("acme", "dev"), Scope("globex", "dev")):
            assert await runtime.sessions.list(scope, SYSTEM) == ()
        assert await posted(token(), "s1", path=own) == (200, "")


FORGED: dict[str, Callable[[], str]] = {
    "by another key": lambda: token(OTHER),
    "by a key for encryption": lambda: token(OTHER, kid="enc"),
    "by a key that nobody has": lambda: token(OTHER, kid="four"),
    "without a signature": unsigned,
    "with a secret that everybody knows": lambda: token("x" * 32, "HS256"),
    "by an algorithm that is not allowed": lambda: token(RSA, "RS512"),
    "by a key of another kind": lambda: token(RSA, "RS256", kid="two"),
    "with another tenant written in": lambda: tampered(token(), tenant="globex"),
    "with critical headers": lambda: token(headers={"crit": ["exp"], "exp": 1}),
    "for another audience": lambda: token(aud="else.example"),
    "for no audience": lambda: token(aud=None),
    "without an end": lambda: token(exp=None),
    "without a tenant": lambda: token(tenant=None),
    "with a tenant that is no text": lambda: token(tenant=["acme"]),
    "over": lambda: token(exp=int(time.time()) - 120),
    "not good yet": lambda: token(nbf=int(time.time()) + 120),
    "good for ever": lambda: token(exp=10**15),
}


@pytest.mark.req("GRE-55.6")
async def test_a_token_that_is_not_proven_is_refused_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, monkeypatch) as (runtime, posted):
        for name, made in FORGED.items():
            for path in ("/webhook/orders", "/v1/messaging/ingress/hooks/acme"):
                status, code = await posted(made(), "s1", path=path, host="acme.example")
                assert (name, status, code in ("token_invalid", "token_expired")) == (name, 401, True)
        assert await runtime.sessions.list(Scope("acme", "dev"), SYSTEM) == ()


@pytest.mark.req("GRE-55.6")
async def test_a_token_of_somebody_else_is_left_to_the_channel_and_says_nothing_of_the_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tmp_path, monkeypatch) as (runtime, posted):
        for other in (token(iss="https://else.example"), token(iss=None), "no.token.at-all", "x" * 20_000):
            assert await posted(other, "s1") == (404, "host_unknown")
            assert await posted(other, "s2", host="globex.example") == (200, "")
        assert await runtime.sessions.list(Scope("acme", "dev"), SYSTEM) == ()


# -- keys --------------------------------------------------------------------------------------------------------


class Issuer(Loopback):
    """An issuer's address. `says` is what it answers, None while it is away; `asked` the paths that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.says: bytes | None = json.dumps(JWKS).encode()
        self.asked: list[str] = []

    def get(self, request: BaseHTTPRequestHandler) -> None:
        """The keys."""
        self.asked.append(request.path)
        respond(request, 200 if self.says is not None else 503, self.says or b"")


class Clock:
    def __init__(self) -> None:
        self.s = time.time()

    def __call__(self) -> int:
        return int(self.s * 1e6)


async def told(tokens: Tokens, bearer: str, header: str = "authorization") -> Claimed | str | None:
    """What is claimed, or the code of the refusal."""
    try:
        return await tokens.claimed({header: f"Bearer {bearer}"})
    except (Unauthenticated, Unavailable) as error:
        return error.code


def table(**more: Any) -> IssuerTable:
    said: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "tenants": ("acme",)}
    return IssuerTable(**(said | more))


@pytest.mark.req("GRE-55.7")
async def test_keys_are_asked_for_once_and_again_for_an_unknown_one_but_not_for_every_token(
    tmp_path: Path,
) -> None:
    clock, reach = Clock(), Reach()
    with Issuer() as issuer:
        tokens = Tokens([table(keys_url=f"{issuer.url}/jwks")], tmp_path, lambda: reach, clock)
        try:
            named = {"jku": f"{issuer.url}/evil", "x5u": f"{issuer.url}/evil", "jwk": jwk(OTHER, "one")}
            for _ in range(3):
                assert await told(tokens, token(headers=named)) == Claimed("acme")
            assert issuer.asked == ["/jwks"]
            issuer.says = json.dumps({"keys": [jwk(OTHER, "new")]}).encode()
            for _ in range(3):
                assert await told(tokens, token(OTHER, kid="new")) == "token_invalid"  # it was asked just now
            clock.s += 61
            assert await told(tokens, token(OTHER, kid="new")) == Claimed("acme")
            assert await told(tokens, token()) == "token_invalid"  # the old one is withdrawn
            assert len(issuer.asked) == 2
            issuer.says = None
            clock.s += 2 * 3_600
            assert await told(tokens, token(OTHER, kid="new", exp=clock.s + 60)) == Claimed("acme")  # while it is away
            clock.s += 25 * 3_600
            assert await told(tokens, token(OTHER, kid="new", exp=clock.s + 60)) == "issuer_unreachable"
        finally:
            await reach.close()


@pytest.mark.req("GRE-55.7")
async def test_keys_of_a_file_count_in_any_form_and_weak_or_private_ones_do_not(tmp_path: Path) -> None:
    pem = EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    weak = rsa.generate_private_key(65_537, 1_024)
    private = RSAAlgorithm.to_jwk(RSA, as_dict=True)
    secret = {"kty": "oct", "k": "AAAA", "kid": "one", "alg": "HS256"}
    said: list[tuple[bytes, str, object]] = [
        (pem, token(EC, "ES256"), "token_invalid"),  # it names a key, and this one has no name
        (pem, jwt.encode(jwt.decode(token(), options={"verify_signature": False}), EC, "ES256"), Claimed("acme")),
        (json.dumps({"keys": [jwk(RSA, "one", alg="RS512")]}).encode(), token(), "token_invalid"),
        (json.dumps({"keys": [jwk(weak, "one")]}).encode(), token(), "issuer_unreachable"),
        (json.dumps({"keys": [{**private, "kid": "one"}]}).encode(), token(), "issuer_unreachable"),
        (json.dumps({"keys": [secret]}).encode(), token(), "issuer_unreachable"),
        (b"{" * 1_000, token(), "issuer_unreachable"),
        (b"[]", token(), "issuer_unreachable"),
    ]
    for number, (data, bearer, expected) in enumerate(said):
        (tmp_path / "keys").write_bytes(data)
        assert (number, await told(Tokens([table(keys="keys")], tmp_path, Reach, Clock()), bearer)) == (
            number,
            expected,
        )


@pytest.mark.req("GRE-55.7")
async def test_a_token_may_stand_in_a_header_of_its_own_and_be_one_tenants_alone(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(json.dumps(JWKS))
    own = table(keys="keys", header="x-tenant-token", tenant="")
    tokens = Tokens([own], tmp_path, Reach, Clock())
    assert await told(tokens, token(tenant="globex"), "x-tenant-token") == Claimed("acme")
    assert await told(tokens, token()) is None


@pytest.mark.req("GRE-55.8")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('tenants = ["acme", "nobody"]', "tenant_unknown"),
        ('tenants = ["acme"]\nkeys_url = "http://login.example/jwks"', "settings_invalid"),
        ('tenants = ["acme"]\nkeys_url = "https://login.example/jwks"\nkeys = "keys"', "settings_invalid"),
        ('tenants = ["acme"]\nalgorithms = ["HS256"]\nkeys = "keys"', "settings_invalid"),
        ('tenants = ["*"]\ntenant = ""\nkeys = "keys"', "settings_invalid"),
        ('tenants = ["acme"]\nheader = "cookie"\nkeys = "keys"', "settings_invalid"),
    ],
)
def test_a_mistake_about_an_issuer_is_named_with_its_place(tmp_path: Path, line: str, code: str) -> None:
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    keys = "" if "keys" in line else '\nkeys = "keys"'
    (tmp_path / "lichen.toml").write_text(
        f'[lichen]\nagents = ["echo.toml"]\n[tenants.acme]\n[[issuer]]\nissuer = "i"\naudience = "a"\n{line}{keys}\n'
    )
    (error, *_) = examine(tmp_path / "lichen.toml", environ={}).errors
    assert (error.code, "lichen.toml:" in (error.place or ""), "issuer" in (error.place or "")) == (code, True, True)
