"""Who may speak to a bot of Teams: tokens as Microsoft makes them, and every way in which they can be wrong."""

from __future__ import annotations

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Generator
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from lichen.channels.teams.clouds import CLOUDS, is_within
from lichen.channels.teams.keys import STALE_S
from lichen.core.words.errors import Denied, Invalid, Unavailable
from tests.channels.teams.server import APP, TENANT, Microsoft, key, public
from tests.channels.teams.speaking import NOW_S, SCOPE, activity, arrival, channel, claims, token

EMULATED = "ce1b1f0a-4d31-4ba4-b6bd-2f1c5c0f2a11"


@pytest.fixture(name="microsoft", scope="module")
def _microsoft() -> Generator[Microsoft]:
    with Microsoft() as microsoft:
        yield microsoft


async def refused(microsoft: Microsoft, bearer: str, said: dict[str, Any] | None = None, **settings: Any) -> str:
    """The code that a request with this token is refused with."""
    with pytest.raises(Denied) as error:
        await channel(microsoft, **settings).verify(
            SCOPE, arrival(microsoft, said or activity(microsoft), bearer, NOW_S)
        )
    return error.value.code


@pytest.mark.req("GRE-58.1")
async def test_a_token_of_the_bot_connector_proves_a_request(microsoft: Microsoft) -> None:
    assert await channel(microsoft).verify(SCOPE, arrival(microsoft, activity(microsoft))) is None


@pytest.mark.req("GRE-58.1")
async def test_a_forged_signature_is_refused(microsoft: Microsoft) -> None:
    assert await refused(microsoft, token(claims(microsoft), signer="k-forged")) == "signature_invalid"


@pytest.mark.req("GRE-58.1")
async def test_a_token_that_names_no_algorithm_is_refused(microsoft: Microsoft) -> None:
    bare = jwt.encode(claims(microsoft), "", algorithm="none", headers={"kid": "k1"})
    assert await refused(microsoft, bare) == "signature_invalid"


@pytest.mark.req("GRE-58.1")
async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(microsoft: Microsoft) -> None:
    published = (
        key("k1").public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    _, said, _ = token(claims(microsoft)).split(".")
    signed = f"{_base64({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{said}"
    mark = hmac.new(published, signed.encode(), "sha256").digest()
    mixed = f"{signed}.{urlsafe_b64encode(mark).rstrip(b'=').decode()}"
    assert await refused(microsoft, mixed) == "signature_invalid"


def _base64(said: dict[str, Any]) -> str:
    return urlsafe_b64encode(msgspec.json.encode(said)).rstrip(b"=").decode()


@pytest.mark.req("GRE-58.1")
async def test_a_token_of_a_key_that_is_not_published_is_refused(microsoft: Microsoft) -> None:
    assert await refused(microsoft, token(claims(microsoft), kid="k-other")) == "signature_invalid"


@pytest.mark.req("GRE-58.1")
async def test_a_token_for_another_bot_is_refused(microsoft: Microsoft) -> None:
    for other in ("00000000-0000-0000-0000-000000000000", [APP, "x"], None):
        assert await refused(microsoft, token(claims(microsoft, aud=other))) == "audience_other"


@pytest.mark.req("GRE-58.1")
async def test_a_token_of_another_issuer_is_refused(microsoft: Microsoft) -> None:
    issuers = ("https://api.botframework.us", f"https://sts.windows.net/{TENANT}/", "https://evil.example")
    for issuer in issuers:
        assert await refused(microsoft, token(claims(microsoft, iss=issuer))) == "issuer_unknown"


@pytest.mark.req("GRE-58.1")
@pytest.mark.parametrize(
    ("times", "is_good"),
    [
        ({"exp": NOW_S - 299}, True), ({"exp": NOW_S - 301}, False), ({"exp": None}, False), ({"exp": True}, False),
        ({"nbf": NOW_S + 299}, True), ({"nbf": NOW_S + 301}, False), ({"exp": "soon"}, False),
    ],
)  # fmt: skip
async def test_a_token_is_good_for_its_time_and_five_minutes_of_skew(
    microsoft: Microsoft, times: dict[str, Any], is_good: bool
) -> None:
    bearer = _written(claims(microsoft, **times))
    if is_good:
        assert await channel(microsoft).verify(SCOPE, arrival(microsoft, activity(microsoft), bearer)) is None
    else:
        assert await refused(microsoft, bearer) == "signature_expired"


def _written(said: dict[str, Any]) -> str:
    """A token with claims that no library would write."""
    return jwt.PyJWS().encode(msgspec.json.encode(said), key("k1"), algorithm="RS256", headers={"kid": "k1"})


@pytest.mark.req("GRE-58.2")
async def test_a_token_with_an_activity_of_another_service_is_refused(microsoft: Microsoft) -> None:
    swapped = activity(microsoft, serviceUrl="https://smba.trafficmanager.net/emea/")
    assert await refused(microsoft, token(claims(microsoft)), swapped) == "service_url_unproven"
    assert await refused(microsoft, token(claims(microsoft, serviceurl=None))) == "service_url_unproven"


@pytest.mark.req("GRE-58.2")
@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "https://smba.trafficmanager.net.evil.example/", "https://evil-trafficmanager.net/",
     "https://x.smba.trafficmanager.net/", "http://smba.trafficmanager.net/", "https://smba.trafficmanager.net:444/",
     "https://smba.trafficmanager.net@evil.example/", "https://a@smba.trafficmanager.net/", "//smba", "https://["],
)  # fmt: skip
async def test_a_service_that_is_not_microsofts_is_refused_though_the_token_names_it(
    microsoft: Microsoft, url: str
) -> None:
    bearer = token(claims(microsoft, serviceurl=url))
    assert await refused(microsoft, bearer, activity(microsoft, serviceUrl=url)) == "address_denied"


@pytest.mark.req("GRE-58.2")
def test_each_cloud_has_services_of_its_own() -> None:
    urls = {
        "public": "https://smba.trafficmanager.net/teams/", "usgov": "https://smba.infra.gov.teams.microsoft.us/teams",
        "usgovdod": "https://smba.infra.dod.teams.microsoft.us/teams", "china": "https://x.botframework.azure.cn/",
    }  # fmt: skip
    found = {name: [at for at, url in urls.items() if is_within(url, cloud.services)] for name, cloud in CLOUDS.items()}
    assert found == {name: [name] for name in CLOUDS}
    assert not any(is_within("http://127.0.0.1/", cloud.services) for cloud in CLOUDS.values())


@pytest.mark.req("GRE-58.1")
async def test_a_government_issuer_counts_where_the_settings_name_that_cloud(microsoft: Microsoft) -> None:
    bearer = token(claims(microsoft, iss="https://api.botframework.us"))
    said = arrival(microsoft, activity(microsoft), bearer)
    assert await channel(microsoft, cloud="usgov").verify(SCOPE, said) is None
    assert await refused(microsoft, token(claims(microsoft)), cloud="usgov") == "issuer_unknown"


@pytest.mark.req("GRE-58.1")
async def test_a_key_vouches_for_the_channels_it_is_endorsed_for(microsoft: Microsoft) -> None:
    with Microsoft() as other:
        other.keys = [public("k1", "webchat")]
        assert await refused(other, token(claims(other))) == "channel_other"
        other.keys = [public("k1")]
        assert await channel(other).verify(SCOPE, arrival(other, activity(other))) is None


@pytest.mark.req("GRE-58.1")
async def test_what_comes_by_another_channel_of_the_bot_is_refused(microsoft: Microsoft) -> None:
    for other in ("webchat", "directline", "emulator", ""):
        said = activity(microsoft, channelId=other)
        assert await refused(microsoft, token(claims(microsoft)), said) == "channel_other"


@pytest.mark.req("GRE-58.1")
async def test_a_bot_of_one_tenant_hears_no_other(microsoft: Microsoft) -> None:
    assert await channel(microsoft, tenant_id=TENANT).verify(SCOPE, arrival(microsoft, activity(microsoft))) is None
    assert await refused(microsoft, token(claims(microsoft)), tenant_id=APP) == "tenant_other"


@pytest.mark.req("GRE-58.1")
async def test_tokens_of_entra_count_only_of_the_tenant_and_the_apps_that_are_named(microsoft: Microsoft) -> None:
    def entra(**changes: Any) -> str:
        issuer = f"{microsoft.url}/{TENANT}/v2.0"
        return token(claims(microsoft, **{"iss": issuer, "azp": EMULATED, "serviceurl": None, **changes}), kid="t1")

    named: dict[str, Any] = {"tenant_id": TENANT, "entra_callers": (EMULATED,)}
    for said in (activity(microsoft), activity(microsoft, channelId="emulator")):
        assert await channel(microsoft, **named).verify(SCOPE, arrival(microsoft, said, entra())) is None
    v1 = entra(iss=f"https://sts.windows.net/{TENANT}/", azp=None, appid=EMULATED)
    assert await channel(microsoft, **named).verify(SCOPE, arrival(microsoft, activity(microsoft), v1)) is None
    assert await refused(microsoft, entra()) == "issuer_unknown"
    assert await refused(microsoft, entra(azp=APP), **named) == "caller_unknown"
    assert await refused(microsoft, entra(azp=APP, appid=EMULATED), **named) == "caller_unknown"
    elsewhere = activity(microsoft, serviceUrl="https://evil.example/")
    assert await refused(microsoft, entra(), elsewhere, **named) == "address_denied"
    connectors = token(claims(microsoft, iss=f"{microsoft.url}/{TENANT}/v2.0", azp=EMULATED))
    assert await refused(microsoft, connectors, **named) == "signature_invalid"


@pytest.mark.req("GRE-58.1")
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a", "Bearer a.b.c", "Bearer é.é.é"])
async def test_a_request_without_a_token_is_refused(microsoft: Microsoft, header: str) -> None:
    said = msgspec.structs.replace(arrival(microsoft, activity(microsoft)), headers={"authorization": header})
    with pytest.raises(Denied) as error:
        await channel(microsoft).verify(SCOPE, said)
    assert error.value.code in ("signature_missing", "signature_invalid")


@pytest.mark.req("GRE-58.1")
async def test_a_token_that_is_too_long_is_refused_unread(microsoft: Microsoft) -> None:
    assert await refused(microsoft, token(claims(microsoft, padding="x" * 9_000))) == "signature_invalid"


@pytest.mark.req("GRE-58.1")
@pytest.mark.parametrize("size", [0, 1, 200])
async def test_a_proven_body_that_is_truncated_is_refused_with_its_place(microsoft: Microsoft, size: int) -> None:
    body = msgspec.json.encode(activity(microsoft))[:size]
    with pytest.raises(Invalid) as error:
        await channel(microsoft).verify(SCOPE, arrival(microsoft, body))
    assert (error.value.place or "").startswith("$")


# -- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-58.3")
async def test_keys_are_read_once_a_day_and_once_more_for_a_new_one() -> None:
    with Microsoft() as microsoft:
        made = channel(microsoft)
        clock = made.__dict__["clock"]
        said = arrival(microsoft, activity(microsoft))
        await asyncio.gather(*(made.verify(SCOPE, said) for _ in range(5)))
        assert microsoft.keys_read == 1
        microsoft.keys = [public("k2", "msteams")]
        rotated = arrival(microsoft, activity(microsoft), token(claims(microsoft), kid="k2"))
        with pytest.raises(Denied):
            await made.verify(SCOPE, rotated)  # too soon after the last time to ask again
        clock[0] += 301
        assert await made.verify(SCOPE, rotated) is None
        with pytest.raises(Denied):
            await made.verify(SCOPE, said)  # the old key is no more
        assert microsoft.keys_read == 2
        clock[0] += 24 * 3_600 + 1
        assert await made.verify(SCOPE, rotated) is None
        assert microsoft.keys_read == 3


@pytest.mark.req("GRE-58.3")
async def test_a_stranger_who_makes_up_keys_has_microsoft_asked_no_more_often() -> None:
    with Microsoft() as microsoft:
        made = channel(microsoft)
        await made.verify(SCOPE, arrival(microsoft, activity(microsoft)))
        for n in range(5):
            forged = token(claims(microsoft), kid=f"made-up-{n}", signer="k1")
            with pytest.raises(Denied):
                await made.verify(SCOPE, arrival(microsoft, activity(microsoft), forged))
        assert microsoft.keys_read == 1


@pytest.mark.req("GRE-58.3")
async def test_known_keys_count_for_days_while_microsoft_is_away() -> None:
    with Microsoft() as microsoft:
        made = channel(microsoft)
        clock, said = made.__dict__["clock"], arrival(microsoft, activity(microsoft))
        await made.verify(SCOPE, said)
        microsoft.is_away = True
        clock[0] += 25 * 3_600
        assert await made.verify(SCOPE, said) is None
        clock[0] += STALE_S
        with pytest.raises(Unavailable):
            await made.verify(SCOPE, said)
        fresh = channel(microsoft)
        with pytest.raises(Unavailable):
            await fresh.verify(SCOPE, said)


@pytest.mark.req("GRE-58.3")
async def test_keys_that_are_too_short_or_no_keys_are_left_out() -> None:
    with Microsoft() as microsoft:
        odd: list[Any] = [None, {"kid": "k1"}, {**public("k1"), "n": "AQAB"}, {**public("k1"), "use": "enc"}, 7]
        microsoft.keys = odd
        with pytest.raises(Unavailable):
            await channel(microsoft).verify(SCOPE, arrival(microsoft, activity(microsoft)))
