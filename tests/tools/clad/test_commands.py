"""Commands that are run: in the jail, with an agent that names their manifest, and again once the manifest changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import InvalidArguments, NotDone, Resources
from lichen.core.words.scope import Customer, Operator, Scope
from lichen.runtime.project.loading import load
from lichen.runtime.runtime import Runtime
from lichen.tools.clad.command_tool import CommandTool
from lichen.tools.clad.envelope import CommandFailed
from lichen.tools.clad.jailed import jailed
from lichen.tools.clad.loading import command_tool
from lichen.tools.clad.manifest import Output
from lichen.tools.clad.output import Unreadable, read_output
from lichen.tools.clad.runner import Commands
from tests.cli.projects import Project
from tests.tools.openapi.apis import meta

SCOPE, OPS = Scope("acme", "dev"), Operator("ops", ("operator",))
MANIFEST = """
[tool]
name = "count"
version = "1.0.0"
binary = "wc"
description = "Counts the lines of a book."
timeout_seconds = 20

[args.book]
type = "path"
required = true

[command]
exec = ["wc", "-l", "{book}"]

[output]
schema = { type = "object", required = ["raw_output"], properties = { raw_output = { type = "string" } } }

[lichen]
name = "books.count"
effects = "none"
reads = ["shelf"]
"""


def tool(folder: Path, text: str = MANIFEST) -> CommandTool:
    """The command of a manifest, in a folder with a shelf of books, in the jail."""
    (folder / "shelf").mkdir(exist_ok=True)
    (folder / "shelf" / "dune.txt").write_text("one\ntwo\n")
    (folder / "count.clad.toml").write_text(text)
    made = command_tool(folder / "count.clad.toml")
    assert isinstance(made, CommandTool)
    return made.bound(Resources(Commands(jailed, lambda: 1_800_000_000_000_000)))


async def said(of: CommandTool, arguments: dict[str, Any], **secrets: str) -> Any:
    args = of.decode(msgspec.json.encode(arguments))
    told = msgspec.structs.replace(meta(**secrets), timeout_s=of.spec.timeout_s)
    return msgspec.json.decode(await of.execute(args, told))


def saying(*words: str, output: str = 'format = "text"\nschema = {}', more: str = "") -> str:
    """A manifest of a command of these words."""
    listed = msgspec.json.encode(words).decode()
    head = MANIFEST.partition("[args.book]")[0].replace('binary = "wc"', f'binary = "{words[0]}"')
    ours = 'name = "books.count"\n' + (more or 'effects = "none"')
    return f"{head}[command]\nexec = {listed}\n[output]\n{output}\n[lichen]\n{ours}\n"


@pytest.mark.req("SYM-67.4")
async def test_a_command_is_run_and_what_it_said_comes_in_its_envelope(tmp_path: Path) -> None:
    found = await said(tool(tmp_path), {"book": "dune.txt"})
    assert found["results"] == {"raw_output": "2 dune.txt\n"}
    assert (found["status"], found["exit_code"], found["tool"]) == ("success", 0, "count")
    assert (found["command"], found["timestamp"]) == ("wc -l dune.txt", "2027-01-15T08:00:00+00:00")
    assert found["output_hash"].startswith("sha256:")


@pytest.mark.req("SYM-67.4")
async def test_a_command_has_nothing_but_what_its_manifest_grants(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("nobody's")
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(NotDone) as refused:
        await said(tool(tmp_path), {"book": "link"})
    assert refused.value.code == "command_failed"
    text = saying("env", output='format = "text"\nschema = { type = "object" }')
    os.environ["LICHEN_TEST_SECRET"] = "hidden"
    try:
        found = await said(tool(tmp_path, text), {})
    finally:
        del os.environ["LICHEN_TEST_SECRET"]
    names = {line.partition("=")[0] for line in found["results"]["raw_output"].splitlines()}
    assert "LICHEN_TEST_SECRET" not in names
    assert {"PATH", "HOME"} <= names


@pytest.mark.req("SYM-67.4")
async def test_what_is_of_the_runtime_no_command_reads(tmp_path: Path) -> None:
    made = tool(tmp_path)
    (tmp_path / "shelf" / "home").mkdir()
    (tmp_path / "shelf" / "home" / "keys").write_text("one")
    shown = await said(made, {"book": "home/keys"})
    assert shown["status"] == "success"
    hiding = made.bound(Resources(Commands(jailed, hides=(str(tmp_path / "shelf" / "home"),))))
    with pytest.raises(NotDone):
        await said(hiding, {"book": "home/keys"})


@pytest.mark.req("SYM-67.4")
async def test_a_command_is_handed_its_secret_as_a_variable(tmp_path: Path) -> None:
    more = 'effects = "none"\nenv = { TOKEN = "Bearer secret:books.key" }'
    text = saying("printenv", "TOKEN", output='format = "text"\nschema = { type = "object" }', more=more)
    found = await said(tool(tmp_path, text), {}, **{"books.key": "s3cret"})
    assert found["results"] == {"raw_output": "Bearer s3cret\n"}
    assert "s3cret" not in found["command"]


@pytest.mark.req("SYM-67.4")
async def test_a_command_that_fails_says_why_and_one_that_acts_leaves_it_open(tmp_path: Path) -> None:
    schema = 'format = "text"\nschema = { type = "object" }'
    with pytest.raises(NotDone, match="It ended with 1") as refused:
        await said(tool(tmp_path, saying("false", output=schema)), {})
    assert refused.value.code == "command_failed"
    found = await said(tool(tmp_path, saying("false", output=schema, more='effects = "once"')), {})
    assert (found["status"], found["exit_code"], found["results"]) == ("error", 1, None)
    bare = saying("false", output=f"envelope = false\n{schema}", more='effects = "once"')
    with pytest.raises(CommandFailed):
        await said(tool(tmp_path, bare), {})
    lenient = saying("false", output=schema, more='effects = "none"\nexit_codes = [0, 1]')
    assert (await said(tool(tmp_path, lenient), {}))["status"] == "success"


@pytest.mark.req("SYM-67.4")
async def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    schema = 'format = "text"\nschema = { type = "object" }'
    text = saying("sleep", "60", output=schema).replace("timeout_seconds = 20", "timeout_seconds = 1")
    with pytest.raises(TimeoutError):
        await said(tool(tmp_path, text), {})


@pytest.mark.req("SYM-67.4")
async def test_a_command_may_write_its_output_into_a_file(tmp_path: Path) -> None:
    text = MANIFEST.replace('"wc", "-l", "{book}"', '"cp", "{book}", "{_output_file}"').replace('"wc"', '"cp"')
    found = await said(tool(tmp_path, text), {"book": "dune.txt"})
    assert found["results"] == {"raw_output": "one\ntwo\n"}


@pytest.mark.req("SYM-67.4")
async def test_without_a_jail_no_command_is_run(tmp_path: Path) -> None:
    bare = tool(tmp_path).bound(Resources())
    with pytest.raises(NotDone) as refused:
        await said(bare, {"book": "dune.txt"})
    assert refused.value.code == "cage_unavailable"


@pytest.mark.req("SYM-67.2")
def test_arguments_that_point_out_of_the_scope_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scope.toml").write_text('[scope]\ntargets = ["203.0.113.0/24"]\ndomains = ["*.example.com"]\n')
    text = MANIFEST.replace('type = "path"', 'type = "scope_target"\nblock_internal = true')
    whois = tool(tmp_path, text.replace('reads = ["shelf"]', 'scope = "scope.toml"'))
    whois.decode(b'{"book": "a.example.com"}')
    for outside in ("example.org", "198.51.100.1", "203.0.112.0/23", "127.0.0.1", "localhost"):
        with pytest.raises(InvalidArguments):
            whois.decode(msgspec.json.encode({"book": outside}))


READ: list[tuple[str, bytes, Any]] = [
    ("json", b'{"a": [1]}', {"a": [1]}),
    ("jsonl", b'{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    (
        "csv",
        b"name,n,ok\nx,1,true\ny,2.5,no\n",
        [{"name": "x", "n": 1, "ok": True}, {"name": "y", "n": 2.5, "ok": "no"}],
    ),
    ("csv", b"a\tb\n1\t2\n", [{"a": 1, "b": 2}]),
    ("text", b"\xffx", {"raw_output": "\ufffdx"}),
    (
        "xml",
        b'<run v="1"><host ip="a"/><host ip="b">up</host></run>',
        {"run": {"@v": "1", "host": [{"@ip": "a"}, {"@ip": "b", "#text": "up"}]}},
    ),
]


@pytest.mark.req("SYM-67.5")
@pytest.mark.parametrize(("kind", "data", "value"), READ)
def test_what_a_command_said_is_read_as_its_manifest_says(kind: Any, data: bytes, value: Any) -> None:
    assert read_output(Output({}, format=kind), data) == value


@pytest.mark.req("SYM-67.5")
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", b"{"),
        ("json", b"[" * 5_000),
        ("jsonl", b'{"a": 1}\nno'),
        ("jsonl", b"1\n" * 20_001),
        ("csv", b"a\n" + b"1\n" * 20_001),
        ("csv", b"\xff"),
        ("xml", b"<a>"),
        ("xml", b"<a>" * 200),
        ("xml", b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'),
        ("xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    ],
)
def test_what_is_none_of_it_is_refused(kind: Any, data: bytes) -> None:
    with pytest.raises(Unreadable):
        read_output(Output({}, format=kind), data)


SETTINGS = """
    [lichen]
    agents = ["clerk.toml"]

    [tenants.acme]
    agent = "library.clerk"
    actors = [{id = "ops", kind = "operator", roles = ["operator"]}, {id = "reader-7", kind = "customer"}]
"""
CLERK = r"""
    name = "library.clerk"
    tools = ["tools/count.clad.toml"]

    [rules]
    fallback = "Ask me how long a book is."

    [[rules.intents]]
    name = "long"
    phrases = ["how long"]
    slots = [{ name = "book", pattern = 'how long is (\w+)', ask = "Which book?" }]
    calls = [{ tool = "books.count", args = { book = "{book}.txt" } }]
    answer = "It says {count.results.raw_output}"
"""


async def answered(runtime: Runtime, text: str) -> str:
    session = await runtime.sessions.open(SCOPE, Customer("reader-7"))
    return (await (await session.say(text)).result()).text.strip()


@pytest.mark.req("SYM-67.6")
async def test_an_agent_names_a_manifest_and_has_it_as_it_is_after_a_reload(tmp_path: Path) -> None:
    files = {"lichen.toml": SETTINGS, "clerk.toml": CLERK, "tools/count.clad.toml": MANIFEST}
    project = Project(tmp_path, {**files, "tools/shelf/dune.txt": "one\ntwo"})
    async with Runtime.of(load(project.root / "lichen.toml", environ={})) as runtime:
        assert await answered(runtime, "how long is dune") == "It says 1 dune.txt"
        project.write(**{"tools/count.clad.toml": MANIFEST.replace('"-l"', '"-c"')})
        assert await answered(runtime, "how long is dune") == "It says 1 dune.txt"
        assert (await runtime.reload(SCOPE, OPS)).agents == ("library.clerk",)
        assert await answered(runtime, "how long is dune") == "It says 7 dune.txt"
        project.write(**{"tools/count.clad.toml": MANIFEST.replace("[output]", "[outputs]")})
        reloaded = await runtime.reload(SCOPE, OPS)
        assert [each.code for each in reloaded.broken] == ["manifest_invalid"]
        assert await answered(runtime, "how long is dune") == "It says 7 dune.txt"
