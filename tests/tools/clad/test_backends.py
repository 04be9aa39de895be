"""Manifests that stand for a request or for a tool of a server: what is sent, what comes back, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments, NotDone, Resources, SecretNames
from lichen.core.words.errors import Invalid
from lichen.tools.clad.backends.http_tool import HttpTool
from lichen.tools.clad.backends.server_tool import ServerTool
from lichen.tools.clad.envelope import CommandFailed
from lichen.tools.clad.loading import command_tool
from lichen.tools.clad.runner import Commands
from lichen.tools.egress.reach import Reach
from lichen.tools.openapi.answers import InDoubt
from tests.cli.projects import Project
from tests.runtime.test_servers import CLERK, POLICY, SCOPE, SETTINGS, opened, said
from tests.tools.openapi.apis import meta, saying, serving

HEAD = """
[tool]
name = "ticket"
version = "1.0.0"
description = "Opens a ticket."
timeout_seconds = 5

[output]
format = "json"
schema = { type = "object", required = ["ok"], properties = { ok = { type = "boolean" } } }
"""
TICKET = (
    HEAD
    + r"""
[args.board]
type = "string"
required = true

[args.text]
type = "literal_text"

[args.count]
type = "integer"
default = 1

[http]
method = "POST"
url = "URL/boards/{board}/tickets?by={board}"
headers = { Authorization = "Bearer {_secret:desk.key}", X-Board = "{board}" }
body_template = '{"text": "{text}", "count": {count}, "key": "{_secret:desk.key}"}'

[lichen]
name = "desk.ticket"
"""
)
LOOK = (
    HEAD
    + """
[args.where]
type = "path"

[http]
url = "URL/files/{where}"

[lichen]
name = "desk.look"
"""
)


def http(folder: Path, text: str, url: str = "https://api.example.com", *, resolve: Any = None) -> HttpTool:
    path = folder / "one.clad.toml"
    path.write_text(text.replace("URL", url))
    made = command_tool(path)
    assert isinstance(made, HttpTool)
    given = (Reach(resolve),) if resolve is not None else ()
    return made.bound(Resources(Commands(clock=lambda: 1_800_000_000_000_000), *given))


async def called(tool: HttpTool, arguments: dict[str, Any], **secrets: str) -> Any:
    args = tool.decode(msgspec.json.encode(arguments))
    return msgspec.json.decode(await tool.execute(args, meta(**secrets)))


@pytest.mark.req("SYM-67.7")
async def test_a_request_holds_values_as_what_they_are_and_secrets_that_nobody_is_shown(tmp_path: Path) -> None:
    async with serving(saying("201 Created", b'{"ok": true}')) as api:
        tool = http(tmp_path, TICKET, api.url)
        text = 'say "hi" \\ {_secret:desk.key} {board} é'
        found = await called(tool, {"board": "a/b?c#d", "text": text}, **{"desk.key": 'k"e\\y'})
    head, _, body = api.requests[0].partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /boards/a%2Fb%3Fc%23d/tickets?by=a%2Fb%3Fc%23d HTTP/1.1"
    assert msgspec.json.decode(body) == {"text": text, "count": 1, "key": 'k"e\\y'}
    assert b'Bearer k"e\\y' in head
    assert b"content-type: application/json" in head.lower()
    assert (found["status"], found["http_status"], found["results"]) == ("success", 201, {"ok": True})
    assert (found["scan_id"], found["timestamp"]) == ("run-1-c1", "2027-01-15T08:00:00+00:00")
    assert found["command"].startswith("POST http://127.0.0.1")
    assert 'k"e' not in msgspec.json.encode(found).decode()


@pytest.mark.req("SYM-67.7")
def test_the_contract_of_a_request_follows_from_its_method_its_risk_and_its_secrets(tmp_path: Path) -> None:
    ticket, look = http(tmp_path, TICKET).spec, http(tmp_path, LOOK).spec
    assert (ticket.effects, look.effects) == ("once", "none")
    assert ticket.secrets == SecretNames(call=("desk.key",))
    assert ticket.tags[:2] == ("http", "risk_low")
    put = http(tmp_path, LOOK.replace("[http]", '[http]\nmethod = "PUT"')).spec
    high = http(tmp_path, LOOK.replace("[output]", 'risk_tier = "high"\n[output]')).spec
    assert (put.effects, high.effects) == ("idempotent", "once")


@pytest.mark.req("SYM-67.7")
@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"board": "a\nb"}, "/board"),
        ({"board": "ü"}, "/board"),
        ({"board": ".."}, "/board"),
        ({"board": "a", "count": "one"}, "/count"),
        ({"text": "a"}, "/board"),
        ({"board": "a", "who": "b"}, "/who"),
    ],
)
def test_values_that_no_request_can_hold_are_refused(tmp_path: Path, arguments: Any, place: str) -> None:
    with pytest.raises(InvalidArguments) as refused:
        http(tmp_path, TICKET).decode(msgspec.json.encode(arguments))
    assert place in {issue.field for issue in refused.value.issues}


@pytest.mark.req("SYM-67.7")
async def test_a_path_keeps_its_parts_and_leads_nowhere_upwards(tmp_path: Path) -> None:
    async with serving(saying("200 OK", b'{"ok": true}')) as api:
        await called(http(tmp_path, LOOK, api.url), {"where": "a b/c"})
        assert api.requests[0].startswith(b"GET /files/a%20b/c HTTP")
        with pytest.raises(InvalidArguments):
            http(tmp_path, LOOK).decode(b'{"where": "a/../../b"}')


@pytest.mark.req("SYM-67.8")
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404 Not Found", "not_found"),
        ("429 Too Many", "api_busy"),
        ("302 Found", "api_redirects"),
        ("500 No", "api_failed"),
    ],
)
async def test_a_status_that_is_no_success_is_a_failed_call_with_what_was_said(
    tmp_path: Path, status: str, code: str
) -> None:
    async with serving(saying(status, b'{"message": "why not"}', Location="/trap")) as api:
        with pytest.raises(NotDone, match="why not") as failed:
            await called(http(tmp_path, LOOK, api.url), {"where": "a"})
        assert failed.value.code == code
        assert len(api.requests) == 1


@pytest.mark.req("SYM-67.8")
async def test_a_status_counts_as_the_manifest_says(tmp_path: Path) -> None:
    async with serving(saying("202 Accepted", b'{"ok": true}')) as api:
        said = "[http]\nsuccess_status = [200]"
        with pytest.raises(NotDone, match="calls no success"):
            await called(http(tmp_path, LOOK.replace("[http]", said), api.url), {"where": "a"})
        with pytest.raises(NotDone):
            await called(
                http(tmp_path, LOOK.replace("[http]", "[http]\nerror_status = [202]"), api.url), {"where": "a"}
            )
        acting = TICKET.replace("[http]", said)
        with pytest.raises(InDoubt):
            await called(http(tmp_path, acting, api.url), {"board": "a"}, **{"desk.key": "k"})


@pytest.mark.req("SYM-67.8")
async def test_an_answer_that_is_not_what_the_manifest_promises_is_no_result(tmp_path: Path) -> None:
    async with serving(saying("200 OK", b'{"ok": "yes"}')) as api:
        with pytest.raises(NotDone, match="does not fit its schema"):
            await called(http(tmp_path, LOOK, api.url), {"where": "a"})
        with pytest.raises(CommandFailed):
            await called(http(tmp_path, TICKET, api.url), {"board": "a"}, **{"desk.key": "k"})
    async with serving(saying("200 OK", b"x" * 5_000_000)) as api:
        with pytest.raises(NotDone, match="cannot be used"):
            await called(http(tmp_path, LOOK, api.url), {"where": "a"})


@pytest.mark.req("SYM-67.8")
async def test_a_name_that_leads_into_our_own_network_is_not_asked(tmp_path: Path) -> None:
    async def inwards(_host: str, _port: int) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async with serving(saying("200 OK", b'{"ok": true}')) as api:
        url = api.url.replace("127.0.0.1", "inside.example.com")
        with pytest.raises(NotDone) as denied:
            await called(http(tmp_path, LOOK, url, resolve=inwards), {"where": "a"})
        assert (denied.value.code, api.requests) == ("address_denied", [])


@pytest.mark.req("SYM-67.8")
async def test_a_secret_that_no_header_can_hold_is_said_without_it(tmp_path: Path) -> None:
    with pytest.raises(NotDone) as refused:
        await called(http(tmp_path, TICKET, "http://127.0.0.1:1"), {"board": "a"}, **{"desk.key": "a\r\nb: c"})
    assert refused.value.code == "secret_invalid"
    assert "b: c" not in str(refused.value)


@pytest.mark.req("SYM-67.7")
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("URL/", "https://{board}.example.com/", "written out"),
        ("URL/", "ftp://example.com/", "written out"),
        ("URL/boards", "https://me:it@example.com/boards", "written out"),
        ("URL/boards", "https://example.com/{_secret:desk.key}", "not in a path"),
        ("URL", "http://api.example.com", "https:// only"),
        ("{board}/tickets", "{desk}/tickets", "nothing is called 'desk'"),
        ("X-Board", "Host", "'Host' is no header"),
        ('"text": "{text}"', '"text": {text}', "no JSON"),
        ("X-Board = ", 'Content-Type = "application/xml", X-Board = ', "application/xml"),
        ('method = "POST"', 'method = "TRACE"', "TRACE"),
    ],
)
def test_a_request_that_could_never_be_sent_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    assert old in TICKET
    with pytest.raises(Invalid, match=why) as refused:
        http(tmp_path, TICKET.replace(old, new))
    assert refused.value.code == "manifest_invalid"


ADD = """
[tool]
name = "add_small"
version = "1.0.0"
description = "Adds two small numbers."

[args.first]
type = "integer"
required = true
max = 10

[args.b]
type = "integer"
required = true

[mcp]
server = "strange"
tool = "add"
field_map = { first = "a" }

[output]
format = "json"
schema = { type = "object", required = ["total"], properties = { total = { type = "integer" } } }

[lichen]
name = "sums.add"
effects = "none"
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    clerk = CLERK.replace("tools=[", f'tools=[command_tool("{tmp_path}/add.clad.toml"), ').replace(
        "import msgspec", "import msgspec\n    from lichen.tools import command_tool"
    )
    policy = (
        POLICY + '@id("sums") forbid (principal, action == Action::"sums.add", resource) when { context.args.b > 90 };'
    )
    files = {"lichen.toml": SETTINGS, "clerk.py": clerk, "policies/shop.cedar": policy, "add.clad.toml": ADD}
    return Project(tmp_path, files)


@pytest.mark.req("SYM-67.9")
async def test_a_manifest_stands_for_a_tool_of_a_server_that_was_accepted_and_no_other(project: Project) -> None:
    async with opened(project) as runtime:
        assert "tool_unavailable" in await said(runtime, 'sums.add {"first":1,"b":2}')
        await runtime.servers.look(SCOPE, "strange")
        found = await said(runtime, 'sums.add {"first":1,"b":2}')
        assert '"results":{"total":3}' in found
        assert '"command":"mcp://strange/add"' in found
        assert "arguments_invalid" in await said(runtime, 'sums.add {"first":11,"b":2}')
        assert (await said(runtime, 'sums.add {"first":1,"b":91}')).startswith("denied")
        await said(runtime, "strange.change {}")
        assert "tool_changed" in await said(runtime, 'sums.add {"first":1,"b":2}')


@pytest.mark.req("SYM-67.9")
def test_the_contract_of_a_server_s_tool_is_once_unless_the_manifest_says_better(tmp_path: Path) -> None:
    path = tmp_path / "add.clad.toml"
    path.write_text(ADD.replace('effects = "none"\n', ""))
    made = command_tool(path)
    assert isinstance(made, ServerTool)
    assert (made.spec.effects, made.spec.origin, made.spec.tags[0]) == ("once", "third_party", "mcp")


@pytest.mark.req("SYM-67.9")
@pytest.mark.parametrize(
    ("fields", "why"), [('{ other = "a" }', "'other', which is no argument"), ('{ first = "b" }', "one name")]
)
def test_a_mapping_that_leads_nowhere_is_refused(tmp_path: Path, fields: str, why: str) -> None:
    path = tmp_path / "add.clad.toml"
    path.write_text(ADD.replace('{ first = "a" }', fields))
    with pytest.raises(Invalid, match=why):
        command_tool(path)
