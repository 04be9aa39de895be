"""Resources of a server: read where the project lets them be, whatever else their addresses could mean."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments, NotDone, Produced
from lichen.core.remote.server import ResourceRules
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.offered.resources import is_readable, resource_tools
from lichen.tools.mcp.results import Malformed
from tests.tools.mcp.test_connection import connected, meta, strange

BOOKS = ResourceRules(allow_uris=("book://shelf/*", "book://big"), deny_uris=("*/secret*",), deny_names=("diary",))


async def made(connection: Connection, verb: str, **arguments: Any) -> Produced:
    tool = resource_tools(connection.server, connection)[f"resources.{verb}"]
    return await tool.execute(tool.decode(msgspec.json.encode(arguments)), meta())


@pytest.mark.req("GOA-75.5")
async def test_what_is_allowed_is_listed_and_read_and_nothing_else() -> None:
    async with connected(strange(resources=BOOKS)) as connection:
        listed = msgspec.json.decode((await made(connection, "list")).result)["resources"]
        assert [each["uri"] for each in listed] == ["book://shelf/dune", "book://shelf/cover", "book://big"]
        read = msgspec.json.decode((await made(connection, "read", uri="book://shelf/dune")).result)
        assert [each["text"] for each in read["contents"]] == ["The spice must flow."]
        for denied in ("book://shelf/secret", "book://shelf/SECRETS", "book://shelf/diary", "book://other", "x"):
            with pytest.raises(NotDone) as refused:
                await made(connection, "read", uri=denied)
            assert refused.value.code == "resource_denied"


@pytest.mark.req("GOA-75.5")
async def test_without_an_entry_that_allows_there_is_nothing_to_read_with() -> None:
    for rules in (ResourceRules(), ResourceRules(deny_uris=("x",), deny_names=("y",))):
        async with connected(strange(resources=rules)) as connection:
            assert resource_tools(connection.server, connection) == {}


@pytest.mark.req("GOA-75.5")
async def test_a_resource_is_allowed_by_the_name_it_is_listed_under() -> None:
    async with connected(strange(resources=ResourceRules(allow_names=("du*",)))) as connection:
        read = await made(connection, "read", uri="book://shelf/dune")
        assert b"spice" in read.result
        with pytest.raises(NotDone, match="may not be read"):
            await made(connection, "read", uri="book://shelf/secret")


@pytest.mark.req("GOA-75.6")
async def test_what_is_no_text_goes_to_people_and_what_is_too_large_to_nobody() -> None:
    async with connected(strange(resources=BOOKS)) as connection:
        read = await made(connection, "read", uri="book://shelf/cover")
        (told,) = msgspec.json.decode(read.result)["contents"]
        assert (told["bytes"], "text" in told, b"AAAA" in read.artifacts) == (3, False, True)
        assert set(told) == {"uri", "mime_type", "bytes"}
        with pytest.raises(Malformed):
            await made(connection, "read", uri="book://big")
        with pytest.raises(InvalidArguments):
            await made(connection, "read", uri=1)
        with pytest.raises(InvalidArguments):
            await made(connection, "read", uri="book://shelf/dune", more=1)


@pytest.mark.req("GOA-75.7")
@pytest.mark.parametrize(
    "uri",
    [
        "file:///docs/../etc/passwd", "file:///docs/%2e%2e/etc/passwd", "file:///docs/.%2E/etc/passwd",
        "file:///docs/..", "file:///docs/./x", "file:///docs/..%2fetc", "file:///docs\\..\\etc", "file:///docs/a%5cb",
        "file:///docs/a%252e%252e/b", "file:///docs/a b", "file:///docs/a\nb", "file:///docs/ä", "file:///docs/a#b",
        "file:///docs/a%00b", "file:///docs/" + "x" * 3_000, "https://docs.example@evil.example/docs/a", "docs",
    ],
)  # fmt: skip
def test_an_address_that_can_be_written_in_another_way_is_not_read(uri: str) -> None:
    rules = ResourceRules(allow_uris=("*",))
    assert not is_readable(rules, uri, ())
    assert is_readable(rules, "file:///docs/a.txt?page=2", ())


@pytest.mark.req("GOA-75.7")
@pytest.mark.parametrize(
    ("rules", "uri", "names", "may"),
    [
        (ResourceRules(allow_uris=("a:*",)), "a:b", (), True),
        (ResourceRules(allow_uris=("a:*",)), "ba:b", (), False),
        (ResourceRules(allow_uris=("a:b",)), "a:bc", (), False),
        (ResourceRules(allow_uris=("a:B",)), "a:b", (), False),
        (ResourceRules(allow_uris=("a:*",), deny_uris=("a:B*",)), "a:bc", (), False),
        (ResourceRules(allow_uris=("a:*",), deny_uris=("a:.",)), "a:b", (), True),
        (ResourceRules(allow_names=("n",), deny_uris=("a:b",)), "a:b", ("n",), False),
        (ResourceRules(allow_names=("n",), deny_names=("m",)), "a:b", ("n", "M"), False),
        (ResourceRules(allow_names=("n",)), "a:b", ("n",), True),
        (ResourceRules(allow_names=("n",)), "a:b", (), False),
        (ResourceRules(allow_uris=("a:*",), deny_names=("m",)), "a:b", (), False),
    ],
)
def test_what_denies_wins_whatever_allows(rules: ResourceRules, uri: str, names: tuple[str, ...], may: bool) -> None:
    assert is_readable(rules, uri, names) is may
