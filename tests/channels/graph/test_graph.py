"""Mails that leave by Microsoft Graph, as MIME; what became of each, and whether it was sent after all."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
import pytest

from lichen.channels.email.channel import EmailChannel, EmailSettings
from lichen.channels.email.threads import Address
from lichen.channels.graph.granting import Account
from lichen.channels.graph.mailing import MAIL_BYTES_MAX
from lichen.channels.graph.mailing import Graph as Mailing
from lichen.channels.port import Setup, Unhosted
from lichen.core.speech.saying import Saying
from lichen.core.words.errors import Denied, Unavailable
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from tests.channels.graph.server import CLIENT, REFRESH, SECRET, TENANT, Graph, Refusal

SCOPE, USER = Scope("acme", "dev"), "support@shop.example"
NOW_US = 1_760_000_000_000_000
KEPT = {"secret:ms-graph-client-secret": SECRET, "secret:ms-graph-refresh-token": REFRESH}


@pytest.fixture
def graph() -> Generator[Graph]:
    with Graph() as server:
        yield server


class Clock:
    now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us


def channel(graph: Graph, clock: Clock | None = None, *, secrets: dict[str, str] = KEPT, **said: Any) -> EmailChannel:
    table = {
        "address": USER, "graph_tenant": TENANT, "graph_client_id": CLIENT,
        "graph_api_base_url": graph.url, "graph_login_base_url": graph.url, **said,
    }  # fmt: skip
    host = Unhosted(secrets, clock=clock or Clock())
    return EmailChannel(Setup(SCOPE, msgspec.convert(table, EmailSettings), host=host))


def outbound(said: str = "It is so.", id: str = "o1") -> Outbound:
    where = Address("ann@customer.example", "a" * 24, "Order 17", "m1@customer.example", ("m0@customer.example",))
    address = msgspec.json.encode(where)
    return Outbound(MessageId(id), SessionId("ses-1"), "answer", Saying.of(said), NOW_US, address)


@pytest.mark.req("GRE-62.30")
async def test_a_mail_leaves_by_graph_as_it_would_over_smtp_for_an_application(graph: Graph) -> None:
    made = channel(graph)
    for id in ("o1", "o2"):
        assert (await made.send(SCOPE, outbound(id=id))).outcome == "delivered"
    (path, mail), _ = graph.sent
    assert path == f"/v1.0/users/{USER}/sendMail"
    assert (mail["To"], mail["From"], mail["Subject"]) == ("ann@customer.example", USER, "Re: Order 17")
    assert (mail["In-Reply-To"], mail["Auto-Submitted"]) == ("<m1@customer.example>", "auto-replied")
    assert mail["Message-ID"] == f"<{made.render(outbound())['id']}>"
    (form,) = graph.signed_in  # one token for both
    assert (form["grant_type"], form["scope"]) == ("client_credentials", f"{graph.url}/.default")


@pytest.mark.req("GRE-62.30")
async def test_with_a_refresh_token_it_leaves_for_the_person_who_signed_in(graph: Graph) -> None:
    clock = Clock()
    made = channel(graph, clock, graph_refresh_token="secret:ms-graph-refresh-token")
    assert (await made.send(SCOPE, outbound())).outcome == "delivered"
    clock.now_us += 3_600_000_000  # the token is over, and Microsoft gave a newer refresh token with it
    assert (await made.send(SCOPE, outbound(id="o2"))).outcome == "delivered"
    assert [path for path, _ in graph.sent] == ["/v1.0/me/sendMail"] * 2
    assert [form["refresh_token"] for form in graph.signed_in] == [REFRESH, f"{REFRESH} 1"]
    assert graph.signed_in[0]["scope"] == f"{graph.url}/Mail.Send offline_access"


@pytest.mark.req("GRE-62.30")
async def test_a_refresh_token_that_was_refused_is_the_kept_one_again_next_time(graph: Graph) -> None:
    clock = Clock()
    made = channel(graph, clock, graph_refresh_token="secret:ms-graph-refresh-token")
    assert (await made.send(SCOPE, outbound())).outcome == "delivered"
    clock.now_us += 3_600_000_000
    graph.rotated = 0  # somebody took the newer one back
    first = await made.send(SCOPE, outbound(id="o2"))
    assert (first.outcome, first.code) == ("retry", "credentials_refused")
    assert (await made.send(SCOPE, outbound(id="o2"))).outcome == "delivered"


@pytest.mark.req("GRE-62.31")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "ApplicationThrottled", "7"), "retry", "status_429", 7.0),
        (Refusal(401, "InvalidAuthenticationToken"), "retry", "credentials_refused", 60.0),
        (Refusal(403, "ErrorAccessDenied"), "retry", "credentials_refused", 60.0),
        (Refusal(403, "ErrorSendAsDenied"), "failed", "sender_refused", None),
        (Refusal(400, "ErrorInvalidRecipients"), "failed", "recipient_refused", None),
        (Refusal(413, ""), "failed", "mail_too_large", None),
        (Refusal(400, "{odd}"), "failed", "status_400", None),
        (Refusal(503, "serviceNotAvailable", "9"), "unknown", "status_503", 9.0),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_mail_is_known_by_the_answer(
    refusal: Refusal, outcome: str, code: str, pause_s: float | None, graph: Graph
) -> None:
    graph.refusals.append(refusal)
    made = channel(graph)
    found = await made.send(SCOPE, outbound())
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)
    assert graph.sent == []
    if outcome == "retry":
        assert (await made.send(SCOPE, outbound())).outcome == "delivered"


@pytest.mark.req("GRE-62.31")
async def test_a_mail_that_was_cut_off_and_stands_among_the_sent_ones_was_sent_and_else_nobody_knows(
    graph: Graph,
) -> None:
    made = channel(graph)
    assert made.traits.repeats == "asks"
    graph.refusals += [Refusal(0, is_kept=True), Refusal(0)]
    assert (await made.send(SCOPE, outbound())).outcome == "unknown"
    assert (await made.send(SCOPE, outbound(id="o2"))).outcome == "unknown"
    assert await made.has(SCOPE, outbound()) is True
    assert await made.has(SCOPE, outbound(id="o2")) is None, "it may stand there later"
    graph.may_read = False
    assert await made.has(SCOPE, outbound()) is None


@pytest.mark.req("GRE-62.31")
async def test_what_does_not_leave_is_tried_again_or_refused_here(graph: Graph) -> None:
    large = await Mailing(Unhosted(KEPT), Account(TENANT, CLIENT), USER).submit(b"x" * (MAIL_BYTES_MAX + 1))
    assert (large.outcome, large.code) == ("failed", "mail_too_large")
    with pytest.raises(Unavailable):
        await channel(graph, secrets={}).send(SCOPE, outbound())
    wrong = {**KEPT, "secret:ms-graph-client-secret": "another"}
    found = await channel(graph, secrets=wrong).send(SCOPE, outbound())
    assert (found.outcome, found.code) == ("retry", "credentials_refused")
    away = channel(graph, graph_login_base_url="http://127.0.0.1:1")
    assert (await away.send(SCOPE, outbound())).outcome == "retry"
    assert graph.sent == []


@pytest.mark.req("GRE-62.30")
async def test_a_check_asks_for_a_token_and_says_what_is_wrong(graph: Graph) -> None:
    assert await channel(graph).check() == f"{USER}, by Microsoft Graph"
    with pytest.raises(Denied) as refused:
        await channel(graph, secrets={**KEPT, "secret:ms-graph-client-secret": "another"}).check()
    assert refused.value.code == "credentials_refused"
    with pytest.raises(Unavailable):
        await channel(graph, graph_login_base_url="http://127.0.0.1:1").check()


@pytest.mark.req("GRE-62.30")
@pytest.mark.parametrize(
    "settings",
    [
        {"smtp_host": "smtp.shop.example"}, {"graph_tenant": ""}, {"graph_client_id": ""},
        {"graph_tenant": "a/../b"}, {"graph_client_id": "a b"},
    ],
)  # fmt: skip
def test_mails_leave_one_way(settings: dict[str, Any]) -> None:
    table = {"address": USER, "graph_tenant": TENANT, "graph_client_id": CLIENT, **settings}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, EmailSettings)
