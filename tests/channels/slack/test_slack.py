"""Slack: requests as it documents them, its own library as oracle, and its API on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import html
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from slack_sdk import WebClient
from slack_sdk.signature import Clock, SignatureVerifier

from lichen.channels.port import Arrival, Fetched, FileRef
from lichen.channels.slack.channel import SlackChannel
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.slack.sent import (
    DIRECT,
    FORM,
    MENTION,
    NOW_S,
    SCOPE,
    SECRET,
    arrival,
    at,
    callback,
    channel,
    command,
    outbound,
    parsed,
    signed,
)
from tests.channels.slack.server import FINE, PICTURE, TOKEN, Refusal, Slack


class TestSlack(ChannelConformance):
    proofs = ("x-slack-signature", "x-slack-request-timestamp")

    def channel(self) -> SlackChannel:
        return channel()

    def body(self, text: str, id: str, conversation: str) -> bytes:
        ts = f"1355517523.{int(hashlib.sha256(id.encode()).hexdigest(), 16) % 10**6:06}"
        said = html.escape(text, quote=False)
        return callback({**DIRECT, "text": said, "ts": ts, "event_ts": ts, "channel": f"D{conversation}"})

    def arrival(self, body: bytes) -> Arrival:
        return arrival(body)

    def words(self, rendered: dict[str, Any]) -> str:
        return html.unescape("".join(each["text"] for each in rendered["messages"])).replace("\u200b", "")

    @contextmanager
    def platform(self, channel: SlackChannel) -> Generator[Sequence[Received]]:
        with Slack() as slack:
            channel.send = at(slack).send  # pyright: ignore[reportAttributeAccessIssue]
            yield _Got(slack, self._address())


class _Got(Sequence[Received]):
    def __init__(self, slack: Slack, address: bytes) -> None:
        self._slack, self._address = slack, address

    def __len__(self) -> int:
        return len(self._slack.posted)

    def __getitem__(self, i: Any) -> Any:
        to = msgspec.json.decode(self._address)["channel"]
        found: list[Any] = []
        for each in self._slack.posted:
            assert each["channel"] == to
            found.append(Received(each["metadata"]["event_payload"]["message"], each["text"], self._address))
        return found[i]


# -- who ---------------------------------------------------------------------------------------------------------


class _At(Clock):
    def __init__(self, now_s: int) -> None:
        self._now_s = now_s

    def now(self) -> float:
        return float(self._now_s)


@pytest.mark.req("GRE-56.2")
@pytest.mark.parametrize("off_s", [-400, -301, -300, -299, 0, 299, 300, 301, 400])
async def test_a_signature_is_taken_when_slacks_own_library_takes_it(off_s: int) -> None:
    body = callback(DIRECT)
    is_taken = SignatureVerifier(SECRET, _At(NOW_S + off_s)).is_valid_request(body, signed(body))
    assert is_taken == (abs(off_s) <= 300)
    verified = channel().verify(SCOPE, arrival(body, now_s=NOW_S + off_s))
    if is_taken:
        assert await verified is None
        return
    with pytest.raises(Denied) as refused:
        await verified
    assert refused.value.code == "signature_expired"


@pytest.mark.req("GRE-56.2")
@pytest.mark.parametrize("forged", ["another_secret", "another_time", "another_body", "truncated", "none"])
async def test_a_forged_or_truncated_request_is_refused_as_by_slacks_library(forged: str) -> None:
    body = callback(DIRECT)
    headers = signed(body, secret="another") if forged == "another_secret" else signed(body)
    if forged == "another_time":
        headers["x-slack-request-timestamp"] = str(NOW_S + 1)
    sent = {"another_body": body.replace(b"Hello", b"HELLO"), "truncated": body[:-1]}.get(forged, body)
    headers = {} if forged == "none" else headers
    assert not SignatureVerifier(SECRET, _At(NOW_S)).is_valid_request(sent, headers)
    with pytest.raises(Denied) as refused:
        await channel().verify(SCOPE, Arrival("POST", "/", {}, headers, sent, NOW_S * 1_000_000))
    assert refused.value.code == ("signature_missing" if forged == "none" else "signature_invalid")


# https://docs.slack.dev/authentication/verifying-requests-from-slack, whose example this is
EXAMPLE = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


@pytest.mark.req("GRE-56.2")
async def test_the_example_of_slacks_documentation_is_proven_and_read() -> None:
    proof = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"content-type": FORM, "x-slack-request-timestamp": "1531420618", "x-slack-signature": proof}
    request = Arrival("POST", "/", {}, headers, EXAMPLE, 1_531_420_618_000_000)
    assert await channel().verify(SCOPE, request) is None
    (message,) = channel().parse(SCOPE, request, None)
    assert (message.text, message.sender.id) == ("/webhook-collect", "slack:T1DC2JH3J:U2CERLKJA")


@pytest.mark.req("GRE-56.1")
def test_the_challenge_of_a_verification_is_repeated_and_says_nothing() -> None:
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    body = msgspec.json.encode({"token": "J", "challenge": challenge, "type": "url_verification"})
    assert channel().parse(SCOPE, arrival(body), None) == ()
    assert channel().reply(SCOPE, arrival(body)).body == challenge.encode()


# -- what --------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-56.3")
def test_a_direct_message_is_one_persons_and_is_answered_beside_it() -> None:
    message = parsed(callback(DIRECT))
    assert (message.text, message.sender.id) == (DIRECT["text"], "slack:T0123ABCD:U2147483697")
    assert message.conversation == "T0123ABCD:D024BE91L::U2147483697"
    assert msgspec.json.decode(message.address) == {"channel": "D024BE91L", "about": DIRECT["ts"]}


@pytest.mark.req("GRE-56.3")
def test_two_people_and_two_threads_in_a_channel_are_four_conversations() -> None:
    found: set[str] = set()
    for user in ("U061F7AUR", "U061F7AUS"):
        for thread in ("1515449522.000016", "1515449522.000017"):
            message = parsed(callback({**MENTION, "user": user, "ts": "1515449523.000001", "thread_ts": thread}))
            assert msgspec.json.decode(message.address)["thread"] == thread
            found.add(message.conversation)
    assert len(found) == 4


@pytest.mark.req("GRE-56.3")
def test_a_mention_in_a_channel_begins_a_thread_and_is_no_part_of_the_words() -> None:
    message = parsed(callback(MENTION))
    assert message.text == "is it everything a river should be?"
    assert msgspec.json.decode(message.address)["thread"] == MENTION["ts"]


@pytest.mark.req("GRE-56.3")
def test_a_mention_that_is_told_as_an_event_of_two_kinds_is_one_message() -> None:
    one = parsed(callback(MENTION))
    other = parsed(callback({**MENTION, "type": "message", "channel_type": "channel"}, event_id="Ev2"))
    assert one == other


@pytest.mark.req("GRE-56.3")
def test_a_retry_of_slack_is_the_same_message() -> None:
    request = arrival(callback(DIRECT))
    headers = {**request.headers, "x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}
    again = msgspec.structs.replace(request, headers=headers)
    assert channel().parse(SCOPE, request, None) == channel().parse(SCOPE, again, None)


@pytest.mark.req("GRE-56.4")
@pytest.mark.parametrize(
    "event",
    [
        {**DIRECT, "subtype": "message_changed", "hidden": True, "message": {"text": "x"}, "user": None},
        {**DIRECT, "subtype": "message_deleted", "deleted_ts": "1.2"},
        {**DIRECT, "subtype": "bot_message", "bot_id": "B1"},
        {**DIRECT, "bot_id": "B1"},
        {**DIRECT, "user": "U0BOT"},
        {**DIRECT, "subtype": "channel_join"},
        {"type": "reaction_added", "user": "U1", "reaction": "thumbsup", "item": {"type": "message"}},
        {"type": "app_home_opened", "user": "U1", "tab": "home"},
    ],
)
def test_edits_deletions_bots_and_other_events_say_nothing(event: dict[str, Any]) -> None:
    assert channel().parse(SCOPE, arrival(callback(event)), None) == ()


@pytest.mark.req("GRE-56.4")
@pytest.mark.parametrize(("listen", "heard"), [("mentions", "--m"), ("threads", "-tm"), ("all", "ptm")])
def test_where_several_people_talk_is_heard_what_the_settings_say(listen: str, heard: str) -> None:
    plain = {**DIRECT, "channel": "C123ABC456", "channel_type": "channel"}
    said = {"p": plain, "t": {**plain, "thread_ts": "1.1"}, "m": {**plain, "text": "hey <@U0BOT> you"}}
    made = channel(listen=listen)
    found = "".join(each if made.parse(SCOPE, arrival(callback(event)), None) else "-" for each, event in said.items())
    assert found == heard


@pytest.mark.req("GRE-56.4")
def test_an_app_of_a_whole_organization_is_one_workspace_and_others_are_not_listened_to() -> None:
    whole = {"enterprise_id": "E0123", "authorizations": [{"user_id": "U0BOT", "is_enterprise_install": True}]}
    (one, other) = (parsed(callback(DIRECT, team_id=team, **whole)) for team in ("T0123ABCD", "T9"))
    assert one.conversation == other.conversation == "E0123:D024BE91L::U2147483697"
    # a channel that is shared with another organization: the event names the workspace where the app is
    shared = parsed(callback({**DIRECT, "user_team": "T9", "team": "T9"}, is_ext_shared_channel=True))
    assert shared.sender.id == "slack:T0123ABCD:U2147483697"
    assert channel(workspace="T9").parse(SCOPE, arrival(callback(DIRECT)), None) == ()
    assert parsed(callback(DIRECT), workspace="T0123ABCD")


@pytest.mark.req("GRE-56.3")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<https://e.com/a|e.com> and <https://e.com>", "e.com (https://e.com/a) and https://e.com"),
        ("<mailto:ann@e.com|ann@e.com>", "ann@e.com"),
        ("<@U024BE7LH> and <@U1|ann>, <#C024BE7LR|general>", "@U024BE7LH and @ann, #general"),
        ("<!here> <!subteam^S1|@team> <!date^1392734382^{date}|Feb 18>", "@here @team Feb 18"),
        ("so <@U0BOT>", "so"),
    ],
)
def test_entities_links_and_mentions_are_read_as_the_customer_sees_them(text: str, words: str) -> None:
    assert parsed(callback({**DIRECT, "text": text})).text == words


@pytest.mark.req("GRE-56.7")
def test_files_lie_at_slack_and_those_elsewhere_are_words() -> None:
    # https://docs.slack.dev/reference/events/message/file_share
    shared: dict[str, Any] = {
        "id": "F1", "name": "a.png", "mimetype": "image/png", "size": 108, "mode": "hosted",
        "url_private": "https://files.slack.com/files-pri/T0-F1/a.png",
        "url_private_download": "https://files.slack.com/files-pri/T0-F1/download/a.png",
    }  # fmt: skip
    hidden = {"id": "F2", "mode": "file_access", "file_access": "check_file_info"}
    gone, away = {"id": "F3", "mode": "tombstone"}, {"id": "F4", "mode": "external", "name": "Plan", "permalink": "u"}
    event = {**DIRECT, "subtype": "file_share", "text": "See.", "files": [shared, hidden, gone, away]}
    message = parsed(callback(event))
    assert message.text == "See.\nPlan u"
    assert message.files == (
        FileRef(shared["url_private_download"], "a.png", "image/png", 108),
        FileRef("F2", "", "application/octet-stream", 0),
    )


@pytest.mark.req("GRE-56.5")
def test_a_command_says_its_text_and_is_answered_for_who_gave_it_alone() -> None:
    message = parsed(command("94070"), FORM)
    assert (message.text, message.sender.id) == ("94070", "slack:T0123ABCD:U2147483697")
    assert message.envelope == {"metadata": {"slack.command": "/weather"}}
    assert msgspec.json.decode(message.address) == {"channel": "C2147483705", "only": "U2147483697"}
    assert parsed(command(""), FORM).text == "/weather"
    told = msgspec.json.decode(parsed(command("94070"), FORM, commands="channel").address)
    assert told == {"channel": "C2147483705"}
    assert channel().reply(SCOPE, arrival(command("94070"), FORM)).body == b""


@pytest.mark.parametrize("body", [b"", b"[]", b'{"type":7}', callback({**DIRECT, "ts": "x"}), callback(DIRECT)[:-1]])
def test_what_is_no_event_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, arrival(body), None)
    assert (refused.value.place or "").startswith("$")


# -- out ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-57.1")
async def test_an_answer_goes_into_its_thread_and_to_one_person_where_that_is_asked() -> None:
    with Slack() as slack:
        thread = {"channel": "C123ABC456", "thread": "1515449522.000016"}
        assert (await at(slack).send(SCOPE, outbound("Yes.", thread))).outcome == "delivered"
        private = {"channel": "C123ABC456", "only": "U061F7AUR"}
        assert (await at(slack).send(SCOPE, outbound("Yes.", private))).outcome == "delivered"
        assert (await at(slack, default_channel="C9").send(SCOPE, outbound("News.", {}))).outcome == "delivered"
        lost = await at(slack).send(SCOPE, outbound("News.", {}))
    assert (lost.outcome, lost.code) == ("failed", "address_missing")
    assert [method for method, _ in slack.asked] == ["chat.postMessage", "chat.postEphemeral", "chat.postMessage"]
    first, second, third = slack.posted
    assert (first["thread_ts"], second["user"], third["channel"]) == ("1515449522.000016", "U061F7AUR", "C9")


@pytest.mark.req("GRE-57.2")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "ratelimited", "30"), "retry", "platform_busy", 30.0),
        (Refusal(200, "ratelimited", "7"), "retry", "platform_busy", 7.0),
        (Refusal(200, "service_unavailable"), "retry", "platform_busy", 30.0),
        (Refusal(200, "token_revoked"), "retry", "credentials_refused", 60.0),
        (Refusal(200, "missing_scope"), "retry", "credentials_refused", 60.0),
        (Refusal(200, "channel_not_found"), "failed", "slack_channel_not_found", None),
        (Refusal(200, "is_archived"), "failed", "slack_is_archived", None),
        (Refusal(200, "Words somebody wrote"), "unknown", "slack_unreadable", None),
        (Refusal(200, "internal_error"), "unknown", "slack_internal_error", None),
        (Refusal(200, "fatal_error"), "unknown", "slack_fatal_error", None),
        (Refusal(500), "unknown", "status_500", None),
        (Refusal(503, "", "5"), "unknown", "status_503", 5.0),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_message_is_known_by_slacks_answer(
    refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    with Slack() as slack:
        slack.refusals.append(refusal)
        found = await at(slack).send(SCOPE, outbound("Hello."))
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)


@pytest.mark.req("GRE-57.3")
@pytest.mark.parametrize("thread", ["", "1515449522.000016"])
async def test_slack_is_asked_whether_it_has_a_message_that_was_cut_off(thread: str) -> None:
    to = {"channel": "C123ABC456", "thread": thread}
    long = outbound("words " * 1_000, to)
    with Slack() as slack:
        made = at(slack)
        slack.refusals += [Refusal(0), FINE, Refusal(0, is_kept=True)]
        assert (await made.send(SCOPE, outbound("Hello.", to))).code == "cut_off"
        assert await made.has(SCOPE, outbound("Hello.", to)) is False
        assert (await made.send(SCOPE, outbound("Hello.", to))).code == "cut_off"
        assert await made.has(SCOPE, outbound("Hello.", to)) is True
        other = msgspec.structs.replace(long, id="o2")
        slack.refusals += [FINE, Refusal(0)]
        assert (await made.send(SCOPE, other)).code == "cut_off"
        assert await made.has(SCOPE, other) is None  # half of it is there
        slack.refusals += [Refusal(200, "missing_scope")]
        assert await made.has(SCOPE, other) is None
        assert await made.has(SCOPE, outbound("Hello.", {**to, "only": "U1"})) is None


@pytest.mark.req("GRE-57.2")
async def test_a_message_of_several_parts_goes_on_where_it_was_asked_to_wait() -> None:
    message = outbound("words " * 1_000)
    with Slack() as slack:
        made = at(slack)
        slack.refusals += [FINE, Refusal(429, "ratelimited", "3")]
        waits = await made.send(SCOPE, message)
        assert (waits.outcome, waits.retry_after_s, len(slack.posted)) == ("retry", 3.0, 1)
        assert (await made.send(SCOPE, message)).outcome == "delivered"
    assert [each["metadata"]["event_payload"]["part"] for each in slack.posted] == [0, 1]


@pytest.mark.req("GRE-57.7")
async def test_a_thread_shows_that_an_answer_is_being_written() -> None:
    with Slack() as slack:
        await at(slack).typing(SCOPE, b'{"channel":"D1","about":"1.1"}')
        await at(slack).typing(SCOPE, b'{"channel":"D1"}')
    assert slack.of("assistant.threads.setStatus") == [
        {"channel_id": "D1", "thread_ts": "1.1", "status": "is writing…"}
    ]


@pytest.mark.req("GRE-57.8")
async def test_a_check_says_who_the_bot_is_or_what_is_wrong() -> None:
    with Slack() as slack:
        assert await at(slack).check() == "helper in Acme (T0123ABCD)"
        slack.refusals.append(Refusal(200, "invalid_auth"))
        with pytest.raises(Denied) as refused:
            await at(slack).check()
        slack.scopes = "files:read"
        with pytest.raises(Denied) as lacks:
            await at(slack).check()
    assert (refused.value.code, lacks.value.code) == ("credentials_refused", "scope_missing")


ELSEWHERE = (
    "https://evil.example/a", "https://slack.com.evil.example/a", "https://u@files.slack.com/a",
    "http://files.slack.com/a", "https://evilslack.com/a", "https://files.slack.com:8443/a",
)  # fmt: skip


@pytest.mark.req("GRE-56.7")
async def test_a_file_is_fetched_from_slacks_hosts_alone_and_a_page_to_sign_in_is_none() -> None:
    with Slack() as slack:
        made = at(slack)
        assert await made.fetch(SCOPE, FileRef(f"{slack.url}/files/F1", media_type="image/png")) == Fetched(PICTURE)
        assert await made.fetch(SCOPE, FileRef("F1")) == Fetched(PICTURE, "invoice.png", "image/png")
        for gone in ("F9", f"{slack.url}/files/F9"):
            with pytest.raises(NotFound):
                await made.fetch(SCOPE, FileRef(gone, media_type="image/png"))
        asked = len(slack.asked)
        for elsewhere in ELSEWHERE:
            with pytest.raises(Denied) as refused:
                await made.fetch(SCOPE, FileRef(elsewhere))
            assert refused.value.code == "address_denied"
        assert len(slack.asked) == asked


async def test_slacks_own_client_is_understood_by_the_server_that_stands_in_for_slack() -> None:
    message = outbound(Saying("A card.", {"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "Hi"}]}))
    with Slack() as slack:
        await at(slack).send(SCOPE, message)
        ours = slack.posted[0]
        client: Any = WebClient(TOKEN, base_url=f"{slack.url}/api/")
        await asyncio.to_thread(lambda: client.chat_postMessage(**ours))
        theirs = slack.posted[1]
    assert {name: theirs[name] for name in ("channel", "text")} == {name: ours[name] for name in ("channel", "text")}
    assert theirs["blocks"] == ours["blocks"]
    assert theirs["metadata"] == ours["metadata"]


@pytest.mark.req("GRE-57.6")
async def test_a_file_is_uploaded_after_the_words_where_the_settings_say_so() -> None:
    with Slack() as slack:
        made = at(slack, files="upload")
        files = (Attachment("application/pdf", f"{slack.url}/ours/bill.pdf"),)
        message = outbound(Saying("Your bill.", None, files), {"channel": "C1", "thread": "1.1"})
        slack.refusals += [FINE, Refusal(0), FINE, Refusal(200, "ratelimited", "3")]
        waits = [await made.send(SCOPE, message) for _ in range(2)]
        assert [(each.outcome, each.code) for each in waits] == [
            ("retry", "file_unreachable"), ("retry", "platform_busy")
        ]  # fmt: skip
        assert (await made.send(SCOPE, message)).outcome == "delivered"
        slack.refusals += [FINE, FINE, Refusal(0)]
        gone = Attachment("application/pdf", f"{slack.url}/ours/none.pdf")
        assert (await made.send(SCOPE, msgspec.structs.replace(message, id="o2"))).code == "cut_off"
        lost = msgspec.structs.replace(message, id="o3", saying=Saying("Your bill.", None, (gone,)))
        assert (await made.send(SCOPE, lost)).code == "file_gone"
    assert [each["text"] for each in slack.posted] == ["Your bill."] * 3  # no words twice
    assert set(slack.uploaded) == {PICTURE}
    asked, shown = slack.of("files.getUploadURLExternal")[0], slack.of("files.completeUploadExternal")[0]
    assert asked == {"filename": "bill.pdf", "length": str(len(PICTURE))}
    assert shown == {
        "files": [{"id": "F123ABC456", "title": "bill.pdf"}], "channel_id": "C1", "thread_ts": "1.1"
    }  # fmt: skip
