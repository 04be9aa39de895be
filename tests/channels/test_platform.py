"""What channels of all platforms share: a file is gone or to be asked for again, and parts of a message go once."""

from __future__ import annotations

import pytest

from lichen.channels.platform.calling import Answer
from lichen.channels.platform.files import file_in
from lichen.channels.platform.parts import Parts
from lichen.channels.port import FileRef
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Invalid, NotFound, Unavailable
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Delivery, Outbound
from tests.channels.telegram.server import BotApi
from tests.channels.telegram.server import Refusal as OfTelegram
from tests.channels.telegram.test_telegram import channel as telegram
from tests.channels.whatsapp.server import Meta
from tests.channels.whatsapp.server import Refusal as OfMeta
from tests.channels.whatsapp.test_whatsapp import channel as whatsapp

SCOPE = Scope("acme", "dev")
MESSAGE = Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying("See."), 0)


@pytest.mark.req("LIC-16.52")
@pytest.mark.parametrize("status", [401, 408, 423, 425, 429, 500, 502, 503])
def test_a_file_of_a_platform_that_is_busy_or_away_is_not_gone(status: int) -> None:
    with pytest.raises(Unavailable):
        file_in(Answer(status, b"later"), "Acme")


@pytest.mark.req("LIC-16.52")
@pytest.mark.parametrize("status", [302, 400, 403, 404, 410])
def test_a_file_that_a_platform_refuses_is_gone_and_an_empty_one_is_no_file(status: int) -> None:
    with pytest.raises(NotFound):
        file_in(Answer(status, b""), "Acme")
    with pytest.raises(Invalid):
        file_in(Answer(200, b""), "Acme")
    assert file_in(Answer(200, b"here"), "Acme") == b"here"


@pytest.mark.req("LIC-16.52")
async def test_a_customers_file_waits_while_its_platform_has_trouble() -> None:
    with BotApi() as api:
        for status in (429, 502, 0):
            api.refusals.append(OfTelegram(status))
            with pytest.raises(Unavailable):
                await telegram(api.url).fetch(SCOPE, FileRef("p1"))
    with Meta() as meta:
        for status in (429, 500):
            meta.refusals.append(OfMeta(status))
            with pytest.raises(Unavailable):
                await whatsapp(meta.url).fetch(SCOPE, FileRef("media-1"))


@pytest.mark.req("LIC-16.53")
async def test_a_part_that_is_there_does_not_go_again_when_the_next_could_not_leave() -> None:
    parts, there, is_away = Parts(), list[str](), True

    async def post(part: str) -> Delivery:
        if part == "picture" and is_away:
            raise Unavailable("A secret cannot be had now.")
        there.append(part)
        return Delivery("delivered")

    with pytest.raises(Unavailable):
        await parts.send(MESSAGE, ("text", "picture"), post)
    is_away = False
    assert (await parts.send(MESSAGE, ("text", "picture"), post)).outcome == "delivered"
    assert there == ["text", "picture"]
