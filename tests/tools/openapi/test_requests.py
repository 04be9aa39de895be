"""What a call sends: values as the document says they are written, and never out of their place."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.ports.call import InvalidArguments, NotDone
from lichen.tools.openapi.requests import requested
from lichen.tools.openapi.styles import in_header, in_path, in_query
from tests.tools.openapi.apis import called, document, meta, saying, serving, tool_of

COLOURS, RGB = ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}


def parameter(name: str, place: str, **said: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {}, **said}


@pytest.mark.req("LIC-20.32")
@pytest.mark.parametrize(
    ("style", "explode", "array", "record"),
    [  # OpenAPI 3.1.1, section 4.8.12.4 (Style Examples)
        ("matrix", False, ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("label", False, ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue.black.brown", ".R=100.G=200.B=150"),
        ("simple", False, "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue,black,brown", "R=100,G=200,B=150"),
    ],
)
def test_values_in_paths_are_written_in_their_style(style: str, explode: bool, array: str, record: str) -> None:
    assert in_path("color", COLOURS, style=style, explode=explode) == array
    assert in_path("color", RGB, style=style, explode=explode) == record


@pytest.mark.req("LIC-20.32")
@pytest.mark.parametrize(
    ("style", "explode", "array", "record"),
    [
        ("form", False, "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("form", True, "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("spaceDelimited", False, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, "color=blue|black|brown", "color=R|100|G|200|B|150"),
        ("deepObject", True, "color=blue&color=black&color=brown", "color[R]=100&color[G]=200&color[B]=150"),
    ],
)
def test_values_in_queries_are_written_in_their_style(style: str, explode: bool, array: str, record: str) -> None:
    assert "&".join(in_query("color", COLOURS, style=style, explode=explode)) == array
    assert "&".join(in_query("color", RGB, style=style, explode=explode)) == record


def test_values_in_headers_are_written_in_their_style() -> None:
    assert in_header(COLOURS, explode=False) == "blue,black,brown"
    assert (in_header(RGB, explode=False), in_header(RGB, explode=True)) == ("R,100,G,200,B,150", "R=100,G=200,B=150")
    assert (in_header(True, explode=False), in_header(1.5, explode=False)) == ("true", "1.5")


@pytest.mark.req("LIC-20.32")
@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_value_is_never_more_than_its_part_of_the_url(first: str, second: str) -> None:
    tool = tool_of(document("/a/{x}/b", parameters=[parameter("x", "path"), parameter("q", "query")]))
    try:
        args = tool.decode(msgspec.json.encode({"x": first, "q": second}))
    except (InvalidArguments, UnicodeEncodeError):
        return  # what leads upwards, or what UTF-8 cannot write
    parts = urlsplit(requested(tool._operation, args.fields, "https://api.example.com/v1").url)  # pyright: ignore[reportPrivateUsage]
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example.com", "")
    assert parts.path.split("/")[:3] + parts.path.split("/")[4:] == ["", "v1", "a", "b"]
    assert unquote(parts.path.split("/")[3]) == first
    assert parts.query.startswith("q=")
    assert set(parts.query[2:]) <= set(string.ascii_letters + string.digits + "-._~%")


@pytest.mark.req("LIC-20.32")
@pytest.mark.parametrize("value", ["..", ".", "../admin", "a/../../b", "..\\b", ["a", ".."], ""])
def test_a_value_does_not_lead_upwards(value: Any) -> None:
    tool = tool_of(document("/a/{x}", parameters=[parameter("x", "path")]))
    with pytest.raises(InvalidArguments) as refused:
        tool.decode(msgspec.json.encode({"x": value}))
    assert refused.value.issues[0].field == "/x"


@pytest.mark.req("LIC-20.32")
@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "\0", "ä", "x" * 10_000])
def test_a_header_is_one_line(value: str) -> None:
    tool = tool_of(document(parameters=[parameter("X-Trace", "header")]))
    with pytest.raises(InvalidArguments):
        tool.decode(msgspec.json.encode({"X-Trace": value}))


def test_arguments_that_do_not_fit_are_refused_before_anything_is_sent() -> None:
    number = parameter("n", "query", schema={"type": "integer", "minimum": 1})
    tool = tool_of(document(parameters=[number]))
    for wrong in (b'{"n": "1"}', b'{"n": 0}', b'{"m": 1}', b"[]", b'{"n": 1, "n": 2}'):
        with pytest.raises(InvalidArguments):
            tool.decode(wrong)
    long = tool_of(document(parameters=[parameter("q", "query")]))
    with pytest.raises(InvalidArguments):
        long.decode(msgspec.json.encode({"q": "x" * 20_000}))


@pytest.mark.req("LIC-20.32")
async def test_a_body_is_sent_as_the_document_says() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "tags": {"type": "object"}, "n": {}}}
    media = ("application/json", "application/vnd.api+json", "application/x-www-form-urlencoded")
    sent: list[bytes] = []
    async with serving(saying("200 OK", b"{}")) as api:
        for each in media:
            body = {"required": True, "content": {each: {"schema": schema}}}
            tool = tool_of(document("/a", "post", requestBody=body), api.url)
            await called(tool, {"name": "a&b", "tags": {"x": 1}})
            sent.append(api.requests[-1].partition(b"\r\n\r\n")[2])
            assert f"content-type: {each}".encode() in api.requests[-1].lower()
        text = {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
        await called(tool_of(document("/a", "post", requestBody=text), api.url), {"body": "Grüße"})
        sent.append(api.requests[-1].partition(b"\r\n\r\n")[2])
    assert sent == [
        b'{"name":"a&b","tags":{"x":1}}',
        b'{"name":"a&b","tags":{"x":1}}',
        b"name=a%26b&tags=%7B%22x%22%3A1%7D",
        "Grüße".encode(),
    ]


@pytest.mark.req("LIC-20.33")
@pytest.mark.parametrize(
    ("scheme", "secret", "seen"),
    [
        ({"type": "http", "scheme": "bearer"}, "s3cret", b"\r\nAuthorization: Bearer s3cret\r\n"),
        ({"type": "http", "scheme": "Basic"}, "user:pass", b"\r\nAuthorization: Basic dXNlcjpwYXNz\r\n"),
        ({"type": "oauth2", "flows": {}}, "s3cret", b"\r\nAuthorization: Bearer s3cret\r\n"),
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, "s3cret", b"\r\nX-Key: s3cret\r\n"),
        ({"type": "apiKey", "in": "cookie", "name": "sid"}, "s3cret", b"\r\nCookie: a=1; sid=s3cret\r\n"),
        ({"type": "apiKey", "in": "query", "name": "key"}, "s3 cret", b"GET /things?q=1&key=s3%20cret HTTP/1.1\r\n"),
    ],
)
async def test_a_secret_goes_where_the_document_says(scheme: dict[str, Any], secret: str, seen: bytes) -> None:
    parameters = [parameter("q", "query"), parameter("a", "cookie"), parameter("X-Key", "header")]
    components = {"securitySchemes": {"who": scheme}}
    async with serving(saying("200 OK", b"{}")) as api:
        of = document(parameters=parameters, components=components, security=[{"who": []}])
        tool = tool_of(of, api.url, secrets={"who": "shop.key"})
        assert tool.spec.secrets.call == ("shop.key",)
        await called(tool, {"q": 1, "a": 1, "X-Key": "mine"}, meta(**{"shop.key": secret}))
    (request,) = api.requests
    assert seen in request
    assert b"mine" not in request or b"X-Key: s3cret" not in request


@pytest.mark.req("LIC-20.33")
async def test_a_secret_that_would_be_more_than_its_header_is_not_sent() -> None:
    components = {"securitySchemes": {"who": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
    async with serving(saying("200 OK", b"{}")) as api:
        of = document(components=components, security=[{"who": []}])
        with pytest.raises(NotDone) as refused:
            await called(tool_of(of, api.url, secrets={"who": "k"}), {}, meta(k="one\r\ntwo: 2"))
    assert (refused.value.code, api.requests) == ("secret_invalid", [])


def test_the_first_way_is_taken_for_which_there_are_secrets() -> None:
    schemes = {name: {"type": "apiKey", "in": "header", "name": f"X-{name}"} for name in ("a", "b", "c")}
    of = document(components={"securitySchemes": schemes}, security=[{"a": []}, {"b": [], "c": []}, {}])
    assert tool_of(of, secrets={"b": "sb", "c": "sc"}).spec.secrets.call == ("sb", "sc")
    assert tool_of(of, secrets={"b": "sb"}).spec.secrets.call == ()


async def test_an_operation_that_takes_a_key_for_each_call_gets_the_one_of_the_call() -> None:
    async with serving(saying("200 OK", b"{}")) as api:
        key = parameter("Idempotency-Key", "header", required=True)
        tool = tool_of(document("/a", "post", parameters=[key]), api.url)
        assert tool.spec.input_schema["properties"] == {}
        await called(tool, {})
    assert b"Idempotency-Key: key-of-this-call\r\n" in api.requests[0]
