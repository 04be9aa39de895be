"""Certificates beside a signature: whose key signed, when that counts, and whether a root vouches for it.

Source: RFC 5280 (validity, basic constraints, issuer and subject), RFC 8410 (Ed25519 in certificates).
"""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from lichen.core.words.errors import Invalid
from lichen.packs.proofs.keys import PrivateKey, PublicKey

DEVELOPMENT: Final = "greentic-dev-local"
CERTIFICATES_MAX: Final = 5
PEM_BYTES_MAX: Final = 64 * 1024
_SIGN: Final = "Let whoever made the pack sign it again, with `lichen pack sign`."

Certificate = x509.Certificate
Wrong = Literal["expired", "not_yet", "unchained"]


class Chain(msgspec.Struct, frozen=True):
    """Certificates from the signer's to the one nearest to a root."""

    certificates: tuple[Certificate, ...]

    @property
    def key(self) -> PublicKey:
        """The key that signed."""
        key = self.certificates[0].public_key()
        assert isinstance(key, Ed25519PublicKey), "a chain of another kind of key is refused when it is read"
        return key

    @property
    def subject(self) -> str:
        """What the signer's certificate calls it."""
        return common_name(self.certificates[0])

    @property
    def is_for_development(self) -> bool:
        """Whether a tool made the certificate for the machine it ran on."""
        return any(common_name(each) == DEVELOPMENT for each in self.certificates)


def read_chain(data: bytes, place: str) -> Chain:
    """The certificates in a PEM. Raises Invalid (`pack_chain_invalid`)."""
    if len(data) > PEM_BYTES_MAX:
        raise _chain_error(f"It has more than {PEM_BYTES_MAX} bytes.", place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd about a stranger's certificate is not our reader's to know
            found = tuple(x509.load_pem_x509_certificates(data))
            key = found[0].public_key()
    except Exception:  # noqa: BLE001 - cryptography raises many kinds for what strangers send
        raise _chain_error("It holds no certificate in PEM.", place) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _chain_error("The signer's key is no Ed25519 key.", place)
    if len(found) > CERTIFICATES_MAX:
        raise _chain_error(f"It has more than {CERTIFICATES_MAX} certificates.", place)
    return Chain(found)


def wrong_time(chain: Chain, at: datetime) -> Wrong | None:
    """What is wrong with when the certificates count."""
    for each in chain.certificates:
        if at < each.not_valid_before_utc:
            return "not_yet"
        if at > each.not_valid_after_utc:
            return "expired"
    return None


def root_of(chain: Chain, roots: tuple[Certificate, ...]) -> Certificate | None:
    """The root that vouches for a chain: each certificate is issued by the next, the last one by a root, or is one."""
    certificates = chain.certificates
    for i, each in enumerate(certificates):
        if i and not _may_issue(each, below=i - 1):
            return None
        if each in roots:
            return each
        if i + 1 < len(certificates) and not _issued(each, certificates[i + 1]):
            return None
    last, below = certificates[-1], len(certificates) - 1
    return next((root for root in roots if _may_issue(root, below=below) and _issued(last, root)), None)


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_issue(certificate: Certificate, *, below: int) -> bool:
    """Whether a certificate is an authority's, for chains with this many authorities between it and the signer."""
    try:
        said = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as missing:
        if missing.oid != x509.KeyUsage.oid:
            return False
        usage = None
        said = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except ValueError:
        return False
    fits = said.path_length is None or said.path_length >= below
    return said.ca and fits and (usage is None or usage.key_cert_sign)


def own_certificate(key: PrivateKey, name: str, at: datetime, *, lasts: timedelta) -> bytes:
    """A certificate of a key for itself, in PEM: it says whose key signs, and until when."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at)
        .not_valid_after(at + lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, None)
    )
    return built.public_bytes(serialization.Encoding.PEM)


def common_name(certificate: Certificate) -> str:
    """What a certificate calls its subject."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:200] if found else ""


def _chain_error(message: str, place: str) -> Invalid:
    return Invalid(message, code="pack_chain_invalid", place=place, next_step=_SIGN)
