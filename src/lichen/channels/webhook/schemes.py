"""How systems prove that a webhook is theirs, each as its own documentation says.

Sources: GitHub, "Validating webhook deliveries"; Stripe, "Verify webhook signatures manually"; Slack, "Verifying
requests from Slack"; Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from lichen.channels.platform.signing import check_recent, check_same, hmac_hex
from lichen.channels.port import Arrival
from lichen.core.words.errors import Denied, Invalid

Scheme = Literal["github", "stripe", "slack", "standard", "bearer", "hmac"]
SIGNATURES_MAX: Final = 16  # of one request: a rotation has two
SYMMETRIC, PUBLIC = "whsec_", "whpk_"


def check(scheme: Scheme, arrival: Arrival, secrets: Sequence[str], *, header: str = "") -> None:
    """Whether one of the secrets proves the request; all are tried, so that a rotation needs no pause.

    Raises Denied (`signature_missing`, `signature_invalid`, `signature_expired`).
    """
    refused: Denied | None = None
    for secret in secrets:
        try:
            _CHECKS[scheme](arrival, secret, header)
        except Denied as error:
            refused = refused or error
        else:
            return
    raise refused or _missing("secret")


def _github(arrival: Arrival, secret: str, header: str) -> None:
    check_same(_header(arrival, "x-hub-signature-256"), f"sha256={hmac_hex(secret, arrival.body)}")


def _slack(arrival: Arrival, secret: str, header: str) -> None:
    sent = _header(arrival, "x-slack-request-timestamp")
    signed = hmac_hex(secret, b"v0:", _bytes(sent), b":", arrival.body)
    check_same(_header(arrival, "x-slack-signature"), f"v0={signed}")
    check_recent(sent, arrival.now_us)


def _stripe(arrival: Arrival, secret: str, header: str) -> None:
    parts = [part.partition("=") for part in _header(arrival, "stripe-signature").split(",")]
    sent = next((value for name, _, value in parts if name.strip() == "t"), "")
    given = [value for name, _, value in parts if name.strip() == "v1"]
    _check_one(given, hmac_hex(secret, _bytes(sent), b".", arrival.body))
    check_recent(sent, arrival.now_us)


def _standard(arrival: Arrival, secret: str, header: str) -> None:
    id, sent = _header(arrival, "webhook-id"), _header(arrival, "webhook-timestamp")
    given = [part.partition(",") for part in _header(arrival, "webhook-signature").split(" ")]
    signed = b".".join((_bytes(id), _bytes(sent), arrival.body))
    if secret.startswith(PUBLIC):
        _check_public([value for kind, _, value in given if kind == "v1a"], secret, signed)
    else:
        _check_one([value for kind, _, value in given if kind == "v1"], _of_standard(secret, signed))
    check_recent(sent, arrival.now_us)


def _bearer(arrival: Arrival, secret: str, header: str) -> None:
    given = _header(arrival, header or "authorization")
    check_same(given, secret if header else f"Bearer {secret}")


def _hmac(arrival: Arrival, secret: str, header: str) -> None:
    check_same(_header(arrival, header or "x-signature").removeprefix("sha256="), hmac_hex(secret, arrival.body))


_CHECKS: Final[Mapping[Scheme, Callable[[Arrival, str, str], None]]] = {
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "standard": _standard,
    "bearer": _bearer,
    "hmac": _hmac,
}
PROOFS: Final[Mapping[Scheme, tuple[str, ...]]] = {
    "github": ("x-hub-signature-256",),
    "stripe": ("stripe-signature",),
    "slack": ("x-slack-signature", "x-slack-request-timestamp"),
    "standard": ("webhook-signature", "webhook-timestamp", "webhook-id"),
    "bearer": ("authorization",),
    "hmac": ("x-signature",),
}
"""The headers that prove a request, by scheme, where the settings name no other."""
TIMED: Final = frozenset({"stripe", "slack", "standard"})
"""The schemes whose proof is good for minutes. Of the others a delivery that comes again is known by its id alone."""


def standard_signature(secret: str, id: str, sent_s: int, body: bytes) -> str:
    """What goes into `webhook-signature`. Raises Invalid (`secret_invalid`)."""
    return f"v1,{_of_standard(secret, b'.'.join((id.encode(), str(sent_s).encode(), body)))}"


def _of_standard(secret: str, signed: bytes) -> str:
    key = _decoded(secret.removeprefix(SYMMETRIC))
    return b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _check_one(given: Sequence[str], expected: str) -> None:
    """Raises Denied unless one of the signatures is the expected one."""
    if not given or len(given) > SIGNATURES_MAX:
        raise _missing("signature")
    same = [_is_same(each, expected) for each in given]
    if not any(same):
        check_same("", expected)


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(_bytes(given), expected.encode())


def _check_public(given: Sequence[str], secret: str, signed: bytes) -> None:
    key = VerifyKey(_decoded(secret.removeprefix(PUBLIC)))
    if not any(_verifies(key, each, signed) for each in given[:SIGNATURES_MAX]):
        raise Denied("The proof of this request is wrong.", code="signature_invalid")


def _verifies(key: VerifyKey, signature: str, signed: bytes) -> bool:
    try:
        key.verify(signed, b64decode(signature, validate=True))
    except (CryptoError, ValueError, Base64Error):
        return False
    return True


def _decoded(secret: str) -> bytes:
    try:
        return b64decode(secret, validate=True)
    except (ValueError, Base64Error):
        step = "Keep it as the sender shows it: `whsec_` and base64, or `whpk_` and base64."
        raise Invalid("The secret of a Standard Webhook is base64.", code="secret_invalid", next_step=step) from None


def _header(arrival: Arrival, name: str) -> str:
    return arrival.headers.get(name.lower()) or _raise(_missing(name))


def _raise(error: Denied) -> str:
    raise error


def _missing(name: str) -> Denied:
    step = "Sign the request as the channel's `scheme` says."
    return Denied(f"The request has no {name}.", code="signature_missing", next_step=step)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
