"""A TOML text as a `File`, with every mistake in it: at its line, with what is meant where that can be guessed."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec

from lichen.core.reading.misfits import Misfit, Steps, misfit
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.settings.bundles.finding import SUFFIXES, folder_of, started_by
from lichen.settings.bundles.standing import stand_in
from lichen.settings.file import CHANNEL, FILE, File, Tenant
from lichen.settings.layers.layers import Layer, Layers, toml_layer
from lichen.settings.layers.user import user_layer
from lichen.settings.layers.variables import variable_layer
from lichen.settings.places import line_of, texts_place, without
from lichen.settings.providers import NO_PROVIDERS, ProviderTable

T = TypeVar("T")

MISTAKES_MAX: Final = 50
NOTHING: Final[Mapping[str, str]] = {}
CODE: Final = "settings_invalid"

_VALUE = re.compile(r"[Ii]nvalid enum value '([^']*)'")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)")


class Decoded(NamedTuple):
    """What the text says, as far as it could be read, and what is wrong with it."""

    text: str
    file: File | None
    errors: tuple[Invalid, ...]
    layers: Layers = Layers(())
    root: Path | None = None  # the folder that paths are from, where it is not the file's
    warnings: tuple[LichenError, ...] = ()


def decode(path: Path, environ: Mapping[str, str] = NOTHING) -> Decoded:
    """The file at `path`, with the user's own and its bundle below it and what variables say over it.

    A file that starts a bundle's folder is read as the `lichen.toml` that stands for it. Every error is an Invalid
    (`settings_invalid`, `user_…`, `bundle_…`) with its line.
    """
    own, over = user_layer(environ), variable_layer(environ)
    below = () if own.layer is None else (own.layer,)
    if path.suffix in SUFFIXES:
        stands = stand_in(path.resolve(), environ)
        found = _converted("", Layers((*below, stands.layer, over)))
        errors = (*own.errors, *stands.errors, *found.errors)
        return found._replace(errors=errors, root=stands.root, warnings=stands.warnings)
    try:
        text = path.read_text(encoding="utf-8")
        layer = toml_layer("file", str(path), text)
    except (OSError, UnicodeDecodeError) as error:
        message = f"The file cannot be read: {error}."
        return Decoded("", None, (Invalid(message, code=CODE, place=str(path), next_step=f"Make {FILE} readable."),))
    except tomllib.TOMLDecodeError as error:
        return Decoded("", None, (_not_toml(path, error),))
    brought, errors, warnings = _brought(path, Layers((layer, over)), environ)
    found = _converted(text, Layers((*below, *brought, layer, over)))
    return found._replace(errors=(*own.errors, *errors, *found.errors), warnings=warnings)


def _brought(
    path: Path, layers: Layers, environ: Mapping[str, str]
) -> tuple[tuple[Layer, ...], tuple[Invalid, ...], tuple[LichenError, ...]]:
    """What the bundle says that a project has, and what is wrong with it and not done of it."""
    said: Any = layers.document.get("lichen")
    name: Any = cast("dict[str, Any]", said).get("bundle") if isinstance(said, dict) else None
    if not isinstance(name, str) or not name:
        return (), (), ()
    root, place = path.resolve().parent, layers.place(("lichen", "bundle"))
    written = cast("dict[str, Any]", said).get("home", ".lichen")
    home = Path(environ.get("LICHEN_HOME") or root / (written if isinstance(written, str) else ".lichen")).resolve()
    try:
        folder = folder_of(root / name, home)
    except NotFound as error:
        return (), (Invalid(error.message, code=error.code, place=place, next_step=error.next_step),), ()
    start = started_by(folder)
    if start is None:
        message = "The bundle is not unpacked, or nothing in it starts it."
        step = "Run `lichen bundle doctor` on it; `lichen serve` and `lichen doctor` unpack it."
        return (), (Invalid(message, code="bundle_unopened", place=place, next_step=step),), ()
    stands = stand_in(start, environ, root)
    return (stands.layer,), stands.errors, stands.warnings


def _not_toml(path: Path, error: tomllib.TOMLDecodeError) -> Invalid:
    found = _TOML_PLACE.search(str(error))
    place = f"{path}:{found[1]}:{found[2]}" if found and found[1] else str(path)
    message = _TOML_PLACE.sub("", str(error))
    step = "Correct the line; `lichen doctor` reads it again."
    if "immutable" in message or "mutate" in message or "overwrite" in message:
        step = "What is written `name = [...]` cannot be added to with [[name]]: put it inside the brackets."
    return Invalid(f"The file is not TOML: {message}.", code=CODE, place=place, next_step=step)


def _converted(text: str, layers: Layers) -> Decoded:
    """Reads again without what was wrong, so that one mistake does not hide the next."""
    rest = copy.deepcopy(layers.document)
    found: dict[Steps, _Mistake] = {}
    file: File | None = None
    for _ in range(MISTAKES_MAX):
        try:
            file = _convert(rest)
            break
        except _Mistake as mistake:
            if mistake.lacks not in found:
                found[mistake.steps] = mistake
            if not mistake.steps or not without(rest, mistake.steps):
                break
    ordered = sorted(found.values(), key=lambda mistake: line_of(text, mistake.steps) or 0)
    errors = tuple(_invalid(layers.place(mistake.steps), mistake) for mistake in ordered)
    return Decoded(text, file, errors, layers)


class _Mistake(Exception):
    """What msgspec said, the path to it, and what could stand there."""

    def __init__(self, above: Steps, found: Misfit, known: tuple[str, ...]) -> None:
        super().__init__(found.message)
        self.message, self.known = found.message, known
        within = (*above, *found.steps)
        named = (*within, found.field) if found.field else within
        self.steps, self.lacks = (within, named) if found.lacks else (named, ())  # what is there, and what is not


def _convert(document: dict[str, Any]) -> File:
    """Tenants one by one: msgspec does not tell in which entry of a table a mistake is."""
    tenants: dict[str, Any] = {}
    given: Any = document.get("tenants")
    for name, tenant in cast("dict[str, Any]", given).items() if isinstance(given, dict) else ():
        rest, providers = _without_providers(tenant, ("tenants", name, "models"))
        read: Tenant = _part(_with_channels(rest), Tenant, ("tenants", name))
        tenants[name] = msgspec.structs.replace(read, models=providers)
    rest, providers = _without_providers(document, ("models",))
    whole: dict[str, Any] = {**rest, "tenants": {}} if isinstance(given, dict) else rest
    return msgspec.structs.replace(_part(whole, File, ()), tenants=tenants, providers=providers)


def _without_providers(table: Any, at: Steps) -> tuple[Any, dict[str, ProviderTable]]:
    """A table without what its `models` says of providers, and that, one by one for the same reason."""
    whole = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
    models: Any = whole.get("models")
    if not isinstance(models, dict):
        return cast("Any", table), {}
    said = cast("dict[str, Any]", models)
    named: dict[str, Any] = {
        name: each for name, each in said.items() if isinstance(each, dict) and name not in NO_PROVIDERS
    }
    read: dict[str, ProviderTable] = {name: _part(each, ProviderTable, (*at, name)) for name, each in named.items()}
    left = {name: each for name, each in said.items() if name not in named}
    rest = {name: each for name, each in whole.items() if name != "models"}
    return ({**rest, "models": left} if left else rest), read


def _with_channels(tenant: Any) -> Any:
    """A tenant's table with those in it that are named for a channel under one name."""
    if not isinstance(tenant, dict):
        return tenant
    own = {field.encode_name for field in msgspec.structs.fields(Tenant)}
    given = cast("dict[str, Any]", tenant)
    named: dict[str, Any] = {
        name: table for name, table in given.items() if isinstance(table, dict) and name not in own
    }
    return {**{name: value for name, value in given.items() if name not in named}, CHANNEL: named}


def table(path: Path, text: str, value: object, kind: type[T], *steps: str) -> T:
    """A table at `steps` as `kind`. Raises Invalid (`settings_invalid`) with the line of the first mistake in it."""
    try:
        return _part(value, kind, steps)
    except _Mistake as mistake:
        raise _invalid(texts_place(str(path), text, mistake.steps), mistake) from None


def _part(value: object, kind: Any, above: Steps) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = misfit(error)
        known = _known(kind, found.steps, is_field=bool(found.field) and not found.lacks)
        raise _Mistake(above, found, known) from None


def _known(kind: Any, steps: Steps, *, is_field: bool) -> tuple[str, ...]:
    """The names or words that could stand at a path of a type."""
    info: Any = msgspec.inspect.type_info(kind)
    for step in steps:
        info = _inner(info, step)
        if info is None:
            return ()
    info = _bare(info)
    if is_field and isinstance(info, msgspec.inspect.StructType):
        return tuple(field.encode_name for field in info.fields)
    return tuple(str(value) for value in info.values) if isinstance(info, msgspec.inspect.LiteralType) else ()


def _inner(info: Any, step: object) -> Any:
    info = _bare(info)
    match info:
        case msgspec.inspect.StructType():
            return next((field.type for field in info.fields if field.encode_name == step), None)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return info.item_type
        case msgspec.inspect.DictType():
            return info.value_type
        case _:
            return None


def _bare(info: Any) -> Any:
    """The type without `| None` and metadata."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return _bare(next((one for one in info.types if not isinstance(one, msgspec.inspect.NoneType)), info.types[0]))
    return info


def _invalid(place: str, mistake: _Mistake) -> Invalid:
    value = _VALUE.search(mistake.message)
    name = value[1] if value else str(mistake.steps[-1]) if mistake.steps else ""
    step = f"Correct {FILE}; `lichen doctor` reads it again."
    if mistake.known:
        (close,) = get_close_matches(name, mistake.known, 1) or ("",)
        step = f"Did you mean {close!r}? " if close else ""
        step += f"It knows: {', '.join(mistake.known)}."
    return Invalid(f"{mistake.message}.", code=CODE, next_step=step, place=place)
