"""A server that asks before a call ends: somebody is asked in its name, and it is told what they said and no more."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen.core.ports.call import CallMeta, GivenAnswer, NeedsAnswer, NotDone, Produced
from lichen.core.remote.server import Asks, Server
from lichen.tools.arguments.forms import SECRET
from lichen.tools.mcp.connection import Connection
from lichen.tools.mcp.failures import ServerGone
from tests.runtime.world import until
from tests.tools.mcp.test_connection import connected, meta, strange, tool_of

ASKER = Path(__file__).with_name("asker.py")
EVERY: tuple[Asks, ...] = ("form", "url")


def asker(asks: tuple[Asks, ...] = EVERY) -> Server:
    return Server("strange", command=(sys.executable, str(ASKER)), asks=asks)


def answered(asked: NeedsAnswer, **said: Any) -> CallMeta:
    """The call as it is made again once somebody said something."""
    return msgspec.structs.replace(meta(), answer=GivenAnswer("answered", msgspec.json.encode(said), asked.state))


async def made(connection: Connection, name: str, about: CallMeta | None = None, **arguments: Any) -> Produced:
    tool = await tool_of(connection, name)
    return await tool.execute(tool.decode(msgspec.json.encode(arguments)), about or meta())


async def asks(connection: Connection, name: str, about: CallMeta | None = None, **arguments: Any) -> NeedsAnswer:
    with pytest.raises(NeedsAnswer) as asked:
        await made(connection, name, about, **arguments)
    return asked.value


def said(produced: Produced) -> Any:
    """What the server says it was told."""
    return json.loads(json.loads(produced.result)["text"])


@pytest.mark.req("SYM-56.10")
async def test_a_server_that_asks_in_the_midst_of_a_call_is_told_what_was_said(tmp_path: Path) -> None:
    file = str(tmp_path / "calls")
    async with connected(asker()) as connection:
        asked = await asks(connection, "lend", file=file)
        assert (asked.question.splitlines()[0], asked.asker, asked.goes_on) == ("For how long?", "strange", True)
        assert asked.schema["required"] == ["days"]
        assert not (tmp_path / "calls").exists()
        told = said(await made(connection, "lend", answered(asked, days=14), file=file))
        assert told == {"action": "accept", "content": {"days": 14, "note": "-"}}
        assert len((tmp_path / "calls").read_text().splitlines()) == 1


@pytest.mark.req("SYM-56.10")
@pytest.mark.parametrize(("outcome", "action"), [("declined", "decline"), ("expired", "cancel")])
async def test_a_server_is_told_that_nobody_answered(tmp_path: Path, outcome: Any, action: str) -> None:
    file = str(tmp_path / "calls")
    async with connected(asker()) as connection:
        asked = await asks(connection, "lend", file=file)
        again = msgspec.structs.replace(meta(), answer=GivenAnswer(outcome, state=asked.state))
        assert said(await made(connection, "lend", again, file=file)) == {"action": action}


@pytest.mark.req("SYM-56.10")
async def test_a_call_that_asked_over_a_connection_that_is_gone_is_in_doubt(tmp_path: Path) -> None:
    file = str(tmp_path / "calls")
    async with connected(asker()) as connection:
        asked = await asks(connection, "lend", file=file)
    async with connected(asker()) as another:
        with pytest.raises(ServerGone):
            await made(another, "lend", answered(asked, days=14), file=file)
        assert another.is_open  # it is not closed for that
    assert "accept" not in (tmp_path / "calls").read_text()


@pytest.mark.req("SYM-56.12")
async def test_a_server_is_told_of_a_call_that_is_cancelled_or_out_of_time(tmp_path: Path) -> None:
    file = tmp_path / "calls"
    async with connected(asker()) as connection:
        calling = asyncio.ensure_future(made(connection, "wait", file=str(file)))
        await until(lambda: "began" in written(file))
        calling.cancel()
        await until(lambda: "cancelled" in written(file))
        with pytest.raises(TimeoutError):
            await made(connection, "wait", msgspec.structs.replace(meta(), timeout_s=0.5), file=str(file))
        await until(lambda: written(file).count("cancelled") == 2)


def written(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.req("SYM-56.8")
@pytest.mark.parametrize("name", ["phish", "strange"])
async def test_a_form_for_a_secret_or_of_more_than_plain_fields_is_put_to_nobody(tmp_path: Path, name: str) -> None:
    async with connected(asker()) as connection:
        told = said(await made(connection, name, file=str(tmp_path / "calls")))
        assert told["code"] == -32600
        assert "server asks" in told["message"]


@pytest.mark.req("SYM-56.8")
async def test_an_address_is_shown_with_its_host_and_opened_by_nobody_here(tmp_path: Path) -> None:
    file = str(tmp_path / "calls")
    async with connected(asker()) as connection:
        asked = await asks(connection, "open", file=file)
        assert asked.question == "Sign in there.\nhttps://books.example/in?x=1\n(books.example)"
        assert said(await made(connection, "open", answered(asked, done=True), file=file)) == {"action": "accept"}


@pytest.mark.req("SYM-56.8")
async def test_a_server_asks_nobody_unless_the_project_lets_it(tmp_path: Path) -> None:
    async with connected(asker(())) as connection:
        told = said(await made(connection, "lend", file=str(tmp_path / "calls")))
        assert "not supported" in told["message"]
    async with connected(asker(("form",))) as connection:
        told = said(await made(connection, "open", file=str(tmp_path / "calls")))
        assert "lichen.toml" in told["message"]


@pytest.mark.req("SYM-56.10")
async def test_of_two_calls_under_way_a_question_is_of_neither() -> None:
    async with connected(strange("plain", asks=EVERY)) as connection:
        sleeping = [asyncio.ensure_future(made(connection, "sleep", seconds=1.0)) for _ in range(2)]
        await until(lambda: connection.calls.count == 2)
        told: Any = await connection.calls.asked(None)  # type: ignore[arg-type]
        assert "which call" in told.message
        await asyncio.gather(*sleeping)


@pytest.mark.req("SYM-56.11")
async def test_a_call_that_needs_input_is_made_again_with_the_answers_and_the_state_of_the_server(
    tmp_path: Path,
) -> None:
    async with connected(strange(asks=EVERY)) as connection:
        first = await asks(connection, "lend", title="Dune")
        assert (first.goes_on, first.question) == (False, "For how long?")
    async with connected(strange(asks=EVERY)) as another:  # nothing of it is kept by the connection
        second = await asks(another, "lend", answered(first, days=14), title="Dune")
        assert second.question == "Where to?"
        done = await made(another, "lend", answered(second, town="Wien"), title="Dune")
    assert json.loads(done.result)["text"] == "Dune for 14 days to Wien, as of round 1"


@pytest.mark.req("SYM-56.11")
async def test_a_call_that_needs_more_and_more_or_what_is_not_given_ends() -> None:
    async with connected(strange(asks=EVERY)) as connection:
        with pytest.raises(NotDone) as endless:
            await made(connection, "again")
        assert endless.value.code == "input_required"
        with pytest.raises(NotDone) as unmet:
            await made(connection, "needs_roots")
        assert unmet.value.code == "input_required"


@pytest.mark.req("SYM-56.13")
async def test_a_server_is_told_of_the_folders_that_the_project_names_and_of_no_others() -> None:
    async with connected(strange(roots=("file:///srv/books",))) as connection:
        done = await made(connection, "needs_roots")
        assert json.loads(done.result)["text"] == "file:///srv/books"
    async with connected(strange(asks=EVERY, roots=("file:///srv/books",))) as connection:
        asked = await asks(connection, "needs_both")
        done = await made(connection, "needs_both", answered(asked, title="Dune"))
        assert json.loads(done.result)["text"] == "Dune in file:///srv/books"


@pytest.mark.parametrize(
    "words", ["password", "Your API key", "access-token", "PIN", "CVV", "Kennwort", "credit card", "client_secret"]
)
def test_words_for_secrets_are_known(words: str) -> None:
    assert SECRET.search(words)


@pytest.mark.parametrize("words", ["days", "Which town?", "number of tokens", "opinion", "shipping"])
def test_other_words_are_not_taken_for_them(words: str) -> None:
    assert not SECRET.search(words)
