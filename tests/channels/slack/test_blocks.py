"""Messages as Block Kit, and forms as modals; Slack's own library checks both."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied
from tests.channels.cards.shown import CARDS, saying
from tests.channels.slack.sent import FORM, SCOPE, arrival, at, channel, outbound, parsed, pressing, submission
from tests.channels.slack.server import Refusal, Slack

# greentic-messaging-providers, the planner's vector
CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.3",
    "body": [
        {"type": "TextBlock", "text": "Title", "weight": "bolder", "size": "large"},
        {"type": "TextBlock", "text": "Body *text* <x> & y"},
        {"type": "FactSet", "facts": [{"title": "K", "value": "V"}]},
        {"type": "Image", "url": "https://e.com/a.png"},
        {"type": "Input.Text", "id": "note", "label": "Note"},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Go", "data": {"step": "go", "n": 7}},
        {"type": "Action.OpenUrl", "title": "Open", "url": "https://e.com"},
    ],
}
BUTTONS = {**CARD, "body": CARD["body"][:2]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Delivery",
    "required": ["street", "size"],
    "properties": {
        "street": {"type": "string", "title": "Street", "maxLength": 80, "description": "With its number"},
        "floor": {"type": "integer", "minimum": 0, "maximum": 40},
        "weight": {"type": "number"},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "time"},
        "gift": {"type": "boolean"},
        "size": {"enum": ["S", "M"]},
        "extras": {"type": "array", "items": {"oneOf": [{"const": 1, "title": "Card"}, {"const": 2, "title": "Bow"}]}},
    },
}


def checked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of all messages, after Slack's library found them good."""
    blocks: list[dict[str, Any]] = []
    for each in messages:
        assert len(each["text"]) <= 3_000
        assert len(each.get("blocks", ())) <= 50
        blocks += each.get("blocks", ())
    known: list[Block] = cast(Any, Block).parse_all(blocks)
    assert len(known) == len(blocks)
    for block in known:
        block.validate_json()
    return blocks


def shown(said: Saying | str, **more: Any) -> list[dict[str, Any]]:
    return checked(channel().render(outbound(said, **more))["messages"])


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [element for block in blocks if block["type"] == "actions" for element in block["elements"]]


@pytest.mark.req("GRE-57.4")
def test_a_card_is_the_blocks_that_it_was_at_greentic_and_its_inputs_stand_behind_the_button() -> None:
    (message,) = channel().render(outbound(Saying("A card.", CARD)))["messages"]
    (header, body, fields, image, actions) = checked([message])
    assert header == {"type": "header", "text": {"type": "plain_text", "text": "Title"}}
    assert body == {"type": "section", "text": {"type": "mrkdwn", "text": "Body _text_ &lt;x&gt; &amp; y"}}
    assert fields == {"type": "section", "fields": [{"type": "mrkdwn", "text": "*K:* V"}]}
    assert (image["type"], image["image_url"]) == ("image", "https://e.com/a.png")
    go, link = actions["elements"]
    assert (go["text"]["text"], go["action_id"]) == ("Go", "ac_action_0")
    assert (link["text"]["text"], link["action_id"], link["url"]) == ("Open", "ac_url_1", "https://e.com")
    assert message["text"] == "Title\n\nBody *text*  &amp; y\nK: V\n\nGo | [Open](https://e.com)"


@pytest.mark.req("GRE-57.4")
@pytest.mark.parametrize("name", CARDS)
def test_slacks_library_finds_the_blocks_of_each_golden_card_good(name: str) -> None:
    assert shown(saying(name))


@pytest.mark.req("GRE-57.4")
def test_whatever_a_card_says_stays_within_slacks_bounds() -> None:
    long = "long words " * 1_000
    card = {
        "type": "AdaptiveCard",
        "body": [
            {"type": "TextBlock", "text": long, "weight": "bolder", "size": "large"},
            {"type": "FactSet", "facts": [{"title": "Name", "value": long[:3_000]} for _ in range(12)]},
            {"type": "Image", "url": "data:image/png;base64,AAAA", "altText": "a chart"},
            *({"type": "TextBlock", "text": f"{n}", "separator": True} for n in range(60)),
        ],
        "actions": [{"type": "Action.Submit", "title": long[:100], "data": {"n": n}} for n in range(60)],
    }
    messages = channel().render(outbound(Saying("A card.", card)))["messages"]
    blocks = checked(messages)
    assert len(messages) > 1
    assert [each["text"]["text"] for each in buttons(blocks)] == [f"{long[:74]}…"] * 60
    assert {"type": "context", "elements": [{"type": "plain_text", "text": "a chart"}]} in blocks


@pytest.mark.req("GRE-57.4")
def test_markdown_is_slacks_markup_and_plain_words_ping_nobody() -> None:
    (message,) = channel().render(outbound(Saying("**Yes** [docs](https://e.com)", format="markdown")))["messages"]
    assert message == {"text": "*Yes* <https://e.com|docs>"}
    (message,) = channel().render(outbound("<!channel> <@U1>"))["messages"]
    assert message == {"text": "&lt;!channel&gt; &lt;@U1&gt;"}


@pytest.mark.req("GRE-56.6")
def test_what_is_pressed_comes_back_with_the_data_of_the_cards_button() -> None:
    go, link = buttons(shown(Saying("A card.", BUTTONS)))
    message = parsed(pressing(go, thread="1548261231.000100"), FORM)
    assert message.text == "Go"
    assert message.envelope == {
        "step": "go",
        "n": 7,
        "value": {"step": "go", "n": 7},
        "metadata": {"step": "go", "n": 7},
    }
    assert message.conversation == "T0123ABCD:C123ABC456:1548261231.000100:U061F7AUR"
    assert message.id == "C123ABC456:1548261231.000200:1548426417.840180"
    assert channel().parse(SCOPE, arrival(pressing(link), FORM), None) == ()


@pytest.mark.req("GRE-56.6")
def test_suggestions_are_buttons_that_say_their_words() -> None:
    yes, no = buttons(shown("Send it?", suggestions=("Yes", "No")))
    assert [parsed(pressing(each), FORM).text for each in (yes, no)] == ["Yes", "No"]
    assert parsed(pressing(yes), FORM).envelope is None
    many = buttons(shown("Which?", schema={"enum": [f"choice {n}" for n in range(30)]}))
    assert [parsed(pressing(each), FORM).text for each in many] == [f"choice {n}" for n in range(30)]
    private: dict[str, Any] = {
        "container": {"type": "message", "message_ts": "1.2", "channel_id": "C1", "is_ephemeral": True}
    }
    address = msgspec.json.decode(parsed(pressing(yes, **private), FORM).address)
    assert address == {"channel": "C1", "about": "1.2", "only": "U061F7AUR"}


@pytest.mark.req("GRE-56.6")
def test_a_button_with_too_much_data_says_where_it_is_and_one_of_others_its_words() -> None:
    actions = [{"type": "Action.Submit", "title": title, "data": {"x": title * 1_000}} for title in ("Go", "No")]
    _, no = buttons(shown(Saying("A card.", {**BUTTONS, "actions": actions}), suggestions=("Stop",)))[:2]
    assert len(no["value"]) <= 2_000
    assert (parsed(pressing(no), FORM).text, parsed(pressing(no), FORM).pressed) == ("No", "p:o1~ses-1/2")
    here = {**CARD, "actions": actions[:1]}
    (*_, go) = buttons(shown(Saying("A card.", here)))
    state = {"values": {"note": {"text": {"type": "plain_text_input", "value": "Ring."}}}}
    message = parsed(pressing(go, state=state), FORM)
    assert (message.text, message.envelope["note"], message.pressed) == ("Ring.", "Ring.", "p:o1~ses-1/1")
    other = {"type": "button", "action_id": "WaXA", "text": {"type": "plain_text", "text": "View"}, "value": "click_1"}
    assert parsed(pressing(other), FORM).text == "View"
    pick = {"type": "static_select", "action_id": "s", "selected_option": {"value": "a"}}
    assert channel().parse(SCOPE, arrival(pressing(pick), FORM), None) == ()
    closed = b"payload=%7B%22type%22%3A%22view_closed%22%7D"
    assert channel().parse(SCOPE, arrival(closed, FORM), None) == ()


# -- forms -------------------------------------------------------------------------------------------------------


async def modal(button: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The modal that opens when a button is pressed, after Slack's library found it good."""
    request = arrival(pressing(button, **more), FORM)
    assert channel().parse(SCOPE, request, None) == ()
    with Slack() as slack:
        await at(slack).follow(SCOPE, request)
    (asked,) = slack.of("views.open")
    assert asked["trigger_id"] == "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3"
    View(**asked["view"]).validate_json()
    assert len(asked["view"]["private_metadata"]) <= 3_000
    return asked["view"]


def typed(view: dict[str, Any], **filled: dict[str, Any]) -> dict[str, Any]:
    """The state of a view: what was typed into each input."""
    kinds = {each["block_id"]: each["element"] for each in view["blocks"]}
    return {
        id: {kinds[id]["action_id"]: {"type": kinds[id]["type"], **filled.get(id, {})}}
        for id in kinds
    }  # fmt: skip


@pytest.mark.req("GRE-57.5")
async def test_a_question_with_fields_opens_a_modal_and_what_is_sent_is_its_answer() -> None:
    (fill,) = buttons(shown("Where to?", schema=SCHEMA))
    assert fill["text"]["text"] == "Delivery"
    view = await modal(fill, thread="1548261231.000100")
    assert [each["element"]["type"] for each in view["blocks"]] == [
        "plain_text_input", "number_input", "number_input", "datepicker", "timepicker", "checkboxes", "static_select",
        "multi_static_select",
    ]  # fmt: skip
    assert [each["block_id"] for each in view["blocks"] if not each["optional"]] == ["street", "size"]
    options = view["blocks"][7]["element"]["options"]
    state = typed(
        view,
        street={"value": "Main 1"}, floor={"value": "3"}, weight={"value": "1.5"},
        day={"selected_date": "2026-12-01"}, at={"selected_time": "09:30"}, gift={"selected_options": []},
        size={"selected_option": view["blocks"][6]["element"]["options"][1]}, extras={"selected_options": options},
    )  # fmt: skip
    message = parsed(submission(view, state), FORM)
    assert message.envelope["value"] == {
        "street": "Main 1", "floor": 3, "weight": 1.5, "day": "2026-12-01", "at": "09:30", "gift": False, "size": "M",
        "extras": [1, 2],
    }  # fmt: skip
    assert message.text.startswith("street: Main 1\nfloor: 3\n")
    assert message.conversation == "T0123ABCD:C123ABC456:1548261231.000100:U061F7AUR"
    assert msgspec.json.decode(message.address)["thread"] == "1548261231.000100"
    assert parsed(submission(view, state), FORM).id == message.id
    state["street"]["text"]["value"] = "Main 2"
    assert parsed(submission(view, state), FORM).id != message.id
    assert channel().reply(SCOPE, arrival(submission(view, state), FORM)).body == b""


@pytest.mark.req("GRE-57.5")
async def test_the_inputs_of_a_card_open_as_a_modal_and_come_back_with_its_data() -> None:
    go, _ = buttons(shown(Saying("A card.", CARD)))
    view = await modal(go)
    message = parsed(submission(view, typed(view, note={"value": "Ring twice."})), FORM)
    assert message.text == "Ring twice."
    assert message.envelope["value"] == {"step": "go", "n": 7, "note": "Ring twice."}
    empty = parsed(submission(view, typed(view, note={"value": None})), FORM)
    assert (empty.text, empty.envelope["value"]) == ("Go", {"step": "go", "n": 7})


@pytest.mark.req("GRE-57.5")
async def test_a_button_sends_the_inputs_of_its_own_card_and_those_around_it() -> None:
    good, send = buttons(shown(saying("inputs_showcard")))
    assert parsed(pressing(good), FORM).envelope["value"] == {"stars": 5}
    view = await modal(send)
    assert [each["block_id"] for each in view["blocks"]] == ["comment"]


@pytest.mark.req("GRE-57.5")
async def test_a_form_that_no_button_can_bear_stands_in_the_message() -> None:
    fields = {f"field_{n}": {"type": "string", "title": f"A field with many words, number {n}"} for n in range(40)}
    blocks = shown("Tell us.", schema={"type": "object", "properties": fields})
    assert [each["type"] for each in blocks] == ["section", *["input"] * 40, "actions"]
    (send,) = buttons(blocks)
    state = {"values": {"field_7": {"text": {"type": "plain_text_input", "value": "seven"}}}}
    message = parsed(pressing(send, state=state), FORM)
    assert (message.text, message.envelope["value"]) == ("seven", {"field_7": "seven"})


@pytest.mark.req("GRE-57.5")
async def test_a_choice_of_many_is_in_groups_and_one_that_slack_cannot_show_is_asked_in_words() -> None:
    many = {"type": "object", "properties": {"n": {"enum": list(range(250))}}}
    blocks = shown("Which?", schema=many)
    (choice,) = [each for each in blocks if each["type"] == "input"]
    assert [len(each["options"]) for each in choice["element"]["option_groups"]] == [100, 100, 50]
    long = {"type": "object", "properties": {"n": {"enum": ["x" * 200]}, "m": {"type": "string"}}}
    (message,) = channel().render(outbound("Which?", schema=long))["messages"]
    assert message == {"text": "Which?"}


@pytest.mark.req("GRE-57.5")
async def test_a_form_is_taken_only_from_who_opened_it_and_one_of_another_app_is_none() -> None:
    view = await modal(buttons(shown(Saying("A card.", CARD)))[0])
    state = typed(view, note={"value": "x"})
    for changed in ({"user": {"id": "U9"}}, {"team": {"id": "T9"}}):
        assert channel().parse(SCOPE, arrival(submission(view, state, **changed), FORM), None) == ()
    other = {**view, "callback_id": "theirs"}
    assert channel().parse(SCOPE, arrival(submission(other, state), FORM), None) == ()


async def test_a_form_that_slack_does_not_open_is_told() -> None:
    go, _ = buttons(shown(Saying("A card.", CARD)))
    with Slack() as slack:
        slack.refusals.append(Refusal(200, "expired_trigger_id"))
        with pytest.raises(Denied) as refused:
            await at(slack).follow(SCOPE, arrival(pressing(go), FORM))
    assert refused.value.code == "form_refused"


@pytest.mark.req("GRE-57.6")
def test_pictures_are_shown_and_other_files_are_links() -> None:
    files = (
        Attachment("image/png", "https://e.com/a.png", "A"),
        Attachment("text/csv", "https://e.com/b.csv", "b.csv"),
    )
    words, picture, link = shown(Saying("See.", None, files))
    assert words["text"]["text"] == "See."
    assert (picture["image_url"], picture["alt_text"]) == ("https://e.com/a.png", "A")
    assert link["text"]["text"] == "<https://e.com/b.csv|b.csv>"
