"""Teams: activities as Microsoft documents them, and its Bot Connector on loopback."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from lichen.channels.port import Arrival, FileRef
from lichen.channels.teams.channel import TeamsChannel
from lichen.channels.teams.rendering import CARD
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound, Unavailable
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.teams.server import APP, PASSWORD, PICTURE, TENANT, Microsoft, Refusal
from tests.channels.teams.speaking import (
    ANN,
    BOT,
    PERSONAL,
    SCOPE,
    THREAD,
    activity,
    arrival,
    channel,
    in_channel,
    outbound,
)


@pytest.fixture(name="microsoft")
def _microsoft() -> Generator[Microsoft]:
    with Microsoft() as microsoft:
        yield microsoft


class TestTeams(ChannelConformance):
    proofs = ("authorization",)
    good_for_s = 3_600.0 + 300
    signs_body = False  # the token says that it is Microsoft, and which service; TLS keeps the rest
    compares = frozenset({"verify"})  # of an RSA signature

    @pytest.fixture(autouse=True)
    def _spoken_with(self, microsoft: Microsoft) -> None:
        self.microsoft = microsoft
        self.first = channel(microsoft)

    def channel(self) -> TeamsChannel:
        made = channel(self.microsoft)
        made.__dict__["_proofs"] = self.first.__dict__["_proofs"]  # the keys are read once
        return made

    def body(self, text: str, id: str, conversation: str) -> bytes:
        where = {"conversationType": "personal", "id": conversation}
        return msgspec.json.encode(activity(self.microsoft, text=text, id=id, conversation=where))

    def arrival(self, body: bytes) -> Arrival:
        return arrival(self.microsoft, body)

    def words(self, rendered: dict[str, Any]) -> str:
        assert {each["textFormat"] for each in rendered["activities"]} == {"plain"}
        return "".join(each["text"] for each in rendered["activities"])

    @contextmanager
    def platform(self, channel: TeamsChannel) -> Generator[Sequence[Received]]:
        yield _Got(self.microsoft, self._address())


class _Got(Sequence[Received]):
    def __init__(self, microsoft: Microsoft, address: bytes) -> None:
        self._posted, self._address = microsoft.posted, address

    def __len__(self) -> int:
        return len(self._posted)

    def __getitem__(self, i: Any) -> Any:
        to = msgspec.json.decode(self._address)["to"]
        assert {each.to for each in self._posted} == {to}
        found: list[Any] = [Received("", each.activity["text"], self._address) for each in self._posted]
        return found[i]


def parsed(microsoft: Microsoft, said: dict[str, Any], **settings: Any) -> Any:
    (message,) = channel(microsoft, **settings).parse(SCOPE, arrival(microsoft, said), None)
    return message


# -- in ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-58.4")
def test_a_message_is_read_as_documented(microsoft: Microsoft) -> None:
    message = parsed(microsoft, activity(microsoft))
    assert (message.text, message.id, message.locale) == ("Hello?", "1485983408511", "en-US")
    assert (message.sender.id, message.conversation) == (f"teams:{ANN}", PERSONAL)
    assert message.envelope["metadata"]["teams.tenantId"] == TENANT
    assert msgspec.json.decode(message.address) == {
        "url": microsoft.service, "bot": BOT, "user": ANN, "to": PERSONAL, "tenant": TENANT,
        "is_personal": True,
    }  # fmt: skip


@pytest.mark.req("GRE-58.4")
def test_in_a_thread_everybody_has_a_conversation_of_their_own_and_is_answered_there(microsoft: Microsoft) -> None:
    message = parsed(microsoft, in_channel(microsoft))
    assert (message.text, message.conversation) == ("\U0001f600 Hello?", f"{THREAD}:{ANN}")
    assert msgspec.json.decode(message.address)["to"] == THREAD
    other = parsed(microsoft, in_channel(microsoft, **{"from": {"id": "29:other"}}))
    assert other.conversation == f"{THREAD}:29:other"
    long = parsed(microsoft, in_channel(microsoft, **{"from": {"id": "29:" + "x" * 250}}))
    assert len(long.conversation) <= 256


@pytest.mark.req("GRE-58.4")
def test_the_bots_mention_is_taken_out_and_others_are_called_by_their_names(microsoft: Microsoft) -> None:
    mentions = [
        {"type": "mention", "text": "<at>Bot</at>", "mentioned": {"id": BOT}},
        {"type": "mention", "text": '<at id="1">Bob B</at>', "mentioned": {"id": "29:bob"}},
    ]
    said = in_channel(microsoft, text='<at>Bot</at> ask <at id="1">Bob B</at> <at>nobody</at>', entities=mentions)
    assert parsed(microsoft, said).text == "ask Bob B <at>nobody</at>"


@pytest.mark.req("GRE-58.4")
def test_a_bot_of_one_team_or_channel_hears_no_other_but_everybody_who_writes_to_it_alone(
    microsoft: Microsoft,
) -> None:
    team, place = (in_channel(microsoft)["channelData"][name]["id"] for name in ("team", "channel"))
    assert parsed(microsoft, in_channel(microsoft), team_id=team, channel_id=place).text
    assert parsed(microsoft, activity(microsoft), team_id="19:other").text
    for elsewhere in (("19:other", ""), (team, "19:other")):
        made = channel(microsoft, team_id=elsewhere[0], channel_id=elsewhere[1])
        assert made.parse(SCOPE, arrival(microsoft, in_channel(microsoft)), None) == ()


@pytest.mark.req("GRE-58.4")
@pytest.mark.parametrize(
    "said",
    [
        {"type": "messageReaction", "reactionsAdded": [{"type": "like"}]}, {"type": "typing"},
        {"type": "messageUpdate", "text": "Hello!"}, {"type": "installationUpdate", "action": "add"},
        {"type": "invoke", "name": "task/fetch", "value": {}}, {"type": "conversationUpdate", "membersAdded": []},
    ],
)  # fmt: skip
def test_what_only_reports_says_nothing(microsoft: Microsoft, said: dict[str, Any]) -> None:
    made, reported = channel(microsoft), arrival(microsoft, activity(microsoft, **said))
    assert made.parse(SCOPE, reported, None) == ()
    assert made.reply(SCOPE, reported).body == b"{}"


@pytest.mark.req("GRE-58.5")
def test_a_card_that_waits_is_answered_and_says_its_button(microsoft: Microsoft) -> None:
    """https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model"""
    action = {"type": "Action.Execute", "id": "abc", "verb": "approve", "data": {"x": 42}}
    said = activity(
        microsoft, type="invoke", name="adaptiveCard/action", text=None, value={"action": action, "trigger": "manual"}
    )
    message = parsed(microsoft, said)
    assert message.text == "approve"
    assert message.envelope["value"] == {"x": 42}
    assert (message.envelope["x"], message.envelope["metadata"]["x"]) == (42, 42)
    answered = channel(microsoft).reply(SCOPE, arrival(microsoft, {**said, "locale": "de-DE"}))
    assert (answered.status, msgspec.json.decode(answered.body)) == (
        200, {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "Erhalten."}
    )  # fmt: skip


ORDER: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.6",
    "body": [
        {"type": "TextBlock", "text": "Your order"},
        {"type": "Input.Text", "id": "note"},
        {"type": "ActionSet", "actions": [{"type": "Action.Submit", "title": "Later"}]},
    ],
    "actions": [
        {"type": "Action.Submit", "title": "Send it", "data": {"way": "post", "days": [1, 2]}},
        {"type": "Action.Execute", "title": "Fetch it", "verb": "fetch", "data": "shop"},
        {"type": "Action.OpenUrl", "title": "Read", "url": "https://shop.example/ways"},
    ],
}


@pytest.mark.req("GRE-58.5")
def test_a_card_is_shown_as_it_is_and_its_buttons_come_back_with_their_words_and_data(microsoft: Microsoft) -> None:
    (shown,) = channel(microsoft).render(outbound(microsoft, Saying("Your order.", ORDER)))["activities"]
    (attached,) = shown["attachments"]
    card = attached["content"]
    assert (attached["contentType"], card["version"], shown["summary"]) == (CARD, "1.5", "Your order.")
    assert card["body"][:2] == ORDER["body"][:2]
    assert card["actions"][2] == ORDER["actions"][2]

    def presses(action: dict[str, Any], **filled: str) -> Any:
        return parsed(microsoft, activity(microsoft, text=None, value={**action["data"], **filled}))

    sent = presses(card["actions"][0], note="please")
    assert (sent.text, sent.envelope["value"]) == ("Send it", {"way": "post", "days": [1, 2], "note": "please"})
    assert (sent.envelope["note"], sent.envelope["metadata"]["way"]) == ("please", "post")
    fetched = presses(card["actions"][1])
    assert (fetched.text, fetched.envelope["value"]) == ("Fetch it", "shop")
    later = presses(card["body"][2]["actions"][0])
    assert (later.text, later.envelope.get("value")) == ("Later", None)
    foreign = parsed(microsoft, activity(microsoft, text=None, value={"a": 1, "msteams": {"type": "imBack"}}))
    assert (foreign.text, foreign.envelope["value"]) == ('{"a":1}', {"a": 1})


@pytest.mark.req("GRE-58.5")
def test_choices_are_buttons_that_say_their_own_words_and_more_of_them_a_list(microsoft: Microsoft) -> None:
    (shown,) = channel(microsoft).render(outbound(microsoft, "Which?", suggestions=("tea", "juice")))["activities"]
    assert (shown["text"], shown["textFormat"]) == ("Which?", "plain")
    actions = shown["attachments"][0]["content"]["actions"]
    assert actions[0] == {
        "type": "Action.Submit", "title": "tea", "data": {"msteams": {"type": "imBack", "value": "tea"}}
    }  # fmt: skip
    (listed,) = channel(microsoft).render(outbound(microsoft, "Which?", suggestions=tuple("abcdefg")))["activities"]
    assert "7. g" in listed["text"]
    assert "attachments" not in listed


FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "title": "Name"}, "day": {"type": "string", "format": "date"}},
    "required": ["name"],
}


@pytest.mark.req("GRE-58.5")
def test_a_question_with_several_fields_is_a_form_below_its_words(microsoft: Microsoft) -> None:
    words, form = channel(microsoft).render(outbound(microsoft, "Who are you?", schema=FORM))["activities"]
    assert words["text"] == "Who are you?"
    card = form["attachments"][0]["content"]
    assert [each["type"] for each in card["body"]] == ["Input.Text", "Input.Date"]
    assert card["body"][0]["isRequired"]


@pytest.mark.req("GRE-58.5")
def test_a_card_that_is_too_large_for_teams_is_said_in_words(microsoft: Microsoft) -> None:
    rows = [{"type": "TextBlock", "text": f"Row {n} " + "x" * 80} for n in range(300)]
    large = Saying("Many rows.", {**ORDER, "body": rows})
    activities = channel(microsoft).render(outbound(microsoft, large))["activities"]
    assert "Row 299" in activities[-1]["text"]
    titles = [each["title"] for each in activities[-1]["attachments"][0]["content"]["actions"]]
    assert titles == ["Send it", "Fetch it", "Read"]


@pytest.mark.req("GRE-58.5")
def test_markdown_is_markdown_and_plain_words_are_plain(microsoft: Microsoft) -> None:
    said = Saying("**Bold** [x](https://e.com)", format="markdown")
    (marked,) = channel(microsoft).render(outbound(microsoft, said))["activities"]
    assert (marked["text"], marked["textFormat"]) == ("**Bold** [x](<https://e.com>)", "markdown")
    long = channel(microsoft).render(outbound(microsoft, "words " * 10_000))["activities"]
    assert len(long) == 3
    assert all(len(each["text"]) <= 28_000 for each in long)


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-58.6")
def test_files_and_pasted_pictures_are_read_as_documented(microsoft: Microsoft) -> None:
    """https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4"""
    attached = [
        {
            "contentType": "application/vnd.microsoft.teams.file.download.info",
            "contentUrl": "https://contoso.sharepoint.com/personal/johnadams_contoso_com/Documents/file_example.txt",
            "name": "file_example.txt",
            "content": {
                "downloadUrl": "https://download.link",
                "uniqueId": "1150D938-8870-4044-9F2C-5BBDEBA70C9D",
                "fileType": "txt",
                "etag": "123",
            },
        },
        {
            "contentType": "image/*",
            "contentUrl": "https://smba.trafficmanager.net/emea/v3/attachments/a1/views/original",
        },
        {"contentType": "text/html", "content": "<p>See</p>"},
    ]
    message = parsed(microsoft, activity(microsoft, text="See", attachments=attached))
    assert message.files == (
        FileRef("https://download.link", "file_example.txt", "text/plain"),
        FileRef("https://smba.trafficmanager.net/emea/v3/attachments/a1/views/original", "file", "image/png"),
    )


@pytest.mark.req("GRE-58.6")
async def test_our_token_goes_for_files_to_teams_alone_and_nothing_is_asked_of_others(microsoft: Microsoft) -> None:
    made = channel(microsoft)
    assert await made.fetch(SCOPE, FileRef(f"{microsoft.service}v3/attachments/a1/views/original")) == PICTURE
    assert await made.fetch(SCOPE, FileRef(f"{microsoft.url}/files/f1")) == PICTURE
    assert microsoft.seen == [("/emea/v3/attachments/a1/views/original", "Bearer token-1"), ("/files/f1", None)]
    with pytest.raises(NotFound):
        await made.fetch(SCOPE, FileRef(f"{microsoft.url}/files/gone"))
    for other in (
        "https://evil.example/v3/attachments/a1",
        "https://sharepoint.com.evil.example/f",
        "ftp://x",
        "https://[",
    ):
        with pytest.raises(Denied) as refused:
            await made.fetch(SCOPE, FileRef(other))
        assert refused.value.code == "address_denied"


@pytest.mark.req("GRE-58.6")
def test_pictures_are_shown_and_of_other_files_there_are_links(microsoft: Microsoft) -> None:
    files = (
        Attachment("application/pdf", "https://e.com/b_1.pdf", "b_1.pdf"),
        Attachment("image/png", "https://e.com/a.png"),
    )
    words, pictures, links = channel(microsoft).render(outbound(microsoft, Saying("See.", None, files)))["activities"]
    assert words["text"] == "See."
    assert pictures["attachments"] == [
        {"contentType": "image/png", "contentUrl": "https://e.com/a.png", "name": "image"}
    ]
    assert links["text"] == "[b\\_1.pdf](<https://e.com/b_1.pdf>)"


BILL = Attachment("application/pdf", "https://e.com/bill.pdf", "bill.pdf")
WHERE = {"is_personal": True}


async def offer(microsoft: Microsoft, made: TeamsChannel, url: str) -> dict[str, Any]:
    """What a card that offers a file keeps for us."""
    file = Attachment("application/pdf", url, "bill.pdf")
    assert (
        await made.send(SCOPE, outbound(microsoft, Saying("Here.", None, (file,)), address=WHERE))
    ).outcome == "delivered"
    (attached,) = microsoft.posted[-1].activity["attachments"]
    assert attached["contentType"] == "application/vnd.microsoft.teams.card.file.consent"
    return attached["content"]["acceptContext"]


def consents(microsoft: Microsoft, context: Any, upload: str, action: str = "accept", **more: Any) -> Arrival:
    """https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4"""
    info = {
        "contentUrl": "https://contoso.sharepoint.com/personal/johnadams_contoso_com/Documents/bill.pdf",
        "name": "bill.pdf",
        "uploadUrl": upload,
        "uniqueId": "1150D938-8870-4044-9F2C-5BBDEBA70C8C",
        "fileType": "pdf",
        "etag": "123",
    }
    value = {"type": "fileUpload", "action": action, "context": context, "uploadInfo": info}
    said = {"type": "invoke", "name": "fileConsent/invoke", "text": None, "value": value, **more}
    return arrival(microsoft, activity(microsoft, **said))


@pytest.mark.req("GRE-58.11")
async def test_a_file_that_somebody_accepts_is_put_into_their_onedrive_once(microsoft: Microsoft) -> None:
    made = channel(microsoft, files="offers")
    context = await offer(microsoft, made, f"{microsoft.url}/files/f1")
    said = consents(microsoft, context, f"{microsoft.url}/upload/u1")
    assert made.parse(SCOPE, said, None) == ()
    for _ in range(2):
        await made.follow(SCOPE, said)
    assert microsoft.uploaded == [("/upload/u1", f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}", PICTURE, None)]
    (info,) = microsoft.posted[-1].activity["attachments"]
    assert info["contentType"] == "application/vnd.microsoft.teams.card.file.info"
    assert info["content"] == {"uniqueId": "1150D938-8870-4044-9F2C-5BBDEBA70C8C", "fileType": "pdf"}
    assert len(microsoft.posted) == 3


@pytest.mark.req("GRE-58.11")
async def test_a_file_that_we_did_not_offer_there_is_not_fetched(microsoft: Microsoft) -> None:
    made = channel(microsoft, files="offers")
    context = await offer(microsoft, made, f"{microsoft.url}/files/f1")
    upload = f"{microsoft.url}/upload/u1"
    other: dict[str, Any] = {"conversation": {"id": "a:other", "conversationType": "personal"}}
    for forged in (
        consents(microsoft, {**context, "url": f"{microsoft.url}/files/f2"}, upload),
        consents(microsoft, {**context, "mark": ""}, upload),
        consents(microsoft, context, upload, **other),
        consents(microsoft, context, "https://evil.example/upload"),
    ):
        with pytest.raises(Denied):
            await made.follow(SCOPE, forged)
    await made.follow(SCOPE, consents(microsoft, {}, upload, "decline"))
    assert microsoft.uploaded == []
    assert microsoft.seen == []


@pytest.mark.req("GRE-58.11")
async def test_of_a_file_that_cannot_be_handed_over_there_is_a_link(microsoft: Microsoft) -> None:
    made = channel(microsoft, files="offers")
    for url, upload in (("files/gone", "upload/u1"), ("files/f1", "upload/full")):
        context = await offer(microsoft, made, f"{microsoft.url}/{url}")
        await made.follow(SCOPE, consents(microsoft, context, f"{microsoft.url}/{upload}", id=url))
        assert microsoft.posted[-1].activity["text"] == f"[bill.pdf](<{microsoft.url}/{url}>)"


@pytest.mark.req("GRE-58.11")
def test_in_a_group_files_are_links(microsoft: Microsoft) -> None:
    made = channel(microsoft, files="offers")
    _, shown = made.render(outbound(microsoft, Saying("Here.", None, (BILL,)), address={"to": THREAD}))["activities"]
    assert shown["text"] == "[bill.pdf](<https://e.com/bill.pdf>)"


# -- out ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-58.7")
async def test_a_reply_goes_to_its_thread_with_a_token_that_is_asked_for_once(microsoft: Microsoft) -> None:
    made = channel(microsoft)
    for _ in range(2):
        there = outbound(microsoft, "It is so.", address={"to": THREAD})
        assert (await made.send(SCOPE, there)).outcome == "delivered"
    assert [(each.to, each.activity["text"], each.activity["from"]["id"]) for each in microsoft.posted] == [
        (THREAD, "It is so.", BOT)
    ] * 2
    (signed_in,) = microsoft.signed_in
    assert signed_in == {
        "grant_type": "client_credentials", "client_id": APP, "client_secret": PASSWORD, "tenant": "botframework.com",
        "scope": "https://api.botframework.com/.default",
    }  # fmt: skip
    made.__dict__["clock"][0] += 3_599
    assert (await made.send(SCOPE, outbound(microsoft, "Later."))).outcome == "delivered"
    assert len(microsoft.signed_in) == 2


@pytest.mark.req("GRE-58.7")
async def test_a_bot_of_one_tenant_signs_in_there(microsoft: Microsoft) -> None:
    assert (await channel(microsoft, tenant_id=TENANT).send(SCOPE, outbound(microsoft, "Hi."))).outcome == "delivered"
    assert microsoft.signed_in[0]["tenant"] == TENANT


@pytest.mark.req("GRE-58.7")
async def test_somebody_without_a_chat_is_written_to_in_a_new_one(microsoft: Microsoft) -> None:
    """https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages"""
    alone = outbound(microsoft, "Your order is here.", address={"to": ""})
    assert (await channel(microsoft).send(SCOPE, alone)).outcome == "delivered"
    (begun,) = microsoft.begun
    assert (begun["members"], begun["bot"], begun["isGroup"]) == ([{"id": ANN}], {"id": BOT}, False)
    assert begun["channelData"] == {"tenant": {"id": TENANT}}
    assert microsoft.posted[0].to == "a:begun"


@pytest.mark.req("GRE-58.8")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "Throttled", "7"), "retry", "platform_busy", 7.0),
        (Refusal(401), "retry", "credentials_refused", 60.0),
        (Refusal(412, "PreconditionFailed"), "retry", "platform_busy", None),
        (Refusal(403, "BotNotInConversationRoster"), "failed", "not_a_member", None),
        (Refusal(403, "ConversationBlockedByUser"), "failed", "blocked", None),
        (Refusal(404, "ConversationNotFound"), "failed", "conversation_gone", None),
        (Refusal(413, "MessageSizeTooBig"), "failed", "message_too_large", None),
        (Refusal(400, "Odd"), "failed", "status_400", None),
        (Refusal(500), "unknown", "status_500", None),
        (Refusal(503, "", "9"), "unknown", "status_503", 9.0),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_message_is_known_by_the_answer(
    microsoft: Microsoft, refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    microsoft.refusals.append(refusal)
    made = channel(microsoft)
    found = await made.send(SCOPE, outbound(microsoft, "Hello."))
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)
    assert (await made.send(SCOPE, outbound(microsoft, "Hello."))).outcome == "delivered"


@pytest.mark.req("GRE-58.8")
async def test_a_message_of_several_parts_goes_on_where_it_was_asked_to_wait(microsoft: Microsoft) -> None:
    message = outbound(microsoft, Saying("See.", None, (Attachment("image/png", "https://e.com/a.png"),)))
    made = channel(microsoft)
    microsoft.refusals += [Refusal(200), Refusal(429)]
    assert (await made.send(SCOPE, message)).outcome == "retry"
    assert (await made.send(SCOPE, message)).outcome == "delivered"
    assert ["text" in each.activity for each in microsoft.posted] == [True, False]


@pytest.mark.req("GRE-58.2")
async def test_an_address_of_another_host_gets_neither_message_nor_token(microsoft: Microsoft) -> None:
    for url in ("https://evil.example/", "https://smba.trafficmanager.net.evil.example/"):
        sent = await channel(microsoft).send(SCOPE, outbound(microsoft, "Hi.", address={"url": url}))
        assert (sent.outcome, sent.code) == ("failed", "address_denied")
    assert microsoft.signed_in == []


@pytest.mark.req("GRE-58.9")
async def test_the_bot_greets_once_where_it_has_come_to(microsoft: Microsoft) -> None:
    """https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events"""
    came = activity(microsoft, type="conversationUpdate", text=None, membersAdded=[{"id": BOT}], id="f:1")
    other = {**came, "membersAdded": [{"id": "29:bob"}], "id": "f:2"}
    made = channel(microsoft, greeting="Hello, I am the shop.")
    for said in (came, came, other):
        await made.follow(SCOPE, arrival(microsoft, said))
        assert made.parse(SCOPE, arrival(microsoft, said), None) == ()
    assert [(each.to, each.activity["text"]) for each in microsoft.posted] == [(PERSONAL, "Hello, I am the shop.")]
    await channel(microsoft).follow(SCOPE, arrival(microsoft, came))
    assert len(microsoft.posted) == 1


@pytest.mark.req("GRE-58.9")
async def test_typing_is_shown_where_the_customer_wrote(microsoft: Microsoft) -> None:
    await channel(microsoft).typing(SCOPE, outbound(microsoft, "").address)
    assert [(each.to, each.activity["type"]) for each in microsoft.posted] == [(PERSONAL, "typing")]


async def test_a_check_signs_in_or_says_what_is_wrong(microsoft: Microsoft) -> None:
    assert await channel(microsoft, tenant_id=TENANT).check() == f"Bot {APP} ({TENANT})"
    with pytest.raises(Denied) as refused:
        await channel(microsoft, password="old").check()
    assert refused.value.code == "credentials_refused"
    with pytest.raises(Unavailable):
        await channel(microsoft, login_base_url="http://127.0.0.1:9").check()


def test_apps_whose_tokens_count_belong_to_a_tenant(microsoft: Microsoft) -> None:
    with pytest.raises(msgspec.ValidationError, match="tenant_id"):
        channel(microsoft, entra_callers=(APP,))


@pytest.mark.parametrize("change", [{"conversation": None}, {"from": {"id": ""}}, {"text": "a\0b"}, {"id": 7}])
def test_what_is_no_activity_is_refused_with_its_place(microsoft: Microsoft, change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        channel(microsoft).parse(SCOPE, arrival(microsoft, activity(microsoft, **change)), None)
    assert (refused.value.place or "").startswith("$.")
