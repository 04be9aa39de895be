"""The documents of an opened bundle: read strictly, with every mistake at its file, line and JSON pointer."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid
from lichen.packs.bundles.opening import Bundle
from lichen.packs.bundles.words import LOCK, MANIFEST, SETUP, WORKSPACE_LOCK, Lock, Manifest, Resolved, Setup
from lichen.settings.bundles import words
from lichen.settings.bundles.marked import BYTES_MAX, Marked
from lichen.settings.bundles.reading import read_words

T = TypeVar("T")
ROOT: Final = "bundle.yaml"
DEMOS: Final = ("greentic.demo.yaml", "greentic.operator.yaml", "demo/demo.yaml")
_STEP: Final = "Correct it; `lichen bundle doctor` reads it again."


class Documents(NamedTuple):
    """What a bundle says of itself. What is not there, or cannot be read, is None or left out."""

    root: words.Bundle | None
    marked: Marked | None
    demos: dict[str, words.Demo]
    operator: words.Operator | None
    manifest: Manifest | None
    lock: Lock | None
    lock_path: str
    setups: dict[str, Setup]
    resolved: dict[str, Resolved]
    errors: tuple[Invalid, ...]


def place_of(bundle: Bundle, path: str) -> str:
    """A file of a bundle as errors call it: `shop/bundle.yaml`, or `shop.gtbundle!/bundle.yaml`."""
    return f"{bundle.name}!/{path}" if bundle.name.endswith(".gtbundle") else f"{bundle.name}/{path}"


def read_documents(bundle: Bundle) -> Documents:
    """Every document that it has, and every mistake in them."""
    errors: list[Invalid] = []
    marked: Marked | None = None
    root: words.Bundle | None = None
    if ROOT in bundle:
        said = read_words(place_of(bundle, ROOT), bundle.read(ROOT), words.Bundle)
        marked, root = said.marked, said.words
        errors += said.errors
    demos = {path: _yaml(bundle, path, words.Demo, errors) for path in DEMOS if path in bundle}
    operator = _yaml(bundle, "greentic.yaml", words.Operator, errors) if "greentic.yaml" in bundle else None
    manifest = _json(bundle, MANIFEST, Manifest, errors) if MANIFEST in bundle else None
    lock_path = next((each for each in (LOCK, WORKSPACE_LOCK) if each in bundle), "")
    lock = _json(bundle, lock_path, Lock, errors) if lock_path else None
    setups = {path: _json(bundle, path, Setup, errors) for path in bundle if is_setup(path)}
    resolved = {path: _yaml(bundle, path, Resolved, errors) for path in bundle if is_resolved(path)}
    if root is None and not errors and not demos:
        message = f"There is no {ROOT}, and none of {', '.join(DEMOS)}."
        step = "Begin one with `lichen bundle new FOLDER`."
        errors.append(Invalid(message, code="bundle_unrooted", place=bundle.name, next_step=step))
    return Documents(
        root,
        marked,
        {path: each for path, each in demos.items() if each is not None},
        operator,
        manifest,
        lock,
        lock_path,
        {path: each for path, each in setups.items() if each is not None},
        {path: each for path, each in resolved.items() if each is not None},
        tuple(errors),
    )


def is_setup(path: str) -> bool:
    """Whether a file holds the answers that set a provider up."""
    return path.startswith(SETUP) and path.endswith(".json")


def is_resolved(path: str) -> bool:
    """Whether a file holds what was made of a target's rules."""
    return path.startswith("resolved/") and path.endswith((".yaml", ".yml"))


def _yaml(bundle: Bundle, path: str, kind: type[T], errors: list[Invalid]) -> T | None:
    said = read_words(place_of(bundle, path), bundle.read(path), kind)
    errors += said.errors
    return said.words


def _json(bundle: Bundle, path: str, kind: type[T], errors: list[Invalid]) -> T | None:
    """A JSON file as `kind`. Notes Invalid (`bundle_json`) with its JSON pointer."""
    data, place = bundle.read(path), place_of(bundle, path)
    try:
        if len(data) > BYTES_MAX:
            raise msgspec.DecodeError(f"it has more than {BYTES_MAX} bytes")
        value: Any = msgspec.json.decode(data)
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = misfit(error)
        at = f"{place}#{found.pointer}" if found.pointer else place
        errors.append(Invalid(f"{found.message}.", code="bundle_json", place=at, next_step=_STEP))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        errors.append(Invalid(f"It is not JSON: {error}.", code="bundle_json", place=place, next_step=_STEP))
    return None
