"""Documents of answers: their schema, that they can be given again, and the guides of all kinds there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec.structs
import pytest
from jsonschema import Draft202012Validator

from lichen.channels.kinds import OWN
from lichen.channels.port import Registering
from lichen.cli.channels.answers import UPSTREAM, checked, is_reference, schema
from lichen.cli.channels.planning import guide_of_kind, planned, texts_of
from lichen.core.words.errors import Invalid
from tests.channels.setup.beacon import TOKEN
from tests.cli.channels.commands import Harbour, harbour

FITTING = (
    "kiel", "1234567890", "https://bots.example", "out/answers.jsonl", "xoxb-1-2-abc", "T0123456", "C0123456",
    "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a-long-secret-of-32-characters-0001", "v23.0", "Shop_Bot",
    "bots@shop.example", "smtp.shop.example", "starttls", "standard", "mentions",
    "0f8fad5b-d9cb-469f-a165-70867728950e",    "/message", "587", "en", "0" * 32, "A" * 26,
)  # fmt: skip
"""Answers that some question or other takes."""

OTHERS: tuple[Any, ...] = ({"a": 1}, "", [], None, "x" * 5_000)

GREENTIC = {
    "slack": ("public_base_url", "api_base_url", "bot_token", "default_channel"),
    "teams": ("ms_bot_app_id", "ms_bot_app_password", "public_base_url"),
    "telegram": ("public_base_url", "api_base_url", "bot_token", "default_chat_id"),
    "whatsapp": ("phone_number_id", "public_base_url", "api_base_url", "api_version", "token", "business_account_id"),
}
"""What questions of Greentic's `setup.yaml` are called."""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harbour:
    return harbour(tmp_path, monkeypatch)


def fitting(question: Any) -> str:
    pattern = question.pattern or ".*"
    if question.secret and not question.pattern:
        return f"what is secret of {question.key}"
    return question.default or next(each for each in FITTING if re.fullmatch(pattern, each))


INSTEAD = {"graph_tenant", "graph_client_id", "graph_client_secret", "graph_refresh_token"}
"""Questions that one answers in the place of others: a mailbox of Microsoft's instead of a server that sends."""


def answered(kind: str) -> dict[str, Any]:
    """A document that answers every question of a kind."""
    return {each.key: fitting(each) for each in guide_of_kind(kind)[1].questions}


# -- of every kind -----------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-64.12")
@pytest.mark.parametrize("kind", OWN)
def test_every_question_of_a_guide_is_a_setting_and_secrets_are_referred_to(kind: str) -> None:
    maker, guide = guide_of_kind(kind)
    fields = {each.name: each for each in msgspec.structs.fields(maker.settings)}
    assert len({each.key for each in guide.questions}) == len(guide.questions)
    for each in guide.questions:
        assert each.key in fields
        assert each.label
        re.compile(each.pattern)
        assert not each.default or re.fullmatch(each.pattern or ".*", each.default)
    for name, field in fields.items():  # what has a default may be left out of the guide
        assert not field.required or name in {each.key for each in guide.questions if each.required}
    for name, field in fields.items():
        if any(map(is_reference, texts_of(field.default))):
            assert name not in {each.key for each in guide.questions if not each.secret}


@pytest.mark.req("GRE-64.12")
@pytest.mark.parametrize("kind", OWN)
def test_the_steps_of_a_guide_say_the_address_where_a_person_has_to_tell_it(kind: str) -> None:
    maker, guide = guide_of_kind(kind)
    steps = " ".join(guide.steps)
    assert re.findall(r"\{(\w+)\}", steps) == [
        each for each in re.findall(r"\{(\w+)\}", steps) if each in ("webhook", "name")
    ]
    is_registering = isinstance(maker, type) and issubclass(maker, Registering)
    comes_in = kind not in ("file", "email", "nats")  # which fetch what comes, or take nothing
    assert not comes_in or is_registering or "{webhook}" in steps


@pytest.mark.req("GRE-64.12")
@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("name", ["", "other"])
def test_the_answers_of_every_kind_make_a_table_that_its_settings_take(kind: str, name: str) -> None:
    maker, guide = guide_of_kind(kind)
    asked = [each for each in guide.questions if each.key not in INSTEAD]
    given = checked(kind, maker, guide, {each.key: fitting(each) for each in asked})
    plan = planned(kind, maker, guide, given, name=name or kind, tenant="acme", env="dev")
    found = msgspec.convert(dict(plan.table), maker.settings)
    kept = {f"secret:{each}" for each in plan.secrets}
    for each in asked:
        value: Any = getattr(found, each.key)
        if each.secret:
            assert kept >= {*texts_of(value)} > set()
        else:
            assert (texts_of(value) or (str(value),))[0] == fitting(each)
    assert len(plan.secrets) == sum(each.secret for each in asked)
    assert not {*plan.secrets.values()} & {*map(str, plan.table.values())}


# -- documents ---------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-82.1")
@pytest.mark.parametrize("kind", OWN)
def test_the_schema_takes_what_the_command_takes_and_refuses_what_it_refuses(kind: str) -> None:
    maker, guide = guide_of_kind(kind)
    found = schema(kind, maker, guide)
    Draft202012Validator.check_schema(found)
    validator: Any = Draft202012Validator(found)
    whole = answered(kind)
    documents: list[dict[str, Any]] = [whole, {**whole, "nonsense": 1}, {**whole, "public_base_url": "http://x"}]
    documents += [{**whole, "public_base_url": "https://x"}, {**whole, "env": "prod"}]
    for each in guide.questions:
        documents.append({key: value for key, value in whole.items() if key != each.key})
        documents.append({**whole, each.key: "\x07 no pattern takes this \x07"})
        documents.append({**whole, each.key: "secret:mine"})
        documents += [{**whole, each.key: other} for other in OTHERS]
    for document in documents:
        assert validator.is_valid(document) is taken(kind, document), document


def taken(kind: str, document: dict[str, Any]) -> bool:
    try:
        checked(kind, *guide_of_kind(kind), document)
    except Invalid:
        return False
    return True


@pytest.mark.req("GRE-82.2")
def test_what_is_emitted_fits_the_schema_and_gives_the_same_channel_again(shop: Harbour) -> None:
    printed = json.loads(shop.run("add", "beacon", "--schema").out)
    answers = {
        "harbour": "kiel",
        "secret": TOKEN,
        "colour": "red",
        "seconds": 9,
        "public_base_url": "https://b.example",
    }
    validator: Any = Draft202012Validator(printed)
    validator.validate(answers)
    shop.add("beacon", "--emit-answers", "given.json", **answers)
    table, told = shop.file.read_text(), shop.platform
    emitted = json.loads((shop.root / "given.json").read_text())
    validator.validate(emitted)
    assert shop.run("remove", "beacon", "--yes").error is None
    assert shop.platform is None
    assert shop.run("add", "beacon", "--answers", "given.json", "--emit-answers", "again.json").error is None
    assert (shop.file.read_text(), shop.platform) == (table, told)
    assert json.loads((shop.root / "again.json").read_text()) == emitted


@pytest.mark.req("GRE-82.3")
@pytest.mark.parametrize("kind", [kind for kind in GREENTIC if kind in OWN])
def test_answers_under_the_names_of_greentic_are_taken(kind: str) -> None:
    maker, guide = guide_of_kind(kind)
    names = {theirs: ours for theirs, ours in UPSTREAM.get(kind, {}).items() if ours}
    whole = {**answered(kind), "public_base_url": "https://bots.example"}
    for theirs, ours in names.items():
        whole[theirs] = whole.pop(ours)
    for key in GREENTIC[kind]:
        if key not in whole:
            whole[key] = "https://api.example" if key == "api_base_url" else "C0123456"
    given = checked(kind, maker, guide, whole)
    assert given.public_url == "https://bots.example"
    validator: Any = Draft202012Validator(schema(kind, maker, guide))
    validator.validate(whole)
    ours = {
        key for name in GREENTIC[kind] if (key := UPSTREAM.get(kind, {}).get(name, name)) and name != "public_base_url"
    }
    fields = {each.name: each for each in msgspec.structs.fields(maker.settings)}
    assert ours <= {*given.settings, *given.secrets}
    assert ours <= {*fields}
