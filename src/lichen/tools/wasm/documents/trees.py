"""JSON and CBOR of guests as JSON trees: bounded, without tags, without numbers that JSON does not have.

What says that it is CBOR is often JSON in truth; the first byte tells, for no CBOR of a size that crosses begins so.

Source: RFC 8259 (JSON); RFC 8949 (CBOR), section 3.4.6 (self-described); Greentic `canonical_cbor`: text keys by
(encoded length, bytes), definite lengths, no floats, no tags.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast

import cbor2
import msgspec

from lichen.core.words.errors import Invalid

BYTES_MAX: Final = 1_048_576
DEPTH_MAX: Final = 64
_SELF: Final = b"\xd9\xd9\xf7"  # the tag that says "this is CBOR"
_JSON_BEGINS: Final = (b"{", b"[")
_WHOLE: Final = range(-(2**63), 2**64)


def _tagged(*_: object) -> NoReturn:
    raise ValueError("a tag")


_TAGS: Final[dict[int, Any]] = dict.fromkeys((*range(6), 25, *range(28, 31), *range(35, 38), *range(43, 104)), _tagged)
_TAGS.update(dict.fromkeys((256, 258, 260, 261, 1004, 43000), _tagged))


def tree(data: bytes | str, what: str) -> Any:
    """What a guest said, as plain JSON values; bytes in it as base64. Raises Invalid (`component_invalid`)."""
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if len(raw) > BYTES_MAX:
        raise refused(what, f"is larger than {BYTES_MAX} bytes")
    try:
        if isinstance(data, str) or raw.lstrip()[:1] in _JSON_BEGINS:
            found: Any = msgspec.json.decode(raw)
        else:
            found = _decoded(raw.removeprefix(_SELF))
        return _plain(found, 0)
    except (msgspec.DecodeError, cbor2.CBORError, ValueError, TypeError, OverflowError):
        raise refused(what, "is neither JSON nor CBOR that JSON can say") from None
    except (RecursionError, MemoryError):
        raise refused(what, f"is deeper than {DEPTH_MAX} levels") from None


def text_or_tree(said: str) -> Any:
    """The JSON that a text is; a text that is none stays one."""
    try:
        return tree(said, "It")
    except Invalid:
        return said


def cbor(value: Any) -> bytes:
    """JSON values as CBOR."""
    return cbor2.dumps(value)


def json(value: Any) -> str:
    """JSON values as JSON."""
    return msgspec.json.encode(value).decode()


def digest(value: Any) -> str:
    """The SHA-256 of the canonical CBOR of a JSON value, as locks of packs have it of descriptions and schemas.

    A number with a fraction, which canonical CBOR cannot hold, stands there as JSON writes it.
    """
    return hashlib.sha256(cbor2.dumps(_whole(value), canonical=True)).hexdigest()


def table(said: object) -> Mapping[str, Any]:
    """A JSON object; an empty one for everything else."""
    return cast("Mapping[str, Any]", said) if isinstance(said, dict) else {}


def items(said: object) -> list[Any]:
    """A JSON list; an empty one for everything else."""
    return cast("list[Any]", said) if isinstance(said, list) else []


def refused(what: str, why: str) -> Invalid:
    """The error of something that a component said."""
    return Invalid(
        f"{what} {why}.",
        code="component_invalid",
        next_step="`lichen component inspect FILE` shows what it says; have whoever made it correct that.",
    )


def _decoded(raw: bytes) -> Any:
    stream = io.BytesIO(raw)
    decoder = cbor2.CBORDecoder(
        stream, tag_hook=_tagged, semantic_decoders=_TAGS, max_depth=DEPTH_MAX, allow_duplicate_keys=False
    )
    found = decoder.decode()
    if stream.tell() != len(raw):
        raise ValueError("something stands after the end")
    return found


def _plain(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise RecursionError
    match value:
        case None | bool() | str():
            return value
        case int() if value in _WHOLE:
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [_plain(each, depth + 1) for each in cast("list[Any]", value)]
        case dict():
            return {_key(key): _plain(each, depth + 1) for key, each in cast("dict[Any, Any]", value).items()}
        case _:
            raise ValueError("no value of JSON")


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise ValueError("a key is neither text nor a number")


def _whole(value: Any) -> Any:
    match value:
        case float():
            return int(value) if value.is_integer() else repr(value)
        case dict():
            return {key: _whole(each) for key, each in cast("dict[str, Any]", value).items()}
        case list() | tuple():
            return [_whole(each) for each in cast("list[Any]", value)]
        case _:
            return value
