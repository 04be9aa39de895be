"""The validators that `lichen pack doctor` asks: named by hand, in packs of theirs, or in the pack itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lichen.cli.packs.files import read_pack
from lichen.cli.signing.files import now
from lichen.core.words.errors import Invalid

if TYPE_CHECKING:
    from lichen.packs.checking.diagnostic import Diagnostic
    from lichen.packs.checking.validators import Validator
    from lichen.packs.container.archive import Archive
    from lichen.packs.proofs.trust import Ring

Rings = Callable[[], "Mapping[str, Ring]"]
_PINNED: Final = re.compile(r"(.+)@(sha256:[0-9a-f]{64})")


def validating(archive: Archive, named: list[str], *, own: bool, strict: bool, rings: Rings) -> Iterator[Diagnostic]:
    """What the validators find. One of a pack is asked where somebody who is trusted signed that pack, one of a file
    where its digest is the one named; with `strict` it has to be named.

    Raises NotFound (`file_missing`, `extra_missing`), and what `rings` raises.
    """
    from lichen.packs.checking.validators import carried, untrusted, validated

    for text in named:
        pinned = _PINNED.fullmatch(text)
        path, digest = (Path(pinned[1]), pinned[2]) if pinned else (Path(text), "")
        data = read_pack(path)
        if digest and digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
            yield untrusted(path.name, "it is another file than was named.")
        elif path.suffix == ".wasm" and (digest or not strict):
            yield from validated(archive, _bare(path, data))
        elif path.suffix == ".wasm":
            yield untrusted(path.name, "a strict look wants its digest.")
        else:
            yield from _of_pack(archive, path, data, rings, is_named=bool(digest))
    if own:
        if not carried(archive):
            return
        if (why := _refused(archive, rings)) is not None:
            yield untrusted(archive.name, why)
            return
        for each in carried(archive):
            yield from validated(archive, each)


def _bare(path: Path, data: bytes) -> Validator:
    from lichen.packs.checking.validators import Validator

    return Validator(path.name, data)


def _of_pack(archive: Archive, path: Path, data: bytes, rings: Rings, *, is_named: bool) -> Iterator[Diagnostic]:
    from lichen.packs.checking.validators import carried, untrusted, validated
    from lichen.packs.container.archive import opened

    theirs = opened(path.name, data)
    found = carried(theirs)
    if not found:
        step = "Name a component (`.wasm`), or a pack that carries one."
        raise Invalid("The pack carries no validator.", code="validator_missing", place=str(path), next_step=step)
    why = None if is_named else _refused(theirs, rings)
    if why is not None:
        yield untrusted(path.name, why)
        return
    for each in found:
        yield from validated(archive, each)


def _refused(archive: Archive, rings: Rings) -> str | None:
    """Why nobody who is trusted vouches for a pack, if nobody does."""
    from lichen.packs.manifests.reading import read_manifest
    from lichen.packs.proofs.trust import judged, proven

    proof = proven(archive, read_manifest(archive), statement=None)
    verdicts = [judged(proof, ring, now()) for ring in rings().values()]
    if any(each.is_ok for each in verdicts):
        return None
    return next((error.message for each in verdicts for error in each.errors), "nobody vouches for it.")
