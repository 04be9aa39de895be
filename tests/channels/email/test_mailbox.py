"""Mails out of a mailbox, over a real IMAP server: each is handed in once, and seen only once it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lichen.channels.email import source
from lichen.channels.email.imap import Mailbox
from lichen.channels.port import Inbound
from lichen.core.words.errors import Invalid, LichenError, TooMany, Unavailable
from tests.channels.email.mails import mail, with_mailbox
from tests.channels.email.server import Post

DEADLINE_S = 10.0


class Taker:
    """Takes messages; `refusals` are raised first, in order."""

    def __init__(self, *refusals: LichenError) -> None:
        self.taken: list[Inbound] = []
        self.asked = 0
        self._refusals = list(refusals)
        self.held: asyncio.Event | None = None

    async def take(self, message: Inbound) -> None:
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        if self._refusals:
            raise self._refusals.pop(0)
        self.taken.append(message)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - it is the server's, in another thread
            await asyncio.sleep(0.01)


def numbered(n: int) -> bytes:
    return mail(f"Hello {n}", Message_ID=f"<m{n}@customer.example>")


@pytest.mark.req("GRE-62.24")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mails_are_handed_in_in_order_and_seen_once_they_are_durable(security: str) -> None:
    with Post(implicit=security == "tls") as post:
        post.arrive(numbered(1))
        made, taker = with_mailbox(post, security=security), Taker()
        taker.held = asyncio.Event()
        await made.start(taker)
        await until(lambda: taker.asked == 1)
        assert post.flags() == [set()], "it is not durable yet"
        taker.held.set()
        post.arrive(numbered(2))
        await until(lambda: post.flags() == [{"seen"}, {"seen"}])
        await made.stop()
        assert [each.text for each in taker.taken] == ["Hello 1", "Hello 2"]


@pytest.mark.req("GRE-62.24")
async def test_a_process_that_ends_before_a_mail_is_durable_brings_it_again() -> None:
    with Post() as post:
        post.arrive(numbered(1))
        for refusal in (Unavailable("not now"), Unavailable("not now")):
            made, taker = with_mailbox(post), Taker(refusal)
            await made.start(taker)
            await until(lambda taker=taker: taker.asked == 1)
            made.drain()
            await made.stop()
            assert post.flags() == [set()]
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen"}])
        await made.stop()
        assert len(taker.taken) == 1


@pytest.mark.req("GRE-62.24")
async def test_what_cannot_be_taken_now_is_taken_later_by_the_same_process() -> None:
    with Post() as post:
        post.arrive(numbered(1))
        made, taker = with_mailbox(post), Taker(Unavailable("not now"), Unavailable("not now"))
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen"}])
        await made.stop()
        assert taker.asked == 3


@pytest.mark.req("GRE-62.25")
async def test_whoever_writes_too_much_holds_nobody_else_up() -> None:
    with Post() as post:
        post.arrive(numbered(1))
        post.arrive(numbered(2))
        made, taker = with_mailbox(post), Taker(TooMany("slowly"))
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen"}, {"seen"}])
        await made.stop()
        assert [each.text for each in taker.taken] == ["Hello 2", "Hello 1"]


@pytest.mark.req("GRE-62.25")
@pytest.mark.parametrize("raw", [mail(sender="two@a.example, one@b.example"), b"no mail at all"])
async def test_a_mail_that_can_never_be_taken_is_flagged_for_people_and_holds_nothing_up(raw: bytes) -> None:
    with Post() as post:
        post.arrive(raw)
        post.arrive(numbered(2))
        post.arrive(numbered(3))
        made, taker = with_mailbox(post), Taker(Invalid("never"))
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen", "flagged"}, {"seen", "flagged"}, {"seen"}])
        await made.stop()
        assert [each.text for each in taker.taken] == ["Hello 3"]


@pytest.mark.req("GRE-62.25")
async def test_a_mail_that_no_person_wrote_is_seen_and_not_handed_in() -> None:
    with Post() as post:
        post.arrive(mail(Auto_Submitted="auto-replied"))
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen"}])
        await made.stop()
        assert taker.asked == 0


@pytest.mark.req("GRE-62.26")
async def test_a_server_that_goes_away_is_asked_again_and_a_mailbox_that_was_moved_brings_nothing_twice() -> None:
    with Post() as post:
        post.arrive(numbered(1))
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        await until(lambda: post.flags() == [{"seen"}])
        port = post.imap_port
        post.within(post.end_mailbox)
        post.within(lambda: post.begin_mailbox(port))  # with other UIDs, and another UIDVALIDITY
        post.arrive(numbered(1))
        post.arrive(numbered(2))
        await until(lambda: post.flags() == [{"seen"}, {"seen"}])
        await made.stop()
        first, again, other = (each.id for each in taker.taken)
        assert first == again != other


@pytest.mark.req("GRE-62.26")
async def test_a_server_that_is_not_there_yet_keeps_nothing_from_starting() -> None:
    with Post() as post:
        port = post.imap_port
        post.within(post.end_mailbox)
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        post.within(lambda: post.begin_mailbox(port))
        post.arrive(numbered(1))
        await until(lambda: len(taker.taken) == 1)
        await made.stop()


# -- IDLE --------------------------------------------------------------------------------------------------------


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every time that a server was asked to say what comes: whether it was still to do so."""
    asked: list[bool] = []
    listen = Mailbox.listen

    def noted(mailbox: Mailbox) -> int | None:
        descriptor = listen(mailbox)
        asked.append(descriptor is not None)
        return descriptor

    monkeypatch.setattr(Mailbox, "listen", noted)
    return asked


@pytest.mark.req("GRE-62.28")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_that_can_says_when_a_mail_comes(security: str, listened: list[bool]) -> None:
    with Post(implicit=security == "tls") as post:
        made, taker = with_mailbox(post, security=security, poll_s=3_600), Taker()
        await made.start(taker)
        for n in range(1, 4):
            await until(lambda n=n: listened.count(True) == n)
            post.arrive(numbered(n))
            await until(lambda n=n: len(taker.taken) == n)
        await until(lambda: listened.count(True) == 4)
        await made.stop()  # at once, although nothing comes
        assert [each.text for each in taker.taken] == ["Hello 1", "Hello 2", "Hello 3"]
        assert post.flags() == [{"seen"}] * 3


@pytest.mark.req("GRE-62.28")
async def test_what_comes_while_others_are_taken_is_not_waited_for(listened: list[bool]) -> None:
    with Post() as post:
        post.arrive(numbered(1))
        made, taker = with_mailbox(post, poll_s=3_600), Taker()
        taker.held = asyncio.Event()
        await made.start(taker)
        await until(lambda: taker.asked == 1)
        post.arrive(numbered(2))  # the server says so with its next answer, and then no more
        taker.held.set()
        await until(lambda: len(taker.taken) == 2)
        await made.stop()


@pytest.mark.req("GRE-62.28")
async def test_the_server_is_asked_again_before_it_lets_go_of_us(
    listened: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source.LISTEN_S_MAX < 29 * 60, "RFC 2177: at least every 29 minutes"
    monkeypatch.setattr(source, "LISTEN_S_MAX", 0.02)
    with Post() as post:
        made, taker = with_mailbox(post, poll_s=3_600), Taker()
        await made.start(taker)
        await until(lambda: listened.count(True) >= 4)
        post.arrive(numbered(1))
        await until(lambda: len(taker.taken) == 1)
        await made.stop()
        assert post.logins == 0, "over SMTP nobody signed in"
        assert post.mailbox_logins == 1, "the mailbox stayed open"


@pytest.mark.req("GRE-62.28")
async def test_into_a_mailbox_whose_server_cannot_say_it_is_looked_now_and_then(listened: list[bool]) -> None:
    with Post(can_idle=False) as post:
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        post.arrive(numbered(1))
        await until(lambda: len(taker.taken) == 1)
        post.arrive(numbered(2))
        await until(lambda: len(taker.taken) == 2)
        await made.stop()
        assert listened == []


@pytest.mark.req("GRE-62.28")
async def test_a_server_that_goes_away_while_it_is_listened_to_is_asked_again(listened: list[bool]) -> None:
    with Post() as post:
        made, taker = with_mailbox(post, poll_s=0.05), Taker()
        await made.start(taker)
        await until(lambda: listened.count(True) == 1)
        port = post.imap_port
        post.within(post.end_mailbox)
        post.within(lambda: post.begin_mailbox(port))
        post.arrive(numbered(1))
        await until(lambda: len(taker.taken) == 1)
        await made.stop()


@pytest.mark.req("GRE-62.24")
async def test_nothing_is_taken_while_a_channel_drains() -> None:
    with Post() as post:
        made, taker = with_mailbox(post), Taker()
        await made.start(taker)
        made.drain()
        post.arrive(numbered(1))
        await made.stop()
        assert (taker.asked, post.flags()) == (0, [set()])
        without = with_mailbox(post, imap_host="")
        await without.start(taker)
        await without.stop()
