"""The file sink: each message is a line, on the disk, once; a death in the middle leaves none in doubt."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lichen.channels.file.channel import FileChannel, FileSettings
from lichen.channels.port import Setup, Unhosted
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.runtime.channels.opening import open_channels
from lichen.runtime.project.loading import examine
from lichen.settings.reading import read as read_settings
from tests.channels.webhook.test_channel import delivery

SCOPE = Scope("acme", "dev")


def sink(root: Path, path: str = "out/answers.jsonl", bytes_max: int = 1 << 20) -> FileChannel:
    return FileChannel(Setup(SCOPE, FileSettings(path=path, bytes_max=bytes_max), host=Unhosted(root=root)))


def message(id: str, text: str = "Done.") -> Outbound:
    picture = Attachment("image/png", "https://example.com/a.png", "a.png")
    return Outbound(MessageId(id), SessionId("ses-1"), "answer", Saying(text, None, (picture,)), 7, b"reports")


def lines(path: Path) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


@pytest.mark.req("SYM-90.2")
async def test_every_message_is_a_line_of_json(tmp_path: Path) -> None:
    channel = sink(tmp_path)
    for id in ("o1", "o2"):
        assert (await channel.send(SCOPE, message(id, "line one\nline two"))).outcome == "delivered"
    first, second = lines(tmp_path / "out/answers.jsonl")
    assert (first["id"], second["id"], first["to"], first["text"]) == (
        "ses-1/o1",
        "ses-1/o2",
        "reports",
        "line one\nline two",
    )
    assert first["attachments"] == [{"content_type": "image/png", "url": "https://example.com/a.png", "name": "a.png"}]


@pytest.mark.req("SYM-90.2")
async def test_it_can_be_asked_whether_a_message_is_there_and_half_a_line_is_none(tmp_path: Path) -> None:
    channel = sink(tmp_path)
    assert await channel.has(SCOPE, message("o1")) is False
    await channel.send(SCOPE, message("o1"))
    path = tmp_path / "out/answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"o1", b"o2")[:-20])
    assert await channel.has(SCOPE, message("o1")) is True
    assert await channel.has(SCOPE, message("o2")) is False
    await channel.send(SCOPE, message("o2"))
    assert msgspec.json.decode(path.read_bytes().splitlines()[-1])["id"] == "ses-1/o2"


@pytest.mark.req("SYM-90.2")
async def test_a_full_file_is_put_aside_and_still_asked(tmp_path: Path) -> None:
    channel = sink(tmp_path, bytes_max=4_096)
    for i in range(40):
        await channel.send(SCOPE, message(f"o{i}"))
    sizes = [path.stat().st_size for path in (tmp_path / "out").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 5_000
    assert await channel.has(SCOPE, message("o39")) is True


@pytest.mark.req("SYM-90.2")
@pytest.mark.parametrize("path", ["../answers.jsonl", "/etc/passwd", "out/../../x", "."])
def test_a_file_outside_the_project_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        sink(tmp_path, path)
    assert refused.value.code == "path_outside"


@pytest.mark.req("SYM-90.2")
async def test_a_link_that_leads_elsewhere_is_not_written_through(tmp_path: Path) -> None:
    channel = sink(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "out/answers.jsonl").symlink_to(tmp_path / "elsewhere")
    assert (await channel.send(SCOPE, message("o1"))).outcome == "retry"
    assert (tmp_path / "elsewhere").read_text() == "mine"


async def test_nothing_comes_in_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(Denied):
        await sink(tmp_path).verify(SCOPE, delivery(b"{}"))


@pytest.mark.req("LIC-16.51")
def test_no_two_channels_write_to_one_file_also_by_another_name_of_it(tmp_path: Path) -> None:
    (tmp_path / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    paths = {"acme": "out/a.jsonl", "globex": "out/../out/a.jsonl", "initech": "out/b.jsonl"}
    tables = [f'[tenants.{name}.reports]\nkind = "file"\npath = "{path}"\n' for name, path in paths.items()]
    (tmp_path / "lichen.toml").write_text('[lichen]\nagents = ["echo.toml"]\n' + "".join(tables))
    (error,) = examine(tmp_path / "lichen.toml", environ={}).errors
    assert (error.code, "acme" in str(error), "tenants.globex.reports" in (error.place or "")) == (
        "path_taken",
        True,
        True,
    )


RESERVED = {
    "lichen.toml": "lichen.toml",
    "out/../lichen.toml": "lichen.toml",
    "data/log.jsonl": "data directory",
    "da": "data directory",  # a link to it
    "echo.toml": "part of the project",
    "till.py": "part of the project",
    "flows/hello.ygtc": "flow",
    "prompts/new.md": "prompts",
    "policies/acme/late.cedar": "policies",
    "policies": "policies",  # what they lie in
    "keys/late": "secrets",
    "i18n/fr.json": "words",
    "api.json": "document",
    ".env": "dot",
    "out/.git/hooks/post-commit": "dot",
    "notes.md": "no channel wrote",
    "linked.jsonl": "no channel wrote",  # another name of lichen.toml
    "brim": "no channel wrote",  # brim.1 is where it is put aside
}


def project_with_sink(root: Path, path: str) -> Path:
    for folder in ("data", "flows", "prompts", "policies/acme", "keys", "out/.git/hooks"):
        (root / folder).mkdir(parents=True)
    (root / "echo.toml").write_text('name = "shop.echo"\n[llm]\nmodel = "echo:"\n')
    for name in ("till.py", "notes.md", "brim.1"):
        (root / name).write_text("# Somebody's.\n")
    flow = {"id": "hello", "type": "messaging", "start": "a", "nodes": {"a": {"template": {"text": "Hi"}}}}
    (root / "flows/hello.ygtc").write_bytes(msgspec.json.encode(flow) + b"\n")
    (root / "api.json").write_text("{}")
    (root / "da").symlink_to(root / "data")
    file = root / "lichen.toml"
    file.write_text(
        '[lichen]\nagents = ["echo.toml"]\ntools = ["till.py:till"]\nflows = ["flows/*.ygtc"]\nprompts = "prompts"\n'
        'home = "data"\n[[openapi]]\nname = "far"\nurl = "https://far.example"\ndocument = "api.json"\n'
        f'[tenants.acme]\npolicies = "policies/acme"\n[tenants.acme.secrets]\nsource = "mounted:{root / "keys"}"\n'
        f'[tenants.acme.reports]\nkind = "file"\npath = "{path}"\n'
    )
    (root / "linked.jsonl").hardlink_to(file)
    return file


@pytest.mark.req("LIC-16.60")
@pytest.mark.parametrize("path", RESERVED)
def test_a_channel_writes_to_nothing_that_the_project_is_made_of(tmp_path: Path, path: str) -> None:
    read = read_settings(project_with_sink(tmp_path, path), environ={})
    assert read.settings is not None
    channels, errors = open_channels(read, read.settings)
    (error,) = errors
    assert (error.code, RESERVED[path] in error.message) == ("path_reserved", True)
    assert f"lichen.toml:{line_of(read.text, 'path = ')}" in (error.place or "")
    assert channels.all == ()


@pytest.mark.req("LIC-16.60")
async def test_what_the_channel_wrote_itself_is_its_own_also_where_a_death_cut_it_off(tmp_path: Path) -> None:
    file = project_with_sink(tmp_path, "out/answers.jsonl")
    await sink(tmp_path, "out/answers.jsonl").send(SCOPE, message("o1"))
    own = tmp_path / "out/answers.jsonl"
    whole = own.read_bytes()
    for found in (whole, b"", whole[:-9], whole[:-9] + b"\n" + whole):
        own.write_bytes(found)
        read = read_settings(file, environ={})
        assert read.settings is not None
        assert open_channels(read, read.settings)[1] == ()


def line_of(text: str, beginning: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(beginning))
