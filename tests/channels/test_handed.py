"""A person has a conversation that a platform brings: what they write is pushed, and the assistant goes on after."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from lichen import Runtime
from lichen.core.words.scope import Actor
from lichen.runtime.project.loading import load
from lichen.serve.site import make_site
from tests.channels.test_letters import ACME, channel_of, idle, post, said

DEMO = Path(__file__).parents[2] / "demo"
OPS = Actor("operator", "ops", ("operator",))


@pytest.mark.req("GRE-49.22")
async def test_a_person_takes_over_answers_and_gives_back_while_the_customer_stays_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMMY_SECRET", "s3")
    root = tmp_path / "shop"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("__pycache__", ".lichen"))
    file = root / "lichen.toml"
    file.write_text(f'{file.read_text()}\n[tenants.acme.dummy]\nsecret = "env:DUMMY_SECRET"\n')
    async with Runtime.of(load(file, environ={"LICHEN_HOME": str(tmp_path / "home")})) as runtime:
        transport = httpx.ASGITransport(make_site(runtime), client=("203.0.113.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            channel = channel_of(runtime)

            async def told(text: str, id: str) -> list[str]:
                """What the platform is sent once the customer wrote this."""
                channel.sent.clear()
                assert await post(client, said(text, id=id)) == 200
                await idle(runtime)
                return [each["text"] for each in channel.sent]

            assert len(await told("I want to speak to a human", "m1")) == 1
            (wanted,) = runtime.handovers.list(ACME, OPS)
            assert await told("Is anybody there?", "m2") == []  # the assistant is silent
            await runtime.handovers.take(ACME, wanted.id, OPS)
            await runtime.handovers.reply(ACME, wanted.id, "Mia here.", OPS)
            await idle(runtime)
            assert channel.sent[-1]["text"] == "Mia here."
            assert channel.sent[-1]["to"] == "c1"
            assert await told("My order is late.", "m3") == []
            assert runtime.handovers.show(ACME, wanted.id, OPS).unread == ("m3",)
            talk = await runtime.sessions.get(ACME, wanted.session, OPS).detail()
            assert [(each.role, each.text) for each in talk.transcript[-2:]] == [
                ("operator", "Mia here."),
                ("customer", "My order is late."),
            ]
            channel.sent.clear()
            await runtime.handovers.give_back(ACME, wanted.id, OPS, text="All done.")
            await idle(runtime)
            assert channel.sent[0]["text"] == "All done."
            assert runtime.handovers.list(ACME, OPS) == ()
            assert len(await told("Where is order 1042?", "m4")) >= 1  # the assistant again
