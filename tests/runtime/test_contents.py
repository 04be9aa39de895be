"""Who may read runs and not what was said in them: of every operation there is, they get sizes, labels and digests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from lichen import Agent, ModelReply, Runtime, tool
from lichen.agents import LLMPlanner, ScriptedModel
from lichen.core.deciders import events as e
from lichen.core.ports.model import Delta, Deltas, ModelCall, ModelRequest
from lichen.core.words.errors import ContentErased, Denied, LichenError, NotFound
from lichen.core.words.ids import TENANT_STREAM, RunId, ToolName, run_stream
from lichen.core.words.scope import SYSTEM, Actor, Customer, Operator, Service
from lichen.tools import WithArtifacts
from tests.runtime.asking import ENTRIES, FILE, Asker, World
from tests.runtime.world import OPS, SCOPE, until

CANARY: Final = "canary-bird"
WHO = Customer(f"{CANARY}-customer")
VIEWER, CRM = Operator("viewer", ("viewer",)), Service("crm")
TICKS: Final = 50
DEADLINE_S: Final = 20.0

POLICY = """
@id("use") permit (principal is Agent, action == Action::"till.pay", resource);
@id("lose") permit (principal is Agent, action == Action::"till.lose", resource);
@id("ask") @approval("operator") @public("canary-bird, please wait.") @reason("canary-bird reason")
permit (principal is Agent, action == Action::"till.hold", resource);
@id("viewers")
forbid (principal in Role::"viewer", action in [Action::"run.contents", Action::"wait.answer"], resource);
"""
METERS = '[[meter]]\nname = "paid"\ntools = ["till.pay"]\nper = "argument"\nper_argument = "note"\n'

PLANTED: Final = frozenset(
    (
        "actor", "answer", "args", "artifacts", "asked", "attributes", "data", "failure", "hint", "input", "operator",
        "public", "replied", "result", "schema", "state", "text", "tool", "value",
    )
)  # fmt: skip
"""The kinds of contents that the canary sits in."""


@tool(
    name="till.pay",
    effects="none",
    runs="loop",
    call_hint="Paying {note}",
    result_hint="Paid {result}",
    artifacts={"slip": str},
)
async def pay(note: str) -> WithArtifacts[str]:
    """Pays."""
    return WithArtifacts(f"{note} paid", slip=note)


@tool(name="till.lose", effects="none", runs="loop")
async def lose(note: str) -> str:
    """Fails."""
    raise ValueError(note)


@tool(name="till.hold", effects="once", runs="loop")
async def hold(note: str) -> str:
    """Waits for a person."""
    return note


def call(name: str) -> ModelReply:
    return ModelReply(CANARY, (ModelCall("c", ToolName(name), b'{"note":"canary-bird"}'),))


SAID = f'{{"note":"{CANARY} answer"}}'
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"note": {"type": "string", "description": CANARY}},
    "required": ["note"],
}


class Model(ScriptedModel):
    """Says its reply in pieces as well."""

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        reply = await super().generate(request)
        if deltas is not None:
            deltas(Delta(reply.text))
        return reply


def runtime_in(home: Path) -> Runtime:
    (home / "policies").mkdir()
    (home / "policies" / "till.cedar").write_text(POLICY)
    (home / "policies" / "meters.toml").write_text(METERS)
    talk = [call("till.pay"), call("till.lose"), call(f"till.{CANARY}"), SAID]
    model = Model([SAID, *talk, *talk, call("till.hold"), *[SAID] * 200])
    clerk = Agent("till.clerk", planner=LLMPlanner(model, instructions=CANARY), tools=[pay, lose, hold])
    return Runtime.open(home, agents=[clerk], policies=home / "policies")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with runtime_in(tmp_path) as runtime:
        session = await runtime.sessions.open(SCOPE, WHO, attributes={"shop": CANARY})
        await (await session.say("hello", key="one", data=FILE)).result()
        await (await session.ask(f"{CANARY} asks", answers=SCHEMA, data={"form": CANARY})).result()
        done = await runtime.runs.start(SCOPE, "till.clerk", f"{CANARY} asks", WHO, answers=SCHEMA)
        await runtime.runs.result(SCOPE, done, WHO)
        held = await runtime.runs.start(SCOPE, "till.clerk", f"{CANARY} asks", WHO)
        await until(lambda: runtime.waits.list(SCOPE, SYSTEM))
        yield World(runtime, session.id, done, held, runtime.runs._access, WHO)  # pyright: ignore[reportPrivateUsage]


def planted(world: World) -> set[str]:
    """The kinds of contents that hold the canary, in the whole log."""
    log, found = world.runtime.log(SCOPE), set[str]()
    for seq in range(1, log.last_seq + 1):
        for record in log.read(seq - 1, 1):
            with suppress(ContentErased):
                parts = log.contents_of(record)
                found |= {name for part, data in parts.items() if CANARY.encode() in data for name in part.split("/")}
    return found


READS: Final = ("list", "read", "result", "contents", "check", "verify", "export")
"""What actions are called that only look."""


async def shown(world: World, name: str, who: Actor) -> str:
    """All that an operation gives somebody, as text: what it returns, what streams of it, or its error."""
    asker = Asker("the reader", SCOPE, who)

    async def asked() -> str:
        found = ENTRIES[name].call(world, asker)
        if inspect.isawaitable(found):
            found = await found
        if hasattr(found, "records") and hasattr(found, "is_end"):  # a feed
            found = found.records(0)
        return await _streamed(found) if hasattr(found, "__aiter__") else _text(found)

    try:
        return await asyncio.wait_for(asked(), 0.5 if ENTRIES[name].waits else DEADLINE_S)
    except LichenError as error:
        return repr((error.message, error.place, error.next_step))
    except TimeoutError:
        return ""


async def _streamed(found: Any) -> str:
    texts: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            async for each in found:
                texts.append(_text(each))  # noqa: PERF401 - what came before the time is up counts
    return "\n".join(texts)


def _text(found: Any) -> str:
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    return msgspec.json.encode(found, enc_hook=lambda value: repr(value)).decode()


LOOKING = sorted(
    name
    for name, entry in ENTRIES.items()
    if entry.action.rpartition(".")[2] in READS and not entry.action.startswith("policy.")
)
"""All but those that show a project's policies, whose texts the canary comes from."""


@pytest.mark.req("LIC-12.56")
async def test_who_may_not_read_contents_is_shown_none_by_any_operation(world: World) -> None:
    missing = PLANTED - planted(world)
    assert not missing, f"nothing is proved of {missing}"
    for name in LOOKING:
        for who in (VIEWER, CRM):
            assert CANARY not in await shown(world, name, who), f"{name} shows {who.kind} {who.id} what was said"


SHOWING = ("Runs.show", "Runs.list", "Runs.explain", "Runs.result", "Runs.outcome", "Runs.follow", "Feed.records",
           "Session.detail", "Session.records", "Session.pending", "Turn.result", "Waits.list",
           "Waits.show", "Records.page", "MeterBooks.list")  # fmt: skip
"""Operations that show what was said to whoever may read it."""


@pytest.mark.req("LIC-12.56")
async def test_who_may_read_contents_is_shown_them(world: World) -> None:
    for name in SHOWING:
        assert CANARY in await shown(world, name, OPS), name


@pytest.mark.req("LIC-12.57")
async def test_a_reader_without_contents_sees_what_happened_with_sizes_labels_and_digests(world: World) -> None:
    detail = world.runtime.runs.show(SCOPE, world.done, VIEWER)
    whole = world.runtime.runs.show(SCOPE, world.done, OPS)
    assert (detail.is_sealed, detail.story.asked, detail.answer, detail.value) == (True, None, None, None)
    assert [record.type for record in detail.records] == [record.type for record in whole.records]
    for sealed, opened in zip(detail.records, whole.records, strict=True):
        assert (sealed.contents, sealed.is_sealed, opened.is_sealed) == (None, True, False)
        assert (sealed.control, sealed.sources) == (opened.control, opened.sources)
        log = world.runtime.log(SCOPE)
        sizes = {part: len(data) for part, data in log.contents(run_stream(world.done), opened.n).items()}
        assert sealed.sizes == sizes == opened.sizes
    calls = [(call.tool, call.outcome) for call in detail.story.calls]
    assert calls[:2] == [("till.pay", "ok"), ("till.lose", "failed")]
    assert detail.cost == whole.cost


@pytest.mark.req("LIC-12.57")
async def test_only_a_reader_who_sees_contents_stands_in_the_log_as_one(world: World) -> None:
    def openings() -> int:
        log = world.runtime.log(SCOPE)
        return sum(isinstance(record.control, e.Accessed) for record in log.records(TENANT_STREAM))

    before = openings()
    for who in (VIEWER, CRM):
        world.runtime.runs.show(SCOPE, world.done, who)
        world.runtime.runs.list(SCOPE, who)
    assert openings() == before
    world.runtime.runs.show(SCOPE, world.done, OPS)
    assert openings() == before + 1


@pytest.mark.req("LIC-12.58")
async def test_whose_it_is_a_channel_and_who_may_answer_have_the_words_they_need(world: World) -> None:
    runs = world.runtime.runs
    assert CANARY in await runs.result(SCOPE, world.done, WHO)
    assert CANARY in await runs.result(SCOPE, world.done, Service("post", ("channel",)))
    own = await runs.start(SCOPE, "till.clerk", "one more", CRM)
    assert CANARY in str(runs.outcome(SCOPE, own, CRM))
    with pytest.raises(Denied) as refused:
        await runs.result(SCOPE, world.done, CRM)
    assert refused.value.code == "role_missing"
    approver = Operator("anna", ("operator", "approver"))
    forbid = '@id("more") forbid (principal in Role::"approver", action == Action::"run.contents", resource);'
    (world.runtime.home / "policies" / "more.cedar").write_text(forbid)
    await world.runtime.policies.reload(SCOPE, OPS)
    assert CANARY in _text(world.runtime.waits.list(SCOPE, approver))
    assert CANARY not in _text(runs.list(SCOPE, approver))


@pytest.mark.req("LIC-12.57")
async def test_what_a_model_says_is_followed_by_its_sizes(world: World) -> None:
    run = await world.runtime.runs.start(SCOPE, "till.clerk", "one more", WHO)
    seen = [piece async for piece in world.runtime.runs.pieces(SCOPE, run, VIEWER)]
    assert {piece.text for piece in seen} <= {""}
    assert all(piece.chars for piece in seen)


def test_a_run_that_is_not_there_is_not_there_for_anybody(tmp_path: Path) -> None:
    async def looked() -> None:
        async with runtime_in(tmp_path) as runtime:
            for who in (VIEWER, CRM, OPS):
                with pytest.raises(NotFound):
                    runtime.runs.show(SCOPE, RunId("run_none"), who)

    asyncio.run(looked())
