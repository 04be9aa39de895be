"""People who did not write and are written to: where each platform says they are, and that their answer comes there."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from lichen.channels.port import Inbound, Reached, Wanted
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from tests.channels.email import mails
from tests.channels.email.server import Post
from tests.channels.mattermost import test_mattermost as mattermost
from tests.channels.mattermost.server import Mattermost
from tests.channels.slack import sent as slack
from tests.channels.slack.server import Refusal, Slack
from tests.channels.teams import speaking as teams
from tests.channels.teams.server import Microsoft
from tests.channels.teams.server import Refusal as MicrosoftRefusal
from tests.channels.telegram import test_telegram as telegram
from tests.channels.telegram.server import BotApi
from tests.channels.webex import test_webex as webex
from tests.channels.webex.server import Webex
from tests.channels.whatsapp import test_whatsapp as whatsapp
from tests.channels.whatsapp.server import Meta

SCOPE = Scope("acme", "dev")
ANN_ON_MATTERMOST = "rnina9994bde8mua79zqcg5hmo"


@pytest.fixture(name="microsoft")
def _microsoft() -> Generator[Microsoft]:
    with Microsoft() as microsoft:
        yield microsoft


def message(address: bytes, text: str = "Your parcel is there.", id: str = "o1") -> Outbound:
    return Outbound(MessageId(id), SessionId("ses-1"), "say", Saying(text), 1, address)


async def code_of(channel: Any, wanted: Wanted) -> tuple[str, str]:
    """What somebody who cannot be reached is refused with, and what is to be done."""
    with pytest.raises(LichenError) as refused:
        await channel.address_of(SCOPE, wanted)
    assert str(refused.value)
    return refused.value.code, refused.value.next_step


def is_where(reached: Reached, answer: Inbound, customer: str) -> bool:
    """Whether an answer comes into the conversation, from whom it was begun with."""
    return (answer.conversation, answer.sender.id) == (reached.conversation, customer)


@pytest.mark.req("GRE-57.10")
async def test_slack_opens_direct_messages_with_somebody_and_their_answer_comes_in_them() -> None:
    with Slack() as server:
        made = slack.at(server)
        wanted = Wanted("T0123ABCD:U2147483697")
        reached = await made.address_of(SCOPE, wanted)
        assert await made.address_of(SCOPE, wanted) == reached
        assert server.of("conversations.open") == [{"users": "U2147483697"}] * 2
        assert (await made.send(SCOPE, message(reached.address))).outcome == "delivered"
        assert (server.posted[0]["channel"], "thread_ts" in server.posted[0]) == ("D024BE91L", False)
        (answer,) = made.parse(SCOPE, slack.arrival(slack.callback(slack.DIRECT)), None)
        assert is_where(reached, answer, "slack:T0123ABCD:U2147483697")
        for error, code in (
            ("user_not_found", "customer_unreachable"), ("missing_scope", "scope_missing"),
            ("invalid_auth", "credentials_refused"), ("ratelimited", "platform_busy"),
        ):  # fmt: skip
            server.refusals.append(Refusal(error=error))
            assert (await code_of(made, wanted))[0] == code
        assert (await code_of(slack.at(server, workspace="T9"), wanted))[0] == "customer_unreachable"
        assert (await code_of(made, Wanted("U2147483697")))[0] == "customer_invalid"


@pytest.mark.req("GRE-59.10")
async def test_telegram_reaches_who_wrote_before_in_their_own_chat_and_nobody_else() -> None:
    with BotApi() as server:
        made = telegram.channel(server.url, username="shop_bot")
        code, step = await code_of(made, Wanted("1111111"))
        assert (code, "https://t.me/shop_bot" in step) == ("customer_unreachable", True)
        in_group = telegram.parsed(telegram.update(chat=telegram.GROUP, text="@shop_bot hi"), username="shop_bot")
        reached = await made.address_of(SCOPE, Wanted("1111111", in_group.address))
        assert (await made.send(SCOPE, message(reached.address))).outcome == "delivered"
        assert server.called[-1]["chat_id"] == 1_111_111
        assert is_where(reached, telegram.parsed(telegram.update(text="Thanks")), "telegram:1111111")
        assert (await code_of(made, Wanted("-100123", in_group.address)))[0] == "customer_invalid"


@pytest.mark.req("GRE-60.10")
async def test_whatsapp_takes_templates_alone_of_who_did_not_write_today() -> None:
    with Meta() as server:
        bare, made = whatsapp.channel(server.url), whatsapp.channel(server.url, template="news")
        code, step = await code_of(bare, Wanted("16505551234"))
        assert (code, "lichen channel update" in step) == ("window_closed", True)
        reached = await made.address_of(SCOPE, Wanted("16505551234"))
        assert (await made.send(SCOPE, message(reached.address))).outcome == "delivered"
        assert server.posted[-1]["template"]["name"] == "news"
        wrote = whatsapp.parsed(whatsapp.TEXT)
        assert is_where(reached, wrote, "whatsapp:16505551234")
        today = await bare.address_of(SCOPE, Wanted("16505551234", wrote.address))
        assert (await bare.send(SCOPE, message(today.address))).outcome == "delivered"
        assert server.posted[-1]["text"]["body"] == "Your parcel is there."
        bare.check_address(SCOPE, wrote.address)
        later = whatsapp.channel(server.url, now_s=whatsapp.NOW_S + 24 * 3600 + 1)
        with pytest.raises(LichenError, match="window_closed"):
            later.check_address(SCOPE, wrote.address)
        assert (await code_of(made, Wanted("+49 170")))[0] == "customer_invalid"


@pytest.mark.req("GRE-58.20")
async def test_teams_reaches_who_wrote_before_by_the_reference_of_where_they_did(microsoft: Microsoft) -> None:
    made = teams.channel(microsoft)
    assert (await code_of(made, Wanted(teams.ANN)))[0] == "customer_unreachable"
    (in_channel,) = made.parse(SCOPE, teams.arrival(microsoft, teams.in_channel(microsoft)), None)
    (personal,) = made.parse(SCOPE, teams.arrival(microsoft, teams.activity(microsoft)), None)
    known = await made.address_of(SCOPE, Wanted(teams.ANN, personal.address))
    assert is_where(known, personal, f"teams:{teams.ANN}")
    assert microsoft.begun == []
    begun = await made.address_of(SCOPE, Wanted(teams.ANN, in_channel.address))
    (asked,) = microsoft.begun
    assert asked["members"] == [{"id": teams.ANN}]
    assert (await made.send(SCOPE, message(begun.address))).outcome == "delivered"
    to = microsoft.posted[-1].to
    where = {"conversationType": "personal", "id": to}
    answer = teams.arrival(microsoft, teams.activity(microsoft, conversation=where))
    (answered,) = made.parse(SCOPE, answer, None)
    assert is_where(begun, answered, f"teams:{teams.ANN}")
    microsoft.refusals.append(MicrosoftRefusal(403, "ConversationBlockedByUser"))
    assert (await code_of(made, Wanted(teams.ANN, in_channel.address)))[0] == "customer_unreachable"


@pytest.mark.req("GRE-62.50")
async def test_webex_reaches_a_person_in_the_room_that_their_answer_comes_in() -> None:
    with Webex() as server:
        made = webex.channel(server)
        reached = await made.address_of(SCOPE, Wanted(webex.ANN))
        assert (await made.send(SCOPE, message(reached.address))).outcome == "delivered"
        assert (server.posted[0]["toPersonId"], "roomId" in server.posted[0]) == (webex.ANN, False)
        server.said[f"messages/{webex.ASKED}"] = webex.message()
        (answer,) = await webex.parsed(server, webex.notice())
        assert is_where(reached, answer, f"webex:{webex.ANN}")
        assert (await code_of(made, Wanted("ann@example.com")))[0] == "customer_invalid"


@pytest.mark.req("GRE-62.51")
async def test_mattermost_makes_a_direct_channel_that_the_answer_comes_in() -> None:
    with Mattermost() as server:
        made = mattermost.at(server)
        reached = await made.address_of(SCOPE, Wanted(ANN_ON_MATTERMOST))
        assert server.direct == [["u1", ANN_ON_MATTERMOST]]
        assert (await made.send(SCOPE, message(reached.address))).outcome == "delivered"
        assert server.posted[-1]["channel_id"] == "direct1"
        answer = mattermost.parsed(mattermost.posted(channel_id="direct1", user_id=ANN_ON_MATTERMOST))
        assert is_where(reached, answer, f"mattermost:{ANN_ON_MATTERMOST}")
        assert (await code_of(made, Wanted("u" * 26)))[0] == "customer_unreachable"
        assert (await code_of(made, Wanted("ann")))[0] == "customer_invalid"


@pytest.mark.req("GRE-62.52")
async def test_a_mail_begins_a_thread_with_a_subject_and_the_answer_is_in_it() -> None:
    with Post() as post:
        made = mails.channel(post)
        wanted = Wanted("claimed:ann@customer.example", subject="Your parcel is there.", token="k1")
        reached = await made.address_of(SCOPE, wanted)
        assert await made.address_of(SCOPE, wanted) == reached
        assert (await made.address_of(SCOPE, msgspec.structs.replace(wanted, token="k2"))) != reached
        assert (
            await made.send(SCOPE, message(reached.address, "Your parcel is there.\n\nCome."))
        ).outcome == "delivered"
        (found,) = post.sent
        assert (found.to, found.mail["Subject"]) == (["ann@customer.example"], "Your parcel is there.")
        assert (found.mail["In-Reply-To"], found.mail["Auto-Submitted"]) == (None, "auto-generated")
        reply = mails.mail("Thanks.", In_Reply_To=found.mail["Message-ID"], Subject="Re: Your parcel is there.")
        (answer,) = made.parse(SCOPE, mails.posted(reply), None)
        assert is_where(reached, answer, "email:claimed:ann@customer.example")
        code, step = await code_of(made, Wanted("ann@customer.example"))
        assert (code, "email:claimed:ann@customer.example" in step) == ("customer_invalid", True)
        proven = mails.channel(post, trusted_host="mx.shop.example")
        assert (await proven.address_of(SCOPE, Wanted("ann@customer.example", token="k1"))).conversation
        for wrong in ("claimed:Ann@customer.example", "claimed:ann", "claimed:ann@x.example\nBcc: eve@x.example"):
            assert (await code_of(made, Wanted(wrong)))[0] == "customer_invalid"
