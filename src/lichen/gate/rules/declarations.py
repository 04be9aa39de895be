"""The two small files beside the policies: `meters.toml` declares sums, `policy.toml` chooses what is built in.

An environment's own folder may have a `meters.toml` too: what it declares is there for that environment alone.

[[meter]]                                     # meters.toml
name = "refunded"                             # policies read context.meters.refunded
tools = ["payments.refund"]                   # calls of these count
amount = "amount"                             # this integer argument is summed; without it, calls are counted
per = "subject"                               # subject, session, run, tenant or argument
per_argument = "order_id"                     # with per = "argument": kept apart by this argument's value
window = "day"                                # per UTC day, or "forever"

base = true                                   # policy.toml: add the built-in permits of lichen.gate.rules.policies.BASE
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.policy import MODEL_METERS, RUN_METERS, Meter
from lichen.core.words.errors import Invalid
from lichen.gate.cedar.shapes import projection

METERS_FILE: Final = "meters.toml"
METERS_MAX: Final = 256

_HEADER = re.compile(r"^\s*\[\[\s*meter\s*\]\]", re.MULTILINE)
_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_INDEX = re.compile(r"\$\.meter\[(\d+)\]")
_SCALARS: Final = ("Long", "String", "Boolean")


class _Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
    tools: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    amount: str | None = None
    per: Literal["subject", "session", "run", "tenant", "argument"] = "subject"
    per_argument: str | None = None
    window: Literal["day", "forever"] = "forever"


class _Meters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    meter: Annotated[tuple[_Meter, ...], msgspec.Meta(max_length=METERS_MAX)] = ()


class PolicySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`policy.toml`: whether the built-in permits are added."""

    base: bool = True


def files_in(directory: Path) -> tuple[Path, ...]:
    """The policies and meters of a directory, or of an environment's folder in it."""
    return (*directory.glob("*.cedar"), *directory.glob(METERS_FILE))


def declared_meters(
    files: Mapping[str, str], tools: Mapping[str, ToolSpec], servers: Container[str] = ()
) -> tuple[Meter, ...]:
    """The meters of every `meters.toml` among these files. What one of these servers offers may yet be unknown.

    Raises Invalid (`meters_invalid`) with file, line and column.
    """
    found: dict[str, Meter] = {}
    for file, text in sorted(files.items(), key=lambda each: (each[0].startswith("("), each[0])):  # those of packs last
        if PurePosixPath(file).name == METERS_FILE:
            for meter, place in _declared(file, text):
                problem = _problem(meter, tools, servers) or (
                    meter.name in found and f"there are two meters {meter.name}"
                )
                if problem:
                    raise _refuse(f"Meter {meter.name}: {problem}.", place)
                found[meter.name] = msgspec.convert(msgspec.to_builtins(meter), Meter)
    if len(found) > METERS_MAX:
        raise _refuse(f"There are more than {METERS_MAX} meters.", METERS_FILE)
    return tuple(found.values())


def _declared(file: str, text: str) -> Iterator[tuple[_Meter, str]]:
    """The meters of one file, each with its place."""
    data = _toml(file, text, "meters_invalid")
    places = [f"{file}:{text.count(chr(10), 0, match.end()) + 1}:1" for match in _HEADER.finditer(text)]
    try:
        declared = msgspec.convert(data, _Meters).meter
    except msgspec.ValidationError as error:
        index = _INDEX.search(str(error))
        place = places[int(index[1])] if index and int(index[1]) < len(places) else f"{file}:1:1"
        raise _refuse(f"{error}.", place) from error
    yield from zip(declared, [*places, *[f"{file}:1:1"] * len(declared)], strict=False)


def policy_settings(file: str, text: str) -> PolicySettings:
    """The settings of a `policy.toml`. Raises Invalid (`policy_settings`)."""
    try:
        return msgspec.convert(_toml(file, text, "policy_settings"), PolicySettings)
    except msgspec.ValidationError as error:
        raise Invalid(f"{error}.", code="policy_settings", place=f"{file}:1:1") from error


def _toml(file: str, text: str, code: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise Invalid("The file nests too deep.", code=code, place=file) from None
    except tomllib.TOMLDecodeError as error:
        at = _TOML_PLACE.search(str(error))
        end = f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}"
        place = f"{file}:{at[1]}:{at[2]}" if at else f"{file}:{end}"
        raise Invalid(f"This is no TOML: {str(error).partition(' (at')[0]}.", code=code, place=place) from error


def _refuse(message: str, place: str) -> Invalid:
    return Invalid(
        message,
        code="meters_invalid",
        next_step="Correct the declaration; `lichen policy check` reads it again.",
        place=place,
    )


def is_offered(name: str, servers: Container[str]) -> bool:
    """Whether a tool of this name would be one of these servers."""
    return name.partition(".")[0] in servers


def _problem(meter: _Meter, tools: Mapping[str, ToolSpec], servers: Container[str]) -> str | None:
    if meter.name in MODEL_METERS or meter.name in RUN_METERS:
        return "this is the name of what is counted of runs and models"
    if (meter.per == "argument") != (meter.per_argument is not None):
        return 'per = "argument" and per_argument come together or not at all'
    for name in meter.tools:
        if name not in tools and is_offered(name, servers):
            continue
        if name not in tools:
            return f"there is no tool {name}"
        if meter.amount is not None and _type(tools[name], meter.amount) != "Long":
            return f"argument {meter.amount} of {name} is no integer"
        if meter.per_argument is not None and _type(tools[name], meter.per_argument) not in _SCALARS:
            return f"argument {meter.per_argument} of {name} is no integer, string or boolean"
    return None


def _type(tool: ToolSpec, argument: str) -> str | None:
    attributes = projection(tool.input_schema, "args").shape.cedar["attributes"]
    return attributes.get(argument, {}).get("type")
