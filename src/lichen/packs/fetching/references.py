"""What names something in a registry: `oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:…]`.

Source: OCI Distribution Specification 1.1, "Pulling manifests"; the host is always said, nothing stands for one.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from lichen.core.words.errors import Invalid

SCHEME: Final = "oci://"
MAPPED: Final = {"repo://": "repo", "store://": "store"}  # by the setting that says which registry they stand for
CHARS_MAX: Final = 512
NAME_CHARS_MAX: Final = 255  # of host and repository, as clients are told to allow for
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL}){{0,32}}|\[[0-9a-f:.]{{2,45}}\])(?::([1-9][0-9]{{0,4}}))?")
_PART: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_STEP: Final = "Write oci://HOST/REPOSITORY@sha256:…, all but the tag in lower case."


class Reference(msgspec.Struct, frozen=True):
    """Something in a registry. Where there is a `digest`, it counts, and the `tag` is only a word about it."""

    host: str  # with its port
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.tag and f':{self.tag}'}{self.digest and f'@{self.digest}'}"

    @property
    def name(self) -> str:
        """It without tag and digest."""
        return f"{SCHEME}{self.host}/{self.repository}"

    @property
    def wanted(self) -> str:
        """What the registry is asked for: the digest, or else the tag."""
        return self.digest or self.tag

    def pinned(self, digest: str) -> Reference:
        """It by its digest, without the tag."""
        return Reference(self.host, self.repository, "", digest)


def is_reference(text: str) -> bool:
    """Whether a text names something in a registry, and not a file."""
    return text.startswith((SCHEME, *MAPPED))


def reference_in(text: str, *, repo: str = "", store: str = "") -> Reference:
    """What a text names. `repo` and `store` are what `repo://` and `store://` stand for, as `ghcr.io/acme`.

    Raises Invalid (`oci_reference_invalid`, `oci_registry_unsaid`).
    """
    if len(text) > CHARS_MAX:
        raise _invalid(f"A reference has more than {CHARS_MAX} characters.")
    text = _mapped(text, {"repo": repo, "store": store})
    if not text.startswith(SCHEME):
        raise _invalid("A reference to a registry begins with oci://.")
    rest, at, digest = text.removeprefix(SCHEME).partition("@")
    host, _, path = rest.partition("/")
    repository, colon, tag = path.partition(":")
    found = _HOST.fullmatch(host)
    if found is None or int(found[1] or 1) > 65_535:
        raise _invalid("It names no host of a registry.")
    if not _REPOSITORY.fullmatch(repository) or len(host) + len(repository) >= NAME_CHARS_MAX:
        raise _invalid("It names no repository of a registry.")
    if (colon and not _TAG.fullmatch(tag)) or (at and not _DIGEST.fullmatch(digest)):
        raise _invalid("What it ends with is no tag and no digest of SHA-256.")
    return Reference(host, repository, tag if colon else "" if at else "latest", digest)


def _mapped(text: str, bases: dict[str, str]) -> str:
    for scheme, setting in MAPPED.items():
        if text.startswith(scheme):
            base = bases[setting].removeprefix(SCHEME).strip("/")
            if not base:
                message = f"Nothing says which registry {scheme} stands for."
                step = (
                    f"Write `{setting}` under [packs] in lichen.toml, or set GREENTIC_{setting.upper()}_REGISTRY_BASE."
                )
                raise Invalid(message, code="oci_registry_unsaid", next_step=step)
            return f"{SCHEME}{base}/{text.removeprefix(scheme).strip('/')}"
    return text


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="oci_reference_invalid", next_step=_STEP)
