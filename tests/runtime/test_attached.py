"""Files of customers, from the message to the model and to the end of the person's key."""

from __future__ import annotations

import asyncio
import base64
import errno
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen import Agent, Limits, tool
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.models.model import ScriptedModel
from lichen.core.deciders import events as e
from lichen.core.ports.model import Deltas, Media, ModelCall, ModelReply, ModelRequest
from lichen.core.words.errors import Conflict, ContentErased, Invalid, LichenError, TooMany, Unavailable
from lichen.core.words.ids import ToolName, run_stream, session_stream
from lichen.core.words.scope import Scope
from lichen.log.disk.blobs import Blobs
from lichen.log.sqlite.store import SqliteWriting
from lichen.runtime import Runtime
from lichen.runtime.operations.talk.session import Session
from tests.runtime.world import CUSTOMER, OPS, SCOPE

PNG = b"\x89PNG\r\n\x1a\n"
PHOTO = PNG + bytes(range(256)) * (3 * 1024 * 4)  # 3 MiB and a little
STEPS = 5
POLICY = """
@id("all") permit (principal is Agent, action, resource);
@id("erase") permit (principal is Operator, action, resource);
@id("customers") permit (principal is Customer, action, resource);
"""


class Page(BaseModel):
    """A page."""

    text: str = "words"


@tool(name="books.read", effects="none", runs="loop")
async def read_page(page: int) -> Page:
    """Reads a page."""
    return Page()


def files(*contents: bytes, name: str = "cup.png") -> dict[str, Any]:
    return {
        "attachments": [
            {"contentType": "image/png", "contentUrl": f"data:;base64,{base64.b64encode(data).decode()}", "name": name}
            for data in contents
        ]
    }


def calling(page: int) -> ModelReply:
    return ModelReply("", (ModelCall(f"c{page}", ToolName("books.read"), b'{"page":%d}' % page),))


def agent(model: Any, **more: Any) -> Agent:
    planner = LLMPlanner(model, **more)
    return Agent("shop.eyes", planner=planner, tools=[read_page], limits=Limits(tokens=10_000_000))


def seen(model: ScriptedModel) -> list[list[bytes]]:
    """The files in each request."""
    return [[each.data for said in request.messages for each in said.media] for request in model.requests]


def stored(home: Path) -> int:
    """All bytes in the log: its rows, and what lies beside them."""
    file = next(home.rglob("lichen.sqlite"))
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        (rows,) = connection.execute("SELECT sum(length(record)) FROM records").fetchone()
    return rows + sum(path.stat().st_size for path in (file.parent / "blobs").iterdir())


def blobs_in(home: Path) -> list[Path]:
    """The files that lie beside the records."""
    return list(home.rglob("blobs/*"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all that was read from beside the records."""
    sizes: list[int] = []
    get = Blobs.get

    def counted(self: Blobs, digest: bytes, size: int) -> bytes:
        sizes.append(size)
        return get(self, digest, size)

    monkeypatch.setattr(Blobs, "get", counted)
    return sizes


@pytest.mark.req("LIC-24.63")
async def test_a_picture_stands_in_the_log_once_however_many_steps_its_run_takes(
    tmp_path: Path, opened: list[int]
) -> None:
    model = ScriptedModel([*(calling(page) for page in range(STEPS - 1)), "A cup."])
    async with Runtime.open(tmp_path, agents=[agent(model)]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("What is it?", data=files(PHOTO))
        assert (await turn.result()).text == "A cup."
        [received] = [each for each in session.records() if each.type == "message_received"]
    assert seen(model) == [[PHOTO]] * STEPS
    assert len(PHOTO) < stored(tmp_path) < len(PHOTO) + 200_000
    assert [size // len(PHOTO) for size in opened] == [1] * STEPS  # read for each request, and held by nothing
    assert received.contents is not None
    assert "attachment/0" not in received.contents
    assert received.sizes["attachment/0"] == len(PHOTO)


@pytest.mark.req("LIC-24.64")
async def test_the_record_of_a_message_says_what_its_files_are_and_the_message_refers_to_them(tmp_path: Path) -> None:
    model = ScriptedModel(["Two cups."])
    async with Runtime.open(tmp_path, agents=[agent(model)]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Look", data=files(PNG + b"1", PNG + b"2"), key="k")
        await turn.result()
        log, n = runtime.log(SCOPE), turn.receipt.n
        stream = session_stream(session.id)
        control, contents = log.event(stream, n).control, log.contents(stream, n)
        assert isinstance(control, e.MessageReceived)
        assert [(each.media_type, each.size_bytes) for each in control.attachments] == [("image/png", 9)] * 2
        assert [each.digest for each in control.attachments] == [log.digest(PNG + b"1"), log.digest(PNG + b"2")]
        urls = [each["contentUrl"] for each in msgspec.json.decode(contents["data"])["attachments"]]
        assert urls == [f"attachment:{n}/0", f"attachment:{n}/1"]
        assert await log.content(stream, n, "attachment/1") == PNG + b"2"
        again = await session.say("Look", data=files(PNG + b"1", PNG + b"2"), key="k")
        assert again.receipt.is_repeated
        for other in (files(PNG + b"1", PNG + b"3"), files(PNG + b"1"), None):
            with pytest.raises(Conflict):
                await session.say("Look", data=other, key="k")
    assert seen(model) == [[PNG + b"1", PNG + b"2"]]


@pytest.mark.req("LIC-24.63")
async def test_a_picture_of_an_earlier_turn_is_read_again_where_that_is_declared(
    tmp_path: Path, opened: list[int]
) -> None:
    model = ScriptedModel(["A cup.", "It was a cup.", "Gone."])
    async with Runtime.open(tmp_path, agents=[agent(model, history_media=1)]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        await (await session.say("What is it?", data=files(PHOTO))).result()
        await (await session.say("And what was it?")).result()
    assert seen(model) == [[PHOTO], [PHOTO]]
    assert len(opened) == 2


class Held:
    """A model that is asked and does not answer before it may."""

    name = "held"

    def __init__(self) -> None:
        self.may, self.asked = asyncio.Event(), asyncio.Event()

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        self.asked.set()
        await self.may.wait()
        return ModelReply("done")


@pytest.mark.req("LIC-24.65")
async def test_runs_are_recovered_without_reading_a_file(tmp_path: Path, opened: list[int]) -> None:
    many, held = 12, Held()
    async with Runtime.open(tmp_path, agents=[agent(held)]) as runtime:
        for i in range(many):
            session = await runtime.sessions.open(SCOPE, CUSTOMER, key=str(i))
            await session.say("Look", data=files(PNG + bytes(100_000)))
        await held.asked.wait()
    opened.clear()
    asked = asyncio.Event()

    class Counting(Held):
        async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
            asked.set()
            return await super().generate(request, deltas)

    async with Runtime.open(tmp_path, agents=[agent(later := Counting())]) as runtime:
        assert opened == []  # nothing was asked of a model yet
        later.may.set()
        for i in range(many):
            session = await runtime.sessions.open(SCOPE, CUSTOMER, key=str(i))
            while session.is_owing():
                await session.news()
    assert asked.is_set()
    assert len(opened) >= many  # each by the plan that was asked again


async def _erased(runtime: Runtime, session: Session, n: int) -> None:
    await runtime.people.erase(SCOPE, CUSTOMER, OPS)
    with pytest.raises(ContentErased):
        await runtime.log(SCOPE).content(session_stream(session.id), n, "attachment/0")


@pytest.mark.req("LIC-24.66")
async def test_of_an_erased_person_no_file_can_be_read_and_their_run_ends_as_it_does_without_its_words(
    tmp_path: Path,
) -> None:
    held = Held()
    async with Runtime.open(tmp_path, agents=[agent(held)]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("What is it?", data=files(PHOTO))
        await held.asked.wait()
        open_turn = runtime.engine.journal(SCOPE).mailbox(session.id).turn
        assert open_turn is not None
        await _erased(runtime, session, turn.receipt.n)
        assert runtime.engine.journal(SCOPE).run(open_turn.run).outcome == "cancelled"
    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel([]))]) as runtime:
        with pytest.raises(ContentErased):
            await runtime.log(SCOPE).content(session_stream(session.id), turn.receipt.n, "attachment/0")


class Deaf(ScriptedModel):
    """A model that takes pictures and nothing else."""

    def takes(self, media: Media, /) -> bool:
        return media.kind == "image"


@pytest.mark.req("LIC-24.67")
async def test_what_a_model_does_not_take_is_told_in_words_and_kept_so_beside_the_plan(tmp_path: Path) -> None:
    pdf = base64.b64encode(b"%PDF-1.7" + bytes(120 * 1024 - 8)).decode()
    data = files(PNG)
    data["attachments"].append({"contentUrl": f"data:;base64,{pdf}", "name": "report.pdf"})
    data["attachments"].append({"contentUrl": "data:text/csv;base64,YTtiCg==", "name": "all.csv"})
    model = Deaf(["A cup."])
    async with Runtime.open(tmp_path, agents=[agent(model)]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        turn = await session.say("Look", data=data)
        await turn.result()
        run = (await turn.result()).run
        assert run is not None
        log, stream = runtime.log(SCOPE), run_stream(run)
        [planned] = [each for each in log.records(stream) if each.type == "planned"]
        asked = log.contents(stream, planned.n)["asked/0"].decode()
    told = "[file report.pdf, application/pdf, 120 KB, not shown to this model]"
    [message] = [message for message in model.requests[0].messages if message.role == "user"]
    assert message.text.splitlines() == ["Look", "[file all.csv, text/csv, 1 KB, not shown to this model]", told]
    assert [each.media_type for each in message.media] == ["image/png"]
    assert told in asked


@pytest.mark.req("LIC-24.64")
@pytest.mark.parametrize("reference", ["attachment:1/0", "attachment:0/0"])
async def test_a_message_cannot_refer_to_a_file_of_another(tmp_path: Path, reference: str) -> None:
    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel(["x"]))]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        with pytest.raises(Invalid) as caught:
            await session.say("Look", data={"attachments": [{"contentUrl": reference}]})
    assert caught.value.code == "attachment_invalid"


@pytest.mark.req("LIC-24.68")
async def test_what_files_a_tenant_was_sent_today_is_counted_across_restarts(tmp_path: Path) -> None:
    for i in range(3):
        async with Runtime.open(tmp_path, agents=[agent(ScriptedModel(["ok", "ok"]))]) as runtime:
            log, now_us = runtime.log(SCOPE), runtime.engine.services.clock()
            session = await runtime.sessions.open(SCOPE, CUSTOMER)
            await (await session.say("Look", data=files(PNG + bytes(992), PNG + bytes(99_992)))).result()
            await log.files.load(now_us)
            found = log.files.on(now_us)
        assert (i + 1) * 101_000 <= found <= (i + 1) * (101_000 + 2 * 64)


@pytest.mark.req("LIC-24.68")
async def test_a_tenant_takes_no_more_files_a_day_than_its_quota_says(tmp_path: Path) -> None:
    def quota(scope: Scope, actor: object, size: int) -> None:
        if runtime.log(scope).files.on(runtime.engine.services.clock()) + size > 250:
            raise TooMany("Too much.", code="file_bytes", retry_after_s=1.0)

    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel(["ok"] * 9))]) as runtime:
        runtime.engine.services = msgspec.structs.replace(runtime.engine.services, files_quota=quota)
        session = await runtime.sessions.open(SCOPE, CUSTOMER)
        outcomes: list[str] = []
        for _ in range(4):
            try:
                await session.say("Look", data=files(PNG + bytes(92)))
                outcomes.append("taken")
            except LichenError as error:
                outcomes.append(error.code)
        await session.say("Words are taken.")
    assert outcomes == ["taken", "taken", "file_bytes", "file_bytes"]


OTHER = Scope("globex", "dev")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """A disk that takes nothing large before it may: the first event says that it was asked, the second lets it."""
    asked, may = threading.Event(), threading.Event()
    put = Blobs.put

    def slowly(self: Blobs, data: bytes) -> bytes:
        asked.set()
        assert may.wait(20)
        return put(self, data)

    monkeypatch.setattr(Blobs, "put", slowly)
    return asked, may


@pytest.mark.req("LIC-24.69")
async def test_a_picture_that_is_being_written_makes_its_own_log_wait_and_no_other(
    tmp_path: Path, slow: tuple[threading.Event, threading.Event]
) -> None:
    asked, may = slow
    model = ScriptedModel(["ok"] * 9)
    async with Runtime.open(tmp_path, agents=[agent(model)]) as runtime:
        mine, theirs = [await runtime.sessions.open(scope, CUSTOMER) for scope in (SCOPE, OTHER)]
        saying = asyncio.ensure_future(mine.say("Look", data=files(PHOTO)))
        await asyncio.to_thread(asked.wait, 20)
        assert (await (await theirs.say("Hello")).result()).text == "ok"
        behind = asyncio.ensure_future(runtime.sessions.open(SCOPE, CUSTOMER))
        assert (await (await theirs.say("Hello again")).result()).text == "ok"
        assert not saying.done()
        assert not behind.done()
        may.set()
        assert (await (await saying).result()).text == "ok"
        await (await behind).say("And this came after it.")


@pytest.mark.req("LIC-24.69")
async def test_a_picture_whose_message_was_not_written_is_counted_nowhere_and_taken_when_it_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel([]))]) as runtime:
        session = await runtime.sessions.open(SCOPE, CUSTOMER, key="k")
        with monkeypatch.context() as patch:
            patch.setattr(SqliteWriting, "put", _full)
            with pytest.raises(Unavailable):
                await session.say("Look", data=files(PHOTO), key="m")
    assert blobs_in(tmp_path)  # the bytes are there, and no record names them
    async with Runtime.open(tmp_path, agents=[agent(ScriptedModel(["A cup."]))]) as runtime:
        log, now_us = runtime.log(SCOPE), runtime.engine.services.clock()
        await log.files.load(now_us)
        assert log.files.on(now_us) == 0
        session = await runtime.sessions.open(SCOPE, CUSTOMER, key="k")
        turn = await session.say("Look", data=files(PHOTO), key="m")
        assert (await turn.result()).text == "A cup."
        assert len(PHOTO) <= log.files.on(now_us) < len(PHOTO) + 100
        assert [each.type for each in session.records()].count("message_received") == 1


def _full(self: SqliteWriting, batch: object, /) -> None:
    raise OSError(errno.ENOSPC, "no space left")
