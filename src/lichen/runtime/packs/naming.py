"""What the entries of `packs` name: files and folders, patterns of files, and packs in registries."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from lichen.settings.file import Settings
from lichen.settings.packs.table import PackFile

if TYPE_CHECKING:
    from lichen.core.words.errors import LichenError
    from lichen.packs.fetching.references import Reference

FAR: Final = ("oci://", "repo://", "store://")
_PATTERN: Final = frozenset("*?[")


class Named(NamedTuple):
    """What one entry names, and which entry that is."""

    number: int
    said: PackFile


class Came(NamedTuple):
    """What came from a registry or the cache; `warning` says why it may not be the newest."""

    reference: Reference
    data: bytes
    is_cached: bool
    warning: LichenError | None


def packs_named(settings: Settings) -> Iterator[Named]:
    """What the entries name, in their order, a pattern by every file that fits. One that fits none stands for itself:
    whoever opens it says that there is no such file."""
    for number, one in enumerate(settings.parts.packs):
        said = PackFile(one) if isinstance(one, str) else one
        fitting = [] if is_far(said.file) else _fitting(settings.root, said.file)
        for name in fitting or [said.file]:
            yield Named(number, msgspec.structs.replace(said, file=name))


def is_far(name: str) -> bool:
    """Whether it lies in a registry, and in no file of the project."""
    return name.startswith(FAR)


def lies_at(settings: Settings, said: PackFile) -> Path:
    """Where a pack lies. One of a registry lies nowhere on the disk; it is the same place whatever version is named.

    Raises Invalid (`oci_reference_invalid`, `oci_registry_unsaid`).
    """
    if not is_far(said.file):
        return settings.root / said.file
    found = reference_of(settings, said.file)
    return settings.root / "oci:" / found.host / found.repository


def reference_of(settings: Settings, name: str, environ: Mapping[str, str] | None = None) -> Reference:
    """What a name says of a registry. Raises Invalid (`oci_reference_invalid`, `oci_registry_unsaid`)."""
    from lichen.packs.fetching.references import reference_in  # for projects with packs of registries only
    from lichen.packs.fetching.terms import terms_of

    terms = terms_of(settings, os.environ if environ is None else environ)
    return reference_in(name, repo=terms.repo, store=terms.store)


def came(
    settings: Settings, name: str, *, is_component: bool = False, seen: Callable[[int], None] | None = None
) -> Came:
    """What a name says, from the cache or its registry. Raises LichenError (`oci_…`, `pack_unreachable`)."""
    from lichen.packs.fetching.fetch import fetched  # for projects with packs of registries only
    from lichen.packs.fetching.terms import terms_of

    reference = reference_of(settings, name)
    found = fetched(terms_of(settings, os.environ), reference, "component" if is_component else "pack", seen=seen)
    return Came(found.reference, found.data, found.is_cached, found.warning)


def followed(before: Settings, now: Settings) -> Settings:
    """Settings in which packs of registries are the versions that the file names now; nothing else of it is taken."""
    moved = {_without_version(each): each for each in now.parts.packs if is_far(_file_of(each))}
    packs = tuple(
        _moved(each, moved.get(_without_version(each), each)) if is_far(_file_of(each)) else each
        for each in before.parts.packs
    )
    return msgspec.structs.replace(before, parts=msgspec.structs.replace(before.parts, packs=packs))


def _file_of(entry: str | PackFile) -> str:
    return entry if isinstance(entry, str) else entry.file


def _without_version(entry: str | PackFile) -> str:
    """What an entry names without tag and digest: a colon after the last slash is no port."""
    name = _file_of(entry).partition("@")[0]
    above, slash, last = name.rpartition("/")
    return f"{above}{slash}{last.partition(':')[0]}"


def _moved(before: str | PackFile, now: str | PackFile) -> str | PackFile:
    """An entry with the version of another, and the digest that goes with it."""
    if isinstance(before, str):
        return _file_of(now)
    digest = "" if isinstance(now, str) else now.digest
    return msgspec.structs.replace(before, file=_file_of(now), digest=digest)


def _fitting(root: Path, pattern: str) -> list[str]:
    if not _PATTERN.intersection(pattern) or Path(pattern).is_absolute() or (root / pattern).exists():
        return []
    return sorted(str(found.relative_to(root)) for found in root.glob(pattern))
