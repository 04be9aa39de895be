"""The values of arguments, each checked by its type before it can become a word of a command.

Every type says which texts are its own; the letters that shells act on are in none of those that are free. Source:
ToolClad, type system.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from lichen.core.patterns.pattern import TEXT_CHARS_MAX, PatternError, compiled
from lichen.tools.clad.manifest import Argument, CustomType, Scalar
from lichen.tools.clad.scope import HOSTNAME, TARGET_CHARS_MAX, is_address, is_network

INJECTION: Final = frozenset(";|&$`(){}[]<>!\n\r\0")
TEXT_BYTES_MAX: Final = 32 * 1024
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DURATION: Final = re.compile(r"(?=.)(?:[0-9]{1,9}h)?(?:[0-9]{1,9}m)?(?:[0-9]{1,9}s)?(?:[0-9]{1,9}ms)?|[0-9]{1,9}")
_OPTION: Final = re.compile(r"[A-Z][A-Z0-9_]*")

FREE: Final = frozenset(("string", "literal_text", "path", "url", "regex_match", "msf_options", "credential_file"))
"""Types of which a value may begin with a hyphen."""


class Unfit(ValueError):
    """Why a value is none of its type. It holds nothing of the value."""


def typed(argument: Argument, types: Mapping[str, CustomType]) -> Argument:
    """The argument as one of a built-in type. Raises Unfit for a type that there is not."""
    custom = types.get(argument.type)
    if custom is not None:
        said = {name: getattr(custom, name) for name in ("min", "max", "min_float", "max_float")}
        bounds = {name: value for name, value in said.items() if value is not None}
        argument = msgspec.structs.replace(
            argument,
            type=custom.base,
            allowed=custom.allowed or argument.allowed,
            pattern=custom.pattern or argument.pattern,
            **bounds,
        )
    if argument.type not in _TYPES:
        raise Unfit(f"there is no type {argument.type!r}")
    if argument.type == "enum" and not argument.allowed:
        raise Unfit("an enum has values that are `allowed`")
    if argument.type == "regex_match" and not argument.pattern:
        raise Unfit("regex_match has a `pattern`")
    if argument.pattern:
        _compiled(argument.pattern)
    return argument


def written(argument: Argument, value: Scalar) -> str:
    """A value as a word. Raises Unfit."""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX or "\0" in text:
        raise Unfit(f"must have at most {TEXT_BYTES_MAX} bytes, and no NUL")
    return _TYPES[argument.type](argument, text)


def schema(argument: Argument) -> Mapping[str, Any]:
    """The JSON Schema of its values, for models."""
    made: dict[str, Any] = dict(_SCHEMAS.get(argument.type, {"type": "string", "maxLength": TEXT_BYTES_MAX}))
    if argument.type == "enum":
        made = {"type": "string", "enum": list(argument.allowed)}
    if argument.type in ("integer", "number") and not argument.clamp:
        low, high = _bounds(argument)
        made |= {} if low is None else {"minimum": _natural(low)}
        made |= {} if high is None else {"maximum": _natural(high)}
    if argument.pattern and made["type"] == "string":
        made["pattern"] = argument.pattern
    said = argument.description or _SAID.get(argument.type, "")
    return {**made, "description": said} if said else made


def target_of(argument: Argument, text: str) -> str:
    """The host, address or network that a value points at."""
    return (urlsplit(text).hostname or "") if argument.type == "url" else text


# -- the types -----------------------------------------------------------------------------------------------------


def _free(argument: Argument, text: str) -> str:
    if set(text) & INJECTION:
        raise Unfit("must hold none of the letters that shells act on")
    return _literal(argument, text)


def _literal(argument: Argument, text: str) -> str:
    if argument.pattern and (len(text) > TEXT_CHARS_MAX or not _compiled(argument.pattern).search(text)):
        raise Unfit("must fit its pattern")
    return text


def _integer(argument: Argument, text: str) -> str:
    if not _INTEGER.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise Unfit("must be an integer")
    return str(int(_within(argument, int(text))))


def _number(argument: Argument, text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        raise Unfit("must be a number") from None
    if not math.isfinite(number):
        raise Unfit("must be a finite number")
    return str(float(_within(argument, number)))


def _within(argument: Argument, number: float) -> float:
    low, high = _bounds(argument)
    if argument.clamp:
        number = number if low is None else max(low, number)
        return number if high is None else min(high, number)
    if (low is not None and number < low) or (high is not None and number > high):
        raise Unfit("must lie within its bounds")
    return number


def _port(argument: Argument, text: str) -> str:
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= 65_535:
        raise Unfit("must be a port, 1 to 65535")
    return str(int(text))


def _boolean(argument: Argument, text: str) -> str:
    if text not in ("true", "false"):
        raise Unfit("must be true or false")
    return text


def _enum(argument: Argument, text: str) -> str:
    if text not in argument.allowed:
        raise Unfit(f"must be one of: {', '.join(argument.allowed)}")
    return text


def _target(argument: Argument, text: str) -> str:
    _free(argument, text)
    is_well = 0 < len(text) <= TARGET_CHARS_MAX and text.isascii() and "xn--" not in text.lower()
    if not is_well or not (is_network(text) or HOSTNAME.fullmatch(text)):
        raise Unfit("must be an address, a network in CIDR notation, or a plain host name")
    return text


def _url(argument: Argument, text: str) -> str:
    _free(argument, text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Unfit("must be a URL") from None
    if parts.scheme not in (argument.schemes or ("http", "https")) or "@" in parts.netloc or " " in text:
        raise Unfit(f"must be a URL of: {', '.join(argument.schemes or ('http', 'https'))}")
    _target(msgspec.structs.replace(argument, pattern=""), host)
    return text


def _path(argument: Argument, text: str) -> str:
    _free(argument, text)
    if not text or text[0] in "/\\" or text[1:2] == ":":
        raise Unfit("must be a relative path")
    if ".." in re.split(r"[/\\]", text):
        raise Unfit("must not lead upwards")
    return text


def _address(argument: Argument, text: str) -> str:
    if not is_address(text):
        raise Unfit("must be an IP address")
    return text


def _cidr(argument: Argument, text: str) -> str:
    if "/" not in text or not is_network(text):
        raise Unfit("must be a network in CIDR notation")
    return text


def _options(argument: Argument, text: str) -> str:
    for pair in filter(None, (each.strip() for each in text.split(";"))):
        key, _, value = pair.removeprefix("set ").strip().partition(" ")
        if not _OPTION.fullmatch(key) or not value or set(value) & INJECTION:
            raise Unfit("must be pairs KEY VALUE, parted by semicolons")
    return text


def _duration(argument: Argument, text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise Unfit("must be a duration such as 30, 5m or 1h30m")
    return text


_TYPES: Final[Mapping[str, Callable[[Argument, str], str]]] = {
    "string": _free, "literal_text": _literal, "regex_match": _free, "integer": _integer, "number": _number,
    "port": _port, "boolean": _boolean, "enum": _enum, "scope_target": _target, "url": _url, "path": _path,
    "credential_file": _path, "ip_address": _address, "cidr": _cidr, "msf_options": _options, "duration": _duration,
}  # fmt: skip
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
    "boolean": {"type": "boolean"},
}
_SAID: Final[Mapping[str, str]] = {
    "scope_target": "An address, a network in CIDR notation, or a host name.",
    "url": "A URL.",
    "path": "A relative path.",
    "credential_file": "A relative path.",
    "ip_address": "An IP address.",
    "cidr": "A network in CIDR notation.",
    "msf_options": "Pairs KEY VALUE, parted by semicolons.",
    "duration": "A duration such as 30, 5m or 1h30m.",
}


def _bounds(argument: Argument) -> tuple[float | None, float | None]:
    low = argument.min_float if argument.min_float is not None else argument.min
    high = argument.max_float if argument.max_float is not None else argument.max
    return low, high


def _natural(number: float) -> float:
    return int(number) if float(number).is_integer() else number


@lru_cache(1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(compiled(pattern).pattern)  # with the case that was written
    except PatternError as error:
        raise Unfit(f"its pattern cannot be used: {error}") from None
