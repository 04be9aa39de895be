"""A form that is asked for field by field, and choices that are a numbered list, on platforms that show no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.ports.plan import Plan, PlanInput, WaitRequest
from lichen.core.speech.form import form_of
from lichen.core.speech.texts import Texts
from lichen.core.speech.wording import Wording
from lichen.core.words.scope import Scope
from lichen.engine.answers.listed import chosen, has_numbers, number_in, titles_of
from lichen.engine.answers.steps import Said, Steps
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.runtime.operations.talk.session import Session
from tests.engine.conftest import MakeWorld
from tests.engine.world import CUSTOMER, World, agent

ORDER: Mapping[str, Any] = {
    "type": "object",
    "required": ["size", "count"],
    "properties": {
        "size": {"enum": ["Small", "Medium", "Large"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 40},
        "day": {"type": "string", "format": "date", "title": "On which day?"},
        "gift": {"type": "boolean", "title": "A gift"},
    },
}
SENT: Mapping[str, Any] = {
    "type": "object",
    "required": ["size", "count"],
    "additionalProperties": False,
    "properties": {
        **ORDER["properties"],
        "extras": {"type": "array", "items": {"enum": ["card", 7]}},
        "way": {"oneOf": [{"const": 1, "title": "Post"}, {"const": 2, "title": "Shop"}]},
        "note": {"type": "string", "minLength": 1},
    },
}
SIZES: Mapping[str, Any] = {"enum": ["Small", "Medium", "Large"]}


class Bare:
    """A platform without buttons and forms; `shown` is what it was sent."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self.shown: list[Outbound] = []

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        self.shown.append(message)
        return Delivery("delivered")

    def traits(self, scope: Scope) -> Traits:
        return self._traits

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        return None


def asks(schema: Mapping[str, Any], text: str = "What may it be?") -> Plan:
    return Plan(waits=(WaitRequest("clarification", text, expires_s=3_600, answer_schema=schema),))


def repeats(input: PlanInput) -> Plan:
    """How the question ended, as the answer."""
    return Plan(answer=" ".join(f"{each.outcome} {each.body.decode()}" for each in input.answers))


async def asked(
    make_world: MakeWorld, schema: Mapping[str, Any], *, traits: Traits | None = None
) -> tuple[World, Session, Bare]:
    """A session that was asked for what fits a schema."""
    bare = Bare(traits or Traits(forms="steps", choices_max=0))
    world = await make_world(agent("shop.bot", [asks(schema), repeats]), channels={"bare": bare})
    session = await at(world)
    await session.say("an order")
    await world.clock.advance(1)
    return world, session, bare


async def at(world: World, language: str = "") -> Session:
    """The session, also after a restart."""
    return await world.session(key="s", channel="bare", delivery="push", language=language)


def wording(scope: Scope) -> Wording:
    """English and German."""
    return Wording(("en", "de"))


async def hears(world: World, session: Session, bare: Bare, *texts: str, data: Any = None) -> str:
    """What the customer reads last after they wrote this."""
    for text in texts:
        await session.say(text, data=data)
        await world.clock.advance(1)
    return bare.shown[-1].saying.text


@pytest.mark.req("GRE-63.7")
async def test_a_form_is_asked_for_field_by_field_and_goes_to_the_run_as_one(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, ORDER)
    first = bare.shown[-1]
    assert first.saying.text == ("What may it be?\n\n1 of 4 · Size?\nYou can write “back” or “cancel” at any time.")
    assert (first.suggestions, first.schema) == (("Small", "Medium", "Large"), SIZES)
    assert await hears(world, session, bare, "2") == "2 of 4 · Count?"
    assert bare.shown[-1].schema == ORDER["properties"]["count"]
    assert await hears(world, session, bare, "12") == "3 of 4 · On which day?\nWrite “skip” to leave this out."
    assert await hears(world, session, bare, "31.5.2026") == "4 of 4 · A gift?\nWrite “skip” to leave this out."
    assert bare.shown[-1].suggestions == ("Yes", "No")
    told = await hears(world, session, bare, "1")
    outcome, _, body = told.partition(" ")
    assert outcome == "answered"
    assert msgspec.json.decode(body) == {
        "size": "Medium",
        "count": 12,
        "day": "2026-05-31",
        "gift": True,
        "text": "Size: Medium\nCount: 12\nOn which day?: 2026-05-31\nA gift: true",
    }


@pytest.mark.req("GRE-63.8")
async def test_what_does_not_fit_a_field_is_asked_for_again_with_what_would(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, ORDER)
    assert (await hears(world, session, bare, "what do you mean")).startswith("Please choose one of these.\n\n1 of 4")
    assert (await hears(world, session, bare, "4")).startswith("Please choose one of these.\n\n1 of 4")
    assert await hears(world, session, bare, " large! ") == "2 of 4 · Count?"
    assert await hears(world, session, bare, "many") == "Please write a number.\n\n2 of 4 · Count?"
    assert await hears(world, session, bare, "41") == f"{Texts().unclear}\n\n2 of 4 · Count?"
    assert (await hears(world, session, bare, "40", "2026-02-30")).startswith("Please write a date")
    assert (await hears(world, session, bare, "skip", "perhaps")).startswith("Please answer yes or no.")
    assert '"size":"Large","count":40,"gift":false' in await hears(world, session, bare, "no")


@pytest.mark.req("GRE-63.8")
async def test_one_may_go_back_and_leave(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, ORDER)
    assert (await hears(world, session, bare, "back")).startswith("1 of 4 · Size?")
    assert (await hears(world, session, bare, "1", "5", "back")).startswith("2 of 4 · Count?")
    assert (await hears(world, session, bare, "Back.", "3", "6")).startswith("3 of 4")
    told = await hears(world, session, bare, "cancel")
    assert told.startswith("declined ")


@pytest.mark.req("GRE-63.8")
async def test_the_commands_are_those_of_the_sessions_language(make_world: MakeWorld) -> None:
    bare = Bare(Traits(forms="steps", choices_max=0))
    spoken: dict[str, Any] = {"channels": {"bare": bare}, "wording": wording}
    world = await make_world(agent("shop.bot", [asks(ORDER), repeats]), **spoken)
    session = await at(world, "de")
    assert "1 von 4 · Size?\nSie können" in await hears(world, session, bare, "eine Bestellung")
    assert (await hears(world, session, bare, "Small", "zurück")).startswith("1 von 4")
    assert (await hears(world, session, bare, "Abbrechen")).startswith("declined")


@pytest.mark.req("GRE-63.9")
@pytest.mark.parametrize("killed", range(5))
async def test_a_form_goes_on_where_it_was_after_the_process_died(make_world: MakeWorld, killed: int) -> None:
    world, _, bare = await asked(make_world, ORDER)
    for i, text in enumerate(("Small", "no number", "7", "skip", "yes")):
        if i == killed:
            await world.crash()
            await world.open()
        await hears(world, await at(world), bare, text)
    assert '"size":"Small","count":7,"gift":true' in bare.shown[-1].saying.text


@pytest.mark.req("GRE-63.9")
async def test_a_form_that_was_begun_is_begun_anew_once_its_words_are_erased(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, ORDER)
    assert (await hears(world, session, bare, "Small")).startswith("2 of 4")
    await world.log.erase(world.log.name(CUSTOMER), "erasure-1", by="ops")
    await session.say("Large")
    await world.clock.advance(1)
    assert "Small" not in bare.shown[-1].saying.text


@pytest.mark.req("GRE-63.7")
async def test_a_whole_form_that_comes_at_once_is_taken_at_once(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, ORDER)
    told = await hears(world, session, bare, "size: Small\ncount: 3")
    assert '"size":"Small","count":3' in told
    world, session, bare = await asked(make_world, ORDER)
    told = await hears(world, session, bare, "Send", data={"result": {"size": "Small", "count": 3}})
    assert '"size":"Small","count":3' in told


@pytest.mark.req("GRE-63.7")
async def test_a_platform_that_shows_forms_is_sent_the_whole(make_world: MakeWorld) -> None:
    _, _, bare = await asked(make_world, ORDER, traits=Traits(forms="whole"))
    assert (bare.shown[-1].saying.text, bare.shown[-1].schema) == ("What may it be?", ORDER)


@pytest.mark.req("GRE-63.10")
@pytest.mark.parametrize("text", ["2", "2.", "(2)", "2)", " #2 ", "2️⃣", "２", "②", "Medium", " medium. "])
async def test_a_reply_to_a_list_is_the_choice_with_that_number_or_those_words(
    make_world: MakeWorld, text: str
) -> None:
    world, session, bare = await asked(make_world, SIZES)
    assert await hears(world, session, bare, text) == 'answered {"text":"Medium"}'


@pytest.mark.req("GRE-63.10")
async def test_a_number_is_understood_after_a_restart_and_where_words_would_do_as_well(make_world: MakeWorld) -> None:
    world, _, bare = await asked(make_world, {"type": ["string", "object"], "examples": ["red", "blue"]})
    await world.crash()
    await world.open()
    assert await hears(world, await at(world), bare, "2") == 'answered {"text":"blue"}'


@pytest.mark.req("GRE-63.10")
async def test_where_there_are_buttons_a_number_is_a_number(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, SIZES, traits=Traits(choices_max=3))
    assert await hears(world, session, bare, "2") == "What may it be?"


@pytest.mark.req("GRE-63.11")
@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"enum": ["2", "1"]}, "2", '{"text":"2"}'),
        ({"enum": [3, 2, 1]}, "2", '{"result":2,"text":"2"}'),
        ({"enum": ["3 guests", "2 guests"]}, "2 guests", '{"text":"2 guests"}'),
        ({"type": "integer", "examples": ["few", "many"]}, "2", '{"result":2,"text":"2"}'),
        ({"type": "string", "pattern": "^([0-9]+|all)$", "examples": ["all"]}, "1", '{"text":"1"}'),
        ({"oneOf": [{"const": 7, "title": "Near"}, {"const": 1, "title": "Far"}]}, "1", '{"result":7,"text":"1"}'),
        ({"oneOf": [{"const": 7, "title": "Near"}, {"const": 1, "title": "Far"}]}, "far", '{"result":1,"text":"far"}'),
    ],
)
async def test_a_number_that_may_be_the_answer_itself_is_never_the_number_of_a_choice(
    make_world: MakeWorld, schema: Mapping[str, Any], text: str, value: str
) -> None:
    world, session, bare = await asked(make_world, schema)
    told = msgspec.json.decode((await hears(world, session, bare, text)).removeprefix("answered "))
    assert told == msgspec.json.decode(value)


TITLES = st.lists(
    st.text(st.sampled_from("abc Ä日②2.(1)#\U0001f44b"), min_size=1, max_size=6), min_size=1, max_size=12, unique=True
)


@pytest.mark.req("GRE-63.11")
@given(TITLES, st.integers(1, 12))
def test_what_is_listed_as_n_is_what_n_means(titles: list[str], n: int) -> None:
    schema = {"examples": titles}
    listed = titles_of((), schema)
    found = chosen(str(n), listed, schema)
    if has_numbers(listed, schema):
        assert found == (n - 1 if n <= len(listed) else None)
    else:
        assert found is None or number_in(listed[found]) == n, "only the words count"


REPLIES = st.lists(
    st.sampled_from(["1", "2", "Small", "7", "back", "skip", "31.5.2026", "yes", "x", "", "41"]), max_size=12
)


@pytest.mark.req("GRE-63.9")
@given(REPLIES)
def test_whatever_is_replied_a_form_is_over_only_when_it_fits(replies: list[str]) -> None:
    form = form_of(ORDER)
    assert form is not None
    steps = Steps(form, ORDER, Texts(), "", 0)
    progress = steps.progress([Said(text) for text in replies])
    if progress.at is None:
        assert progress.values["size"] in SIZES["enum"]
        assert 1 <= progress.values["count"] <= 40
    else:
        assert steps.prompt(progress.at).startswith(f"{progress.at + 1} of 4")


@pytest.mark.req("GRE-63.14")
async def test_a_form_is_read_as_its_inputs_send_it(make_world: MakeWorld) -> None:
    world, session, bare = await asked(make_world, SENT, traits=Traits(forms="whole"))
    texts = {"size": "Large", "count": "12", "gift": "false", "extras": "card,7", "way": "1", "note": ""}
    assert await hears(world, session, bare, "Send", data={**texts, "count": "many", "value": texts | {"count": "x"}})
    assert bare.shown[-1].kind == "question"
    told = await hears(world, session, bare, "Send", data={**texts, "value": texts})
    body = msgspec.json.decode(told.removeprefix("answered "))
    typed = {"size": "Large", "count": 12, "gift": False, "extras": ["card", 7], "way": 1}
    assert {name: body[name] for name in typed} == typed
