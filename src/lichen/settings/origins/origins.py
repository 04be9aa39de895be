"""Every value that settings have or could have, and who says it: the last of default, user, file, variable, option."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from lichen.core.words.errors import NotFound
from lichen.settings.decoding import decode
from lichen.settings.file import CHANNEL
from lichen.settings.layers.layers import Layers, says
from lichen.settings.places import Step, spelt
from lichen.settings.providers import PROVIDERS

HOME: Final = "lichen.home"
VARIABLE: Final = "LICHEN_HOME"
OPTION: Final = "--home"
HIDDEN: Final = "(not shown)"

_SECRET_TABLES: Final = ("secrets", "headers", "env")  # what stands below them may be a secret by mistake
_SECRET_NAME: Final = re.compile(r"(?i)token|secret|passw|key$|private|credential")
_MOVED: Final[Mapping[str, tuple[str, ...]]] = {CHANNEL: (), PROVIDERS: ("models",)}  # where the file has these tables
_USERINFO: Final = re.compile(r"(?<=//)[^/@\s]+(?=@)")

Kind = Literal["default", "user", "bundle", "file", "variable", "option"]


class Origin(msgspec.Struct, frozen=True):
    """A value and who says it: `place` is `file:line`, the name of the variable or option, or empty for a default."""

    key: str
    value: Any
    kind: Kind
    place: str = ""


def origins(path: Path, *, environ: Mapping[str, str], option: str = "") -> tuple[Origin, ...]:
    """Where all values come from that apply for the file at `path`, `option` being what `--home` says.

    Raises Invalid (`settings_invalid`), the first mistake of the file.
    """
    decoded = decode(path, environ)
    if decoded.file is None or decoded.errors:
        raise decoded.errors[0]
    found = (_origin(decoded.layers, steps, value) for steps, value in _leaves((), decoded.file))
    return tuple(_overridden(each, environ, option) if each.key == HOME else each for each in found)


def chosen(found: tuple[Origin, ...], key: str) -> tuple[Origin, ...]:
    """Those of a key, and of everything below it. Raises NotFound (`setting_unknown`)."""
    below = tuple(each for each in found if each.key == key or each.key.startswith((f"{key}.", f"{key}[")))
    if not below:
        step = "Run `lichen config explain` for all there are."
        raise NotFound(f"There is no setting {key!r}.", code="setting_unknown", next_step=step)
    return below


def _overridden(origin: Origin, environ: Mapping[str, str], option: str) -> Origin:
    if option:
        return Origin(origin.key, option, "option", OPTION)
    given = environ.get(VARIABLE)
    return Origin(origin.key, given, "variable", VARIABLE) if given else origin


def _origin(layers: Layers, steps: tuple[Step, ...], value: Any) -> Origin:
    key, layer = spelt(steps), layers.of(steps)
    if not says(layer.document, steps):
        return Origin(key, value, "default")
    return Origin(key, _shown(steps, value), layer.kind, layer.at(steps))


def _leaves(steps: tuple[Step, ...], value: object) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Every value that is no table, by the path to it; a list of plain values is one, and so is an empty table."""
    if isinstance(value, msgspec.Struct):
        kind = type(value)
        for field, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            each = getattr(value, field)
            if name not in _MOVED:
                yield from _leaves((*steps, name), each)
            elif each:
                yield from _leaves((*steps, *_MOVED[name]), each)
    elif isinstance(value, Mapping) and value:
        for name, each in cast("Mapping[str, object]", value).items():
            yield from _leaves((*steps, name), each)
    elif isinstance(value, tuple) and any(isinstance(each, msgspec.Struct) for each in cast("tuple[object]", value)):
        for number, each in enumerate(cast("tuple[object]", value)):
            yield from _leaves((*steps, number), each)
    else:
        yield steps, msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))


def _shown(steps: tuple[Step, ...], value: Any) -> Any:
    if any(step in _SECRET_TABLES for step in steps[:-1]):
        return HIDDEN
    if isinstance(value, str):
        if _SECRET_NAME.search(spelt(steps[-1:])):
            return HIDDEN
        return _USERINFO.sub("***", value)
    if isinstance(value, list):
        return [_shown((), each) for each in cast("list[Any]", value)]
    return value
