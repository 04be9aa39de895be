"""How conversations begin: with a greeting and what may be said by a button, and in development without a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Agent
from lichen.agents import Intent, RulePlanner, Slot
from lichen.agents.rules.words import Words
from lichen.core.ports.plan import Planner
from lichen.core.speech.wording import Greeting
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import SYSTEM, Customer, Scope
from lichen.flows.read.load import parse
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.project.loading import load
from lichen.runtime.project.project import Project
from tests.declared import declaring
from tests.serve.widget import Client, Echo, app_of, code, project_in, runtime_of

ACME = Scope("acme", "dev")
HELLO = {"en": Greeting("Hello!", ("Where is it?", "A person")), "de": Greeting("Hallo!")}
RULES = RulePlanner(
    intents=(),
    fallback="?",
    greeting="Good day!",
    suggestions=("Help",),
    languages={"de": Words(greeting="Guten Tag!")},
)
FLOW = """
id: shop.flow
type: messaging
parameters:
  greeting: { en: Welcome!, de: Willkommen! }
  suggestions: { en: [Begin], de: [Los] }
nodes:
  say: { text: hi, routing: out }
"""


def greeting_shop(home: Path, planner: Planner, **webchat: Any) -> Project:
    project = project_in(home, **webchat)
    acme = msgspec.structs.replace(project.settings.tenants["acme"], languages=("en", "de"))
    tenants = {**project.settings.tenants, "acme": acme}
    return msgspec.structs.replace(declaring(project, tenants=tenants), agents=(Agent("shop.echo", planner=planner),))


async def beginning(project: Project, locale: str) -> dict[str, Any]:
    """The first activity of a conversation nobody said anything in."""
    async with runtime_of(project) as runtime:
        client = Client(app_of(runtime))
        await client.generate()
        await client.send("POST", "conversations", {"locale": locale})
        page = await client.get()
        (first,) = page["activities"]
        assert (await client.get(page["watermark"]))["activities"] == [], "it is there once"
        return first


@pytest.mark.req("LIC-30.16")
async def test_a_conversation_begins_with_the_greeting_of_its_language_and_what_may_be_pressed(tmp_path: Path) -> None:
    first = await beginning(greeting_shop(tmp_path / "a", Echo(), greetings=HELLO), "en")
    assert (first["text"], first["channelData"]) == ("Hello!", {"lichen": {"kind": "greeting"}})
    actions = [
        {"type": "imBack", "title": "Where is it?", "value": "Where is it?"},
        {"type": "imBack", "title": "A person", "value": "A person"},
    ]
    assert first["suggestedActions"] == {"actions": actions}
    german = await beginning(greeting_shop(tmp_path / "b", Echo(), greetings=HELLO), "de")
    assert german["text"] == "Hallo!"
    assert "suggestedActions" not in german


@pytest.mark.req("LIC-30.16")
@pytest.mark.parametrize(
    ("planner", "locale", "said"),
    [
        (RULES, "en", "Good day!"),
        (RULES, "de", "Guten Tag!"),
        (FlowPlanner(parse(FLOW, "flow.ygtc").flow), "en", "Welcome!"),
        (FlowPlanner(parse(FLOW, "flow.ygtc").flow), "de", "Willkommen!"),
    ],
)
async def test_without_one_in_the_settings_the_agent_or_flow_says_how_it_begins(
    tmp_path: Path, planner: Planner, locale: str, said: str
) -> None:
    assert (await beginning(greeting_shop(tmp_path, planner), locale))["text"] == said


@pytest.mark.req("LIC-30.16")
async def test_where_nobody_says_how_to_begin_nothing_is_said(tmp_path: Path) -> None:
    async with runtime_of(project_in(tmp_path)) as runtime:
        client = await Client(app_of(runtime)).open()
        assert (await client.get())["activities"] == []


@pytest.mark.req("LIC-30.16")
async def test_a_question_with_few_answers_offers_them(tmp_path: Path) -> None:
    sizes = {"small": ["s"], "large": ["l"]}
    size = Slot("size", kind="choice", choices=sizes, ask="Which size?")
    number = Slot("number", kind="choice", choices=[str(i) for i in range(20)], ask="Which number?")
    order = Intent("order", phrases=["order"], slots=[size, number], answer="{size}")
    planner = RulePlanner(intents=[order], fallback="?")
    async with runtime_of(greeting_shop(tmp_path, planner)) as runtime:
        client = await Client(app_of(runtime)).open()
        await client.say("order")
        asked = (await client.heard(2))[1]
        actions = [{"type": "imBack", "title": each, "value": each} for each in ("small", "large")]
        assert (asked["text"], asked["suggestedActions"]) == ("Which size?", {"actions": actions})
        await client.say("small")
        many = (await client.heard(4))[3]
        assert (many["text"], "suggestedActions" in many) == ("Which number?", False)


# -- in development -----------------------------------------------------------------------------------------------


def signed_in(home: Path, *, development: bool) -> Project:
    project = project_in(home, signed_in=("ann",))
    acme = msgspec.structs.replace(project.settings.tenants["acme"], development=("dev",) if development else ())
    return declaring(project, tenants={**project.settings.tenants, "acme": acme})


@pytest.mark.req("LIC-30.13")
@pytest.mark.parametrize(
    ("development", "user", "customer"),
    [(True, "ann", "ann"), (True, "ben", "webchat:ben"), (False, "ann", "webchat:ann")],
)
async def test_only_a_development_environment_believes_that_somebody_is_a_customer_it_names(
    tmp_path: Path, development: bool, user: str, customer: str
) -> None:
    async with runtime_of(signed_in(tmp_path, development=development)) as runtime:
        client = await Client(app_of(runtime)).open(user)
        await client.say("Hi")
        (session,) = await runtime.sessions.list(ACME, SYSTEM)
        assert session.customer == runtime.log(ACME).name(Customer(customer))


@pytest.mark.req("LIC-30.13")
async def test_what_was_believed_in_development_ends_with_it(tmp_path: Path) -> None:
    async with runtime_of(signed_in(tmp_path, development=True)) as runtime:
        client = await Client(app_of(runtime)).open("ann")
    async with runtime_of(signed_in(tmp_path, development=False)) as runtime:
        later = Client(app_of(runtime))
        later.token, later.conversation = client.token, client.conversation
        refused = await later.post({"type": "message", "text": "Hi"})
        assert code(refused) == (403, "token_revoked")


@pytest.mark.req("LIC-30.13")
def test_settings_that_believe_somebody_outside_development_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "lichen.toml"
    lines = [
        "from lichen import Agent",
        "from tests.serve.widget import Echo",
        "echo = Agent('shop.echo', planner=Echo())",
    ]
    (tmp_path / "shop.py").write_text("\n".join(lines))
    text = '[lichen]\nagents = ["shop.py:echo"]\n[tenants.acme]\nagent = "shop.echo"\n%s[tenants.acme.webchat]\n'
    file.write_text(text % "" + 'signed_in = ["ann"]\n')
    with pytest.raises(Invalid) as refused:
        load(file, environ={})
    assert refused.value.code == "signed_in_refused"
    file.write_text(text % 'development = ["dev"]\n' + 'signed_in = ["ann"]\n')
    assert load(file, environ={}).settings.tenants["acme"].webchat is not None
