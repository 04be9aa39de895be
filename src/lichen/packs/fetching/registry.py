"""A registry as it is asked: for manifests and blobs by their digests, and to keep what we publish.

Source: OCI Distribution Specification 1.1, "Pull" and "Push" (a blob in one piece, by POST and PUT).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from lichen.core.words.errors import LichenError, NotFound
from lichen.packs.fetching.challenge import Challenge, challenge_in, check_realm, denied, token_for
from lichen.packs.fetching.credentials import Credentials, credentials_of
from lichen.packs.fetching.manifest import DOCKER, IMAGE, LISTS, MANIFEST_BYTES_MAX, Descriptor, digest_of
from lichen.packs.fetching.references import Reference
from lichen.packs.fetching.terms import Terms, endpoint_of
from lichen.packs.fetching.wire import Ask, Reply, Wire, checked, origin, unreachable

PULL: Final = "pull"
PUSH: Final = "pull,push"


class Manifest(NamedTuple):
    """A manifest as it came, and its digest, which is that of these bytes."""

    data: bytes
    media: str
    digest: str


class Registry:
    """A repository of a registry for one errand; `with` closes its connections."""

    def __init__(
        self, terms: Terms, reference: Reference, *, may: str = PULL, seen: Callable[[int], None] | None = None
    ) -> None:
        """Raises Invalid (`oci_insecure_refused`, `oci_ca_invalid`), NotFound (`extra_missing`)."""
        self._terms, self._reference = terms, reference
        self._said = terms.of(reference.host)
        self._endpoint = endpoint_of(self._said)
        self._wire = Wire(self._endpoint, ca=terms.root / self._said.ca if self._said.ca else None, seen=seen)
        self._scope = f"repository:{reference.repository}:{may}"
        self._shown = ""  # what the registry wanted to see

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.__exit__()

    def manifest(self) -> Manifest:
        """The manifest that the reference names. Raises NotFound (`oci_unknown`), Invalid (`oci_digest_differs`), and
        what asking does."""
        headers = {"Accept": ", ".join((IMAGE, DOCKER, *LISTS))}
        url = self._url(f"manifests/{self._reference.wanted}")
        reply = self._asked(Ask("GET", url, headers), bytes_max=MANIFEST_BYTES_MAX)
        self._expect(reply, 200)
        digest = self._reference.digest or digest_of(reply.body)
        return Manifest(checked(reply.body, digest), reply.media, digest)

    def blob(self, layer: Descriptor) -> bytes:
        """The bytes that a manifest names, from wherever the registry has them. Raises as `manifest`."""
        ask = Ask("GET", self._url(f"blobs/{layer.digest}"))
        reply = self._asked(ask, bytes_max=layer.size, may_move=True)
        self._expect(reply, 200)
        return checked(reply.body, layer.digest, layer.size)

    def put_blob(self, data: bytes) -> None:
        """Has the registry keep some bytes, unless it does. Raises what asking does."""
        digest = digest_of(data)
        if self._asked(Ask("HEAD", self._url(f"blobs/{digest}"))).status == 200:
            return
        begun = self._asked(Ask("POST", self._url("blobs/uploads/")))
        self._expect(begun, 202)
        url = self._own(begun.headers.get("location", ""))
        whole = f"{url}{'&' if '?' in url else '?'}digest={digest}"
        reply = self._asked(Ask("PUT", whole, {"Content-Type": "application/octet-stream"}, data))
        self._expect(reply, 201)

    def put_manifest(self, data: bytes) -> str:
        """Has the registry keep a manifest by its tag, and by its digest, which is returned."""
        digest = digest_of(data)
        url = self._url(f"manifests/{self._reference.tag or digest}")
        self._expect(self._asked(Ask("PUT", url, {"Content-Type": IMAGE}, data)), 201)
        return digest

    # -- asking --------------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"{self._endpoint}/v2/{self._reference.repository}/{path}"

    def _own(self, location: str) -> str:
        """An address of the registry itself that it names. Raises Unavailable (`pack_unreachable`)."""
        url = location if "://" in location else f"{self._endpoint}{location}"
        if (
            len(location) > 8_192
            or not (location.startswith("/") or "://" in location)
            or (origin(url) != self._endpoint)
        ):
            raise unreachable(f"{self._endpoint} does not say at an address of its own where it takes what we push.")
        return url

    def _asked(self, ask: Ask, *, bytes_max: int | None = None, may_move: bool = False) -> Reply:
        """The answer, after the registry was shown what it asked for. Raises Denied (`oci_denied`,
        `oci_realm_refused`)."""
        bounds = {} if bytes_max is None else {"bytes_max": max(bytes_max, 64 * 1024)}
        reply = self._wire.ask(self._showing(ask), may_move=may_move, **bounds)
        if reply.status == 401:
            self._shown = self._wanted(reply)
            reply = self._wire.ask(self._showing(ask), may_move=may_move, **bounds)
        if reply.status in (401, 403):
            raise denied(f"{self._reference.host} does not let us have {self._reference.repository}.")
        return reply

    def _showing(self, ask: Ask) -> Ask:
        return ask._replace(headers={**ask.headers, "Authorization": self._shown}) if self._shown else ask

    def _wanted(self, reply: Reply) -> str:
        """What a registry is shown that did not know us."""
        known = credentials_of(self._terms, self._said)
        challenge = challenge_in(reply.headers.get("www-authenticate", ""))
        if known.token:
            return f"Bearer {known.token}"
        match challenge.scheme:
            case "basic" if known.username:
                return known.basic
            case "bearer" if challenge.realm:
                return f"Bearer {self._token(challenge, known)}"
            case _:
                raise denied(f"{self._reference.host} does not let us have {self._reference.repository}.")

    def _token(self, challenge: Challenge, known: Credentials) -> str:
        at = check_realm(challenge, self._said, self._endpoint)
        if at == self._endpoint:
            return token_for(self._wire, challenge, known, self._scope)
        ca = self._terms.root / self._said.ca if self._said.ca else None
        with Wire(at, ca=ca) as wire:
            return token_for(wire, challenge, known, self._scope)

    def _expect(self, reply: Reply, status: int) -> None:
        if reply.status == status:
            return
        if reply.status == 404:
            raise self._unknown()
        raise unreachable(f"{self._endpoint} answers with status {reply.status}.")

    def _unknown(self) -> LichenError:
        step = "Correct the reference, or push it there with `lichen pack push`."
        return NotFound(f"{self._reference} is not in its registry.", code="oci_unknown", next_step=step)
