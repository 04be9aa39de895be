"""Where what does not fit stands: msgspec's words, told as a request and as a document are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import pytest

from lichen.core.reading.misfits import misfit, read_as
from lichen.core.words.errors import Invalid


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[Part, ...] = ()
    by_name: Mapping[str, Part] = {}
    counts: Mapping[int, int] = {}


@pytest.mark.req("HOUSE-2.2")
@pytest.mark.parametrize(
    ("value", "place", "pointer", "field"),
    [
        (7, "$", "", ""),
        ({"part": []}, "$", "/part", "part"),
        ({"parts": [{"name": "a"}, {}]}, "$.parts[1]", "/parts/1/name", "name"),
        ({"parts": [{"name": "a", "size": 0}]}, "$.parts[0].size", "/parts/0/size", ""),
        ({"by_name": {"x": {"name": 7}}}, "$.by_name[...].name", "/by_name/*/name", ""),
        ({"by_name": {"x": {"name": "a", "more": 1}}}, "$.by_name[...]", "/by_name/*/more", "more"),
        ({"counts": {"one": 1}}, "$.counts", "/counts", ""),
    ],
)
def test_the_place_of_what_does_not_fit_is_told_alike_everywhere(
    value: Any, place: str, pointer: str, field: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, Whole)
    found = misfit(caught.value)
    assert (f"${found.path}", found.pointer, found.field) == (place, pointer, field)
    assert " - at " not in found.message


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"parts": [{'])
def test_a_body_that_is_no_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(Invalid, match="not JSON") as refused:
        read_as(lambda: msgspec.json.decode(body, type=Whole), "body_invalid", place="$.inner")
    assert (refused.value.code, refused.value.place) == ("body_invalid", "$.inner")
