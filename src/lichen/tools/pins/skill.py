"""A folder of a skill, signed whole: which of its files are others than those that were signed.

The hash of a file is over its path and its bytes with nothing between them, so that a letter may move from the name to
the text unseen; that the names are those of the manifest is therefore checked apart. The manifest itself is not signed.

Source: SchemaPin specification 1.3 (skill signing), 1.4 (expiry, lineage).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from lichen.core.words.errors import Invalid
from lichen.tools.pins.canonical import read
from lichen.tools.pins.keys import PrivateKey, fingerprint, sign
from lichen.tools.pins.result import Verified, refused
from lichen.tools.pins.signed import Terms, moment
from lichen.tools.pins.verify import Issuer, begun, concluded

SIGNATURE_FILE: Final = ".schemapin.sig"
SIGNATURE_BYTES_MAX: Final = 4 * 1024 * 1024
_FRONT: Final = re.compile(r"---[ \t]*\n(.*?)\n---", re.DOTALL)
_NAME: Final = re.compile(r"""^name:\s*['"]?([^'"#\n]+?)['"]?\s*$""", re.MULTILINE)

Files = Mapping[str, bytes]
"""The files of a folder by their paths in it, written with `/`; no links, and not the signature."""


class SkillSignature(msgspec.Struct, frozen=True):
    """What `.schemapin.sig` says."""

    signature: str
    domain: str
    skill_name: str = ""
    skill_hash: str = ""
    schemapin_version: str = ""
    signed_at: str = ""
    signer_kid: str = ""
    file_manifest: Mapping[str, str] = {}
    expires_at: str = ""
    schema_version: str = ""
    previous_hash: str = ""
    canonicalization: str = ""


class Tampered(msgspec.Struct, frozen=True):
    """The files that differ from the manifest, by path."""

    modified: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.modified or self.added or self.removed)


class SkillVerified(msgspec.Struct, frozen=True):
    """What came of looking at a signed folder."""

    skill: str
    result: Verified
    tampered: Tampered


def manifest_of(files: Files) -> Mapping[str, str]:
    """The hash of every file. Raises Invalid (`skill_empty`) where there is none."""
    if not files:
        raise Invalid("The folder has no file that could be signed.", code="skill_empty")
    return {path: f"sha256:{hashlib.sha256(path.encode() + files[path]).hexdigest()}" for path in sorted(files)}


def root_of(manifest: Mapping[str, str]) -> bytes:
    """What is signed: the hash of all hashes, by path."""
    return "".join(manifest[path].partition(":")[2] for path in sorted(manifest)).encode()


def name_of(files: Files, folder: str) -> str:
    """What the skill calls itself in `SKILL.md`, or else the name of its folder."""
    front = _FRONT.match(files.get("SKILL.md", b"").decode("utf-8", "replace"))
    named = _NAME.search(front[1]) if front is not None else None
    return named[1].strip() if named is not None else folder


def sign_skill(
    files: Files,
    name: str,
    key: PrivateKey,
    domain: str,
    now: datetime,
    *,
    lasts: timedelta | None = None,
    previous: SkillSignature | None = None,
) -> SkillSignature:
    """The signature of a folder; `previous` is that of the version before. Raises Invalid (`skill_empty`)."""
    manifest = manifest_of(files)
    root = root_of(manifest)
    return SkillSignature(
        signature=sign(root, key),
        domain=domain,
        skill_name=name,
        skill_hash="sha256:" + hashlib.sha256(root).hexdigest(),
        schemapin_version="1.4" if lasts is not None or previous is not None else "1.3",
        signed_at=moment(now),
        signer_kid=fingerprint(key.public_key()),
        file_manifest=manifest,
        expires_at=moment(now + lasts) if lasts is not None else "",
        previous_hash=previous.skill_hash if previous is not None else "",
    )


def verify_skill(
    files: Files, signature: SkillSignature, issuer: Issuer, now: datetime, *, pinned: str | None = None
) -> SkillVerified:
    """Whether the domain signed this very folder, and which files are others. Whose name or text changed is told even
    where nobody signed it, as far as the manifest says."""
    manifest: Mapping[str, str] = manifest_of(files) if files else {}
    changed = tampered(manifest, signature.file_manifest)
    return SkillVerified(signature.skill_name, _verified(manifest, changed, signature, issuer, now, pinned), changed)


def _verified(
    manifest: Mapping[str, str],
    changed: Tampered,
    signature: SkillSignature,
    issuer: Issuer,
    now: datetime,
    pinned: str | None,
) -> Verified:
    if signature.domain.lower() != issuer.domain:
        return refused(issuer.domain, "domain_mismatch", "The folder was signed in the name of another domain.")
    terms = _terms(signature)
    signer = begun(terms, issuer, pinned)
    if isinstance(signer, Verified):
        return signer
    if not manifest:
        return refused(issuer.domain, "schema_canonicalization_failed", "The folder has no file.")
    result = concluded(root_of(manifest), terms, issuer, signer, now)
    if result.valid and changed:
        told = "The names of its files are not those of the manifest."
        return refused(issuer.domain, "signature_invalid", told, fingerprint=signer.fingerprint)
    return result


def tampered(now: Mapping[str, str], signed: Mapping[str, str]) -> Tampered:
    """Where a folder differs from the manifest that was signed."""
    both = now.keys() & signed.keys()
    modified = tuple(sorted(path for path in both if now[path] != signed[path]))
    return Tampered(modified, tuple(sorted(now.keys() - signed)), tuple(sorted(signed.keys() - now)))


def follows(later: SkillSignature, earlier: SkillSignature) -> bool:
    """Whether a version says that it comes right after another one."""
    return bool(later.previous_hash) and later.previous_hash == earlier.skill_hash


def signature_of(data: bytes) -> SkillSignature:
    """The signature in a `.schemapin.sig`. Raises Invalid (`document_invalid`)."""
    told = read(data, place=SIGNATURE_FILE, bytes_max=SIGNATURE_BYTES_MAX)
    try:
        return msgspec.convert({k: v for k, v in told.items() if v is not None}, SkillSignature)
    except (msgspec.ValidationError, AttributeError) as error:
        raise Invalid(f"It is no signature: {error}", code="document_invalid", place=SIGNATURE_FILE) from None


def text_of(signature: SkillSignature) -> str:
    """The file, without what it does not say."""
    told: dict[str, Any] = {key: value for key, value in msgspec.to_builtins(signature).items() if value}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _terms(signature: SkillSignature) -> Terms:
    told = {name: getattr(signature, name) for name in Terms.__struct_fields__}
    return Terms(**told)
