"""Words of a project under keys, in the language of the session, and what is said to clients of a run that failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lichen.core.speech.keyed import found, worded_saying
from lichen.core.speech.saying import Saying
from lichen.core.speech.wording import BUILT_IN
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import session_stream
from lichen.core.words.scope import SYSTEM
from lichen.engine.sends.failures import metadata_of
from lichen.runtime.project.loading import load
from lichen.runtime.review import review
from lichen.testing.worlds import World, project_world
from lichen.testing.worlds.talk import Talk

TOML = """\
[lichen]
agents = ["shop.py:support"]
flows = ["*.ygtc"]
tools = ["shop.py:look"]

[tenants.acme]
languages = ["en", "de", "fr"]
"""
AGENT = """\
from lichen import Saying, tool
from lichen.agents import agent_function


@tool(name="orders.gone", effects="none")
async def look(id: str) -> str:
    raise ValueError("no")


@agent_function("shop.support")
async def support(chat):
    if "break" in chat.text:
        raise ValueError("no")
    card = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "i18n:order.title"}]}
    return Saying("i18n:order.found", card)
"""
FLOW = """\
id: shop.ask
type: messaging
schema_version: 2
nodes:
  start: {text: "i18n:order.found"}
"""
BROKEN = """\
id: shop.broken
type: messaging
schema_version: 2
nodes:
  start: {orders.gone: {id: "1"}}
"""
WORDS = {
    "en": {"order.found": "I found it.", "order.title": "Your order", "only.english": "English only"},
    "de": {"order.found": "Gefunden.", "order.title": "Ihre Bestellung"},
    "pt-BR": {"order.found": "Encontrei, viu?"},
    "pt": {"order.found": "Encontrei."},
}


def project(folder: Path, **files: str) -> Path:
    (folder / "i18n").mkdir()
    (folder / "lichen.toml").write_text(TOML)
    (folder / "shop.py").write_text(AGENT)
    (folder / "ask.ygtc").write_text(FLOW)
    (folder / "broken.ygtc").write_text(BROKEN)
    for language, words in WORDS.items():
        (folder / "i18n" / f"{language}.json").write_text(json.dumps(words))
    for name, text in files.items():
        (folder / "i18n" / name.replace("__", ".")).write_text(text)
    return folder / "lichen.toml"


def last(w: World, talk: Talk) -> dict[str, bytes]:
    """What the newest message to the customer holds."""
    log = w.runtime.log(w.scope)
    records = [each for each in log.records(session_stream(talk.id)) if each.type == "message_queued"]
    return dict(log.contents_of(records[-1]))


@pytest.mark.req("GRE-83.3")
@pytest.mark.parametrize(
    ("key", "language", "words"),
    [
        ("order.found", "pt-BR", "Encontrei, viu?"),
        ("order.found", "pt-PT", "Encontrei."),
        ("order.found", "cs", "I found it."),
        ("order.title", "pt-BR", "Your order"),
        ("only.english", "de-AT", "English only"),
        ("order.none", "de", None),
    ],
)
def test_a_key_is_looked_up_in_the_exact_language_then_its_base_then_english(
    key: str, language: str, words: str | None
) -> None:
    assert found(WORDS, key, language) == words


@pytest.mark.req("GRE-83.3")
@pytest.mark.parametrize(("language", "words"), [("de", "Gefunden."), ("fr", "I found it.")])
@pytest.mark.parametrize("agent", ["shop.support", "shop.ask"])
async def test_flows_and_agents_say_what_stands_under_a_key_in_the_customers_language(
    tmp_path: Path, language: str, words: str, agent: str
) -> None:
    async with project_world(project(tmp_path)) as w:
        talk = await w.talk(agent=agent, language=language)
        assert (await talk.say("hello")).text == words
        (run,) = w.runs()
        assert (await w.runtime.runs.replay(w.scope, run, SYSTEM)).same in (True, None)
        if agent == "shop.support":
            card = json.loads(last(w, talk)["card"])
            assert card["body"][0]["text"] == {"de": "Ihre Bestellung", "fr": "Your order"}[language]


@pytest.mark.req("GRE-83.3")
def test_only_a_whole_text_is_a_key_and_one_without_words_stays_as_it_is() -> None:
    def find(key: str) -> str | None:
        return WORDS["en"].get(key)

    assert worded_saying("see i18n:order.found", find) == "see i18n:order.found"
    assert worded_saying("i18n:order.none", find) == "i18n:order.none"
    said = worded_saying(Saying("i18n:order.found", {"type": "AdaptiveCard", "body": [["i18n:order.title", 7]]}), find)
    assert said == Saying("I found it.", {"type": "AdaptiveCard", "body": [["Your order", 7]]})


@pytest.mark.req("GRE-83.4")
@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("german__json", "{}", "i18n/german.json"),
        ("es__json", "[1]", "i18n/es.json"),
        ("es__json", "{", "i18n/es.json"),
        ("es__json", '{"order found": "x"}', "i18n/es.json"),
        ("es__json", '{"order.found": 7}', "i18n/es.json#/order.found"),
        ("es__json", '{"order.found": ""}', "i18n/es.json#/order.found"),
        ("es__json", json.dumps({"a": "x" * 9_000}), "i18n/es.json#/a"),
        ("es__json", json.dumps({f"k{n}": "x" * 100 for n in range(5_001)}), "i18n/es.json"),
    ],
)
def test_what_is_wrong_with_a_file_of_words_is_told_with_its_place(
    tmp_path: Path, name: str, text: str, place: str
) -> None:
    with pytest.raises(Invalid) as caught:
        load(project(tmp_path, **{name: text}), environ={})
    assert caught.value.code == "words_invalid"
    assert str(caught.value.place).endswith(place)


@pytest.mark.req("GRE-83.5")
def test_a_key_that_nobody_wrote_words_for_is_found_at_its_line_before_a_customer_sees_it(tmp_path: Path) -> None:
    path = project(tmp_path)
    (tmp_path / "ask.ygtc").write_text(FLOW.replace("order.found", "order.lost"))
    (tmp_path / "broken.ygtc").write_text(FLOW.replace("shop.ask", "shop.other"))
    found = {flaw.code: flaw for flaw in review(load(path, environ={})) if flaw.code.startswith("words_")}
    assert found["words_missing"].place.endswith("ask.ygtc:5")
    assert found["words_missing"].severity == "problem"
    assert "i18n:order.found has no words in 'fr'" in found["words_untranslated"].message


@pytest.mark.req("GRE-27.5")
@pytest.mark.parametrize("language", ["en", "de", "fr"])
async def test_of_a_run_that_failed_clients_are_told_which_kind_it_is_and_the_words_in_the_customers_language(
    tmp_path: Path, language: str
) -> None:
    async with project_world(project(tmp_path)) as w:
        talk = await w.talk(agent="shop.support", language=language)
        assert (await talk.say("break")).text == BUILT_IN[language].failed
        assert metadata_of(last(w, talk)) == {
            "error_kind": "agent_execution_failed",
            "error_message": BUILT_IN[language].failed,
            "flow_id": "shop.support",
        }
        await talk.say("hello")
        assert metadata_of(last(w, talk)) == {}


@pytest.mark.req("GRE-27.5")
async def test_a_flow_that_failed_is_told_from_an_agent_that_did(tmp_path: Path) -> None:
    async with project_world(project(tmp_path)) as w:
        talk = await w.talk(agent="shop.broken")
        await talk.say("hello")
        assert metadata_of(last(w, talk))["error_kind"] == "flow_execution_failed"
