"""Proofs of webhooks, by the examples that their own documentation gives, and by their own libraries."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey
from standardwebhooks.webhooks import Webhook
from stripe import WebhookSignature

from lichen.channels.port import Arrival
from lichen.channels.webhook.schemes import PROOFS, TIMED, Scheme, check, standard_signature
from lichen.core.words.errors import Denied, Invalid

NOW_S = 1_614_265_330
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def arrival(body: bytes, headers: dict[str, str], now_s: int = NOW_S) -> Arrival:
    return Arrival("POST", "/", {}, headers, body, now_s * 1_000_000)


# -- as documented -----------------------------------------------------------------------------------------------

SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack"
    b".com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc"
    b"887a14d10d2c447fce8b6703c"
)
DOCUMENTED: dict[Scheme, tuple[str, Arrival]] = {
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    "github": (
        "It's a Secret to Everybody",
        arrival(
            b"Hello, World!",
            {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        ),
    ),
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    "slack": (
        "8f742231b10e8888abcd99yyyzzz85a5",
        arrival(
            SLACK_BODY,
            {
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            },
            1_531_420_618,
        ),
    ),
    # https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py
    "standard": (
        KEY,
        arrival(
            b'{"test": 2432232314}',
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": "1614265330",
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
        ),
    ),
}


@pytest.mark.req("SYM-93.1")
@pytest.mark.parametrize("scheme", DOCUMENTED)
def test_the_example_of_the_documentation_is_proven(scheme: Scheme) -> None:
    secret, genuine = DOCUMENTED[scheme]
    check(scheme, genuine, [secret])


# -- as their libraries sign -------------------------------------------------------------------------------------


def stripe_header(body: bytes, secret: str, sent_s: int = NOW_S) -> str:
    compute = cast("Callable[[str, str], str]", WebhookSignature._compute_signature)  # pyright: ignore[reportPrivateUsage]
    return f"t={sent_s},v1={compute(f'{sent_s}.{body.decode()}', secret)}"


def signed(scheme: Scheme, body: bytes, secret: str) -> Arrival:
    """A delivery as the sender's own library, or its documentation, signs it."""
    if scheme in ("github", "slack"):
        base = body if scheme == "github" else b"v0:%d:" % NOW_S + body
        mark = new(secret.encode(), base, sha256).hexdigest()
        headers = {"x-hub-signature-256": f"sha256={mark}"}
        if scheme == "slack":
            headers = {"x-slack-signature": f"v0={mark}", "x-slack-request-timestamp": str(NOW_S)}
        return arrival(body, headers)
    if scheme == "stripe":
        return arrival(body, {"stripe-signature": stripe_header(body, secret)})
    if scheme == "standard":
        mark = Webhook(secret).sign("msg-1", datetime.fromtimestamp(NOW_S, UTC), body.decode())
        return arrival(body, {"webhook-id": "msg-1", "webhook-timestamp": str(NOW_S), "webhook-signature": mark})
    if scheme == "bearer":
        return arrival(body, {"authorization": f"Bearer {secret}"})
    return arrival(body, {"x-signature": new(secret.encode(), body, sha256).hexdigest()})


SCHEMES = tuple(PROOFS)
BODY = b'{"id":"evt-1","text":"hello"}'


@pytest.mark.req("SYM-93.1")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_senders_library_signs_is_proven_also_by_the_second_of_two_secrets(scheme: Scheme) -> None:
    other = "whsec_" + "QUJD" * 8 if scheme == "standard" else "the next one"
    genuine = signed(scheme, BODY, KEY)
    check(scheme, genuine, [KEY])
    check(scheme, genuine, [other, KEY])
    with pytest.raises(Denied):
        check(scheme, genuine, [other])


@pytest.mark.req("SYM-93.2")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_forged_truncated_or_changed_delivery_is_refused(scheme: Scheme) -> None:
    genuine = signed(scheme, BODY, KEY)
    changed = [msgspec.structs.replace(genuine, headers={})]
    if scheme != "bearer":
        changed += [msgspec.structs.replace(genuine, body=body) for body in (BODY[:-1], BODY + b" ", b"")]
    for name in PROOFS[scheme]:
        value = genuine.headers[name]
        wrongs = (
            "",
            value[:-1],
            f"{value}x",
            value[::-1],
            "é" * 9,
            "v1,",
            "t=,v1=",
            "x" * 100_000,
            " ".join([value] * 99),
        )
        for wrong in wrongs:
            changed.append(msgspec.structs.replace(genuine, headers={**genuine.headers, name: wrong}))
    for forged in changed:
        with pytest.raises(Denied) as refused:
            check(scheme, forged, [KEY])
        assert refused.value.code.startswith("signature_")


@pytest.mark.req("SYM-93.2")
@pytest.mark.parametrize("scheme", sorted(TIMED))
@pytest.mark.parametrize("seconds", [301, -301, 86_400])
def test_a_delivery_that_is_replayed_or_from_the_future_is_refused(scheme: Scheme, seconds: int) -> None:
    genuine = signed(scheme, BODY, KEY)
    check(scheme, msgspec.structs.replace(genuine, now_us=(NOW_S + 300) * 1_000_000), [KEY])
    late = msgspec.structs.replace(genuine, now_us=(NOW_S + seconds) * 1_000_000)
    with pytest.raises(Denied) as refused:
        check(scheme, late, [KEY])
    assert refused.value.code == "signature_expired"


@pytest.mark.req("SYM-93.1")
def test_a_standard_webhook_may_be_proven_with_a_public_key() -> None:
    key = SigningKey(b"k" * 32)
    base = b"msg-1.%d." % NOW_S + BODY
    mark = b64encode(key.sign(base).signature).decode()
    public = "whpk_" + b64encode(bytes(key.verify_key)).decode()
    headers = {"webhook-id": "msg-1", "webhook-timestamp": str(NOW_S), "webhook-signature": f"v1a,{mark}"}
    check("standard", arrival(BODY, headers), [public])
    with pytest.raises(Denied):
        check("standard", arrival(BODY + b" ", headers), [public])


@pytest.mark.req("SYM-93.3")
@given(body=st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4))
def test_what_we_sign_the_library_proves(body: dict[str, Any]) -> None:
    data = json.dumps(body)
    sent_s = int(datetime.now(UTC).timestamp())
    mark = standard_signature(KEY, "ses-1/o1", sent_s, data.encode())
    headers = {"webhook-id": "ses-1/o1", "webhook-timestamp": str(sent_s), "webhook-signature": mark}
    assert Webhook(KEY).verify(data, headers) == body


def test_a_secret_that_is_no_base64_is_said_to_be_none() -> None:
    with pytest.raises(Invalid) as refused:
        standard_signature("whsec_not base64!", "a", 1, b"")
    assert refused.value.code == "secret_invalid"
