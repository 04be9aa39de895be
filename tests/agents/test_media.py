from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.media import MEDIA_MAX, RECALLED_BYTES_MAX, heard
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.model import Media
from lichen.core.ports.plan import History, Message
from lichen.core.words.errors import Invalid
from lichen.testing.models import plan_input

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def attached(*attachments: dict[str, Any], text: str = "Look:", **more: Any) -> Message:
    return Message("customer", text, data={"attachments": list(attachments), **more})


PICTURE = {"contentType": "image/png", "contentUrl": url("image/png", PNG), "name": "cup.png"}


@pytest.mark.req("GOA-62.3")
@pytest.mark.parametrize(
    ("media_type", "kind"), [("image/png", "image"), ("application/pdf", "document"), ("audio/mpeg", "audio")]
)
async def test_pictures_documents_and_sound_of_a_message_reach_the_model(media_type: str, kind: Any) -> None:
    model = ScriptedModel(["A cup."])
    message = attached({"contentType": media_type, "contentUrl": url(media_type, PNG)})
    await LLMPlanner(model).plan(plan_input(message))
    [told] = model.requests[0].messages
    assert (told.text, told.media) == ("Look:", (Media(kind, media_type, PNG),))


@given(st.binary(min_size=1, max_size=50))
def test_the_bytes_are_what_was_sent(data: bytes) -> None:
    assert heard(attached({"contentUrl": url("image/gif", data)}))[1] == (Media("image", "image/gif", data),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contentType": "application/zip", "contentUrl": url("application/zip", PNG), "name": "all.zip"},
        {"contentType": "image/png", "contentUrl": "https://example.com/cup.png", "name": "all.zip"},
        {"contentType": "image/png", "contentUrl": "data:image/png;base64,!!!", "name": "all.zip"},
        {"contentType": "image/png", "contentUrl": "data:image/png,cup", "name": "all.zip"},
        {"contentType": "image/png", "contentUrl": url("image/png", b""), "name": "all.zip"},
        {"contentUrl": 7, "name": "all.zip"},
    ],
)
def test_what_no_model_takes_is_named_in_words_and_nothing_is_fetched(wrong: dict[str, Any]) -> None:
    text, media = heard(attached(wrong))
    assert media == ()
    assert text.startswith("Look:\n[An attachment that cannot be read: all.zip")


def test_only_so_many_are_taken_and_the_rest_is_named() -> None:
    text, media = heard(attached(*[PICTURE] * (MEDIA_MAX + 2)))
    assert len(media) == MEDIA_MAX
    assert text == "Look:\n[2 more attachments are left out]"


def test_a_message_of_attachments_alone_does_not_repeat_their_bytes_as_words() -> None:
    data = {"attachments": [PICTURE], "value": {"order": 7}}
    alone = Message("customer", msgspec.json.encode(data).decode(), data=data)
    assert heard(alone) == ('{"value":{"order":7}}', (Media("image", "image/png", PNG),))
    only = {"attachments": [PICTURE]}
    assert heard(Message("customer", msgspec.json.encode(only).decode(), data=only))[0] == ""


NOTHING: dict[str, Any] = {}
OTHER: tuple[Any, ...] = (None, "x", {"attachments": 3}, {"attachments": [3]}, {"attachments": [NOTHING]})


@pytest.mark.parametrize("data", OTHER)
def test_other_data_changes_nothing(data: Any) -> None:
    assert heard(Message("customer", "Hi", data=data)) == ("Hi", ())


def earlier(*sizes: int) -> History:
    """A conversation with a picture of so many bytes in each turn."""
    said = [
        message
        for i, size in enumerate(sizes)
        for message in (
            attached({"contentUrl": url("image/png", b"%d" % i + bytes(size))}, text=f"Look {i}"),
            Message("agent", "Nice."),
        )
    ]
    return History(tuple(said), positions=tuple(range(len(said))))


async def shown(history: History, most: int) -> tuple[list[bytes], list[str]]:
    """The pictures that a model is shown of earlier turns, and the words of what the customer said."""
    model = ScriptedModel(["ok"])
    await LLMPlanner(model, history_media=most).plan(plan_input("And now?", history=history))
    told = [message for message in model.requests[0].messages if message.role == "user"]
    return [each.data[:1] for message in told for each in message.media], [message.text for message in told]


@pytest.mark.req("GOA-57.9")
async def test_of_earlier_turns_a_model_is_shown_as_many_pictures_as_were_declared_the_newest() -> None:
    history = earlier(10, 10, 10)
    gone = "[Not shown any more: image/png]"
    assert await shown(history, 0) == ([], [f"Look {i}\n{gone}" for i in range(3)] + ["And now?"])
    assert await shown(history, 2) == ([b"1", b"2"], [f"Look 0\n{gone}", "Look 1", "Look 2", "And now?"])
    assert (await shown(history, 9))[0] == [b"0", b"1", b"2"]


@pytest.mark.req("GOA-57.9")
async def test_pictures_of_earlier_turns_are_bounded_in_bytes_and_tokens() -> None:
    half = RECALLED_BYTES_MAX // 2
    assert (await shown(earlier(10, half, half - 10), 9))[0] == [b"1", b"2"]
    model = ScriptedModel(["ok"])
    planner = LLMPlanner(model, history_media=9, history_tokens=2_000)
    await planner.plan(plan_input("And now?", history=earlier(10, 10, 10)))
    assert [len(m.media) for m in model.requests[0].messages if m.role == "user"] == [1, 0]
    with pytest.raises(Invalid):
        LLMPlanner("echo:", history_media=-1)
