"""The language of a conversation: what its customer wants, of those that the tenant speaks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lichen import Agent
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.speech.wording import GERMAN, Texts
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Scope
from lichen.runtime import Runtime
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project
from tests.declared import declaring
from tests.serve.widget import Client, app_of, project_in, runtime_of, texts

ACME = Scope("acme", "dev")
SORRY = "Das tut uns leid."


class Tells:
    """Answers with the language it is asked to speak."""

    pure = True
    digest = "tells"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=f"{input.run.attributes['channel']} in {input.run.attributes['language']}")


def bilingual(home: Path) -> Project:
    project = project_in(home)
    acme = msgspec.structs.replace(
        project.settings.tenants["acme"],
        languages=("en", "de"),
        texts={"de": {"withheld": SORRY}, "en": {"stopped": "Shut."}},
    )
    agents = (Agent("shop.echo", planner=Tells()),)
    changed = declaring(project, tenants={**project.settings.tenants, "acme": acme})
    return msgspec.structs.replace(changed, agents=agents)


async def told(client: Client) -> list[str]:
    await client.say("Hi")
    return texts(await client.heard(2))[1:]


@pytest.mark.req("LIC-30.3")
@pytest.mark.parametrize(
    ("body", "header", "language"),
    [
        ({"locale": "de-DE"}, "en", "de"),
        ({"locale": "fr"}, "de", "en"),
        ({}, "de-AT,de;q=0.9,en;q=0.8", "de"),
        ({}, "fr", "en"),
    ],
)
async def test_the_locale_of_the_client_decides_and_else_what_the_browser_accepts(
    tmp_path: Path, body: dict[str, str], header: str, language: str
) -> None:
    async with runtime_of(bilingual(tmp_path)) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.send("POST", "conversations", body, **{"accept-language": header})
        assert await told(client) == [f"webchat in {language}"]


@pytest.mark.req("LIC-30.3")
async def test_a_conversation_that_begins_with_a_message_is_in_the_language_of_that_message(tmp_path: Path) -> None:
    async with runtime_of(bilingual(tmp_path)) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.say("Hallo", locale="de")
        assert texts(await client.heard(2))[1:] == ["webchat in de"]
        await client.say("Hello", locale="en")
        assert texts(await client.heard(4))[3:] == ["webchat in de"], "and it stays"


@pytest.mark.req("LIC-30.4")
@pytest.mark.parametrize(("locale", "said"), [("de", GERMAN.stopped), ("en", "Shut.")])
async def test_a_tenant_that_is_stopped_says_so_in_its_own_words_and_the_customers_language(
    tmp_path: Path, locale: str, said: str
) -> None:
    async with runtime_of(bilingual(tmp_path)) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.send("POST", "conversations", {"locale": locale})
        await told(client)
        stop(runtime)
        await client.say("Hi")
        assert texts(await client.heard(4))[3:] == [said]
        fresh = Client(app_of(runtime))
        await fresh.generate("ben")
        refused = await fresh.send("POST", "conversations", {"locale": locale})
        assert (refused.status_code, refused.json()["error"]["message"]) == (403, said)


def stop(runtime: Runtime) -> None:
    runtime.gate.stop(ACME, "tenant", "", "incident 7")


@pytest.mark.req("LIC-30.4")
def test_a_text_that_the_runtime_never_says_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "lichen.toml"
    file.write_text('[lichen]\nagents = []\n[tenants.acme]\n[tenants.acme.texts.de]\nstoped = "Zu."\n')
    with pytest.raises(Invalid) as refused:
        load(file, environ={})
    assert (refused.value.code, refused.value.place) == ("text_unknown", f"{file}:3: tenants.acme.texts")
    assert "stopped" in refused.value.next_step
    file.write_text(file.read_text().replace("stoped", "stopped"))
    wording = load(file, environ={}).settings.wording("acme")
    assert (wording.of("de").stopped, wording.of("de").failed, wording.of("en")) == ("Zu.", GERMAN.failed, Texts())


class Refunds:
    """Answers with a value."""

    pure = True
    digest = "refunds"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer='{"amount":123450}')


@pytest.mark.req("GOA-61.15")
@pytest.mark.parametrize(
    ("say", "wanted", "text"),
    [
        ({"en": "{amount|money} EUR back.", "de": "{amount|money} EUR zurück."}, "de-AT", "1.234,50 EUR zurück."),
        ({"en": "{amount|money} EUR back.", "de": "{amount|money} EUR zurück."}, "fr", "1,234.50 EUR back."),
        ("{amount|money} EUR", "de", "1.234,50 EUR"),
    ],
)
async def test_a_typed_answer_is_said_in_the_language_of_the_conversation(
    tmp_path: Path, say: dict[str, str] | str, wanted: str, text: str
) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    agent = Agent("shop.echo", planner=Refunds(), answers=schema, say=say)
    async with runtime_of(msgspec.structs.replace(bilingual(tmp_path), agents=(agent,))) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.send("POST", "conversations", {"locale": wanted})
        assert await told(client) == [text]


class Breaks:
    """Fails for good."""

    pure = True
    digest = "breaks"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(failure="order_gone")


@pytest.mark.req("GRE-27.4")
async def test_the_client_is_told_of_which_kind_a_failure_is_beside_words_in_the_customers_language(
    tmp_path: Path,
) -> None:
    project = msgspec.structs.replace(bilingual(tmp_path), agents=(Agent("shop.echo", planner=Breaks()),))
    async with runtime_of(project) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.say("Hallo", locale="de")
        *_, answer = await client.heard(2)
        assert answer["text"] == GERMAN.failed
        assert answer["channelData"] == {
            "lichen": {"kind": "answer"},
            "metadata": {
                "error_kind": "agent_execution_failed",
                "error_message": GERMAN.failed,
                "flow_id": "shop.echo",
            },
        }
