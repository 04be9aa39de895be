"""What a sender wrote, out of mails as people's programs make them, and nothing that only looks like it."""

from __future__ import annotations

import base64
import time
from email import message_from_bytes
from typing import Any

import pytest

from lichen.channels.email.html import words_of
from lichen.channels.email.quoting import own_words
from lichen.channels.email.reading import BOUNDARIES_MAX, LINES_MAX, MAIL_BYTES_MAX, read
from lichen.core.speech.attached import FILES_BYTES_MAX, FILES_MAX
from lichen.core.words.errors import Invalid
from tests.channels.email.mails import SCOPE, channel, mail, parsed, posted

# -- replies -----------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.15")
@pytest.mark.parametrize(
    "history",
    [
        "On Thu, 9 Oct 2025 at 08:53, Support <support@shop.example> wrote:\n> It is so.\n>\n> Bye",
        "On Thursday, October 9, 2025 at 8:53 AM Support of the shop\n<support@shop.example> wrote:\n\n> It is so.",
        "Am 09.10.2025 um 08:53 schrieb Support:\n> It is so.",
        "Le jeu. 9 oct. 2025 à 08:53, Support <support@shop.example> a écrit :\n> It is so.",
        "El jue, 9 oct 2025 a las 8:53, Support (<support@shop.example>) escribió:\n> It is so.",
        "-----Original Message-----\nFrom: Support\nIt is so.",
        "________________________________\nFrom: Support <support@shop.example>\nSent: Thursday\nTo: Ann\n\nIt is so.",
        "Von: Support <support@shop.example>\nGesendet: Donnerstag, 9. Oktober 2025 08:53\nAn: Ann\n\nIt is so.",
        "> It is so.\n> Bye",
        "-- \nAnn\nCustomer Inc.",
        "Sent from my iPhone",
        "Sent from my iPhone\n\nOn 9 Oct 2025, at 08:53, Support wrote:\n\n> It is so.",
    ],
)  # fmt: skip
def test_of_a_reply_what_was_written_is_left(history: str) -> None:
    assert parsed(mail(f"Thanks!\n\nAnn\n\n{history}\n")).text == "Thanks!\n\nAnn"


@pytest.mark.req("GRE-62.15")
@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nwhere is my order?",
        "> When?\nTomorrow.\n> Where?\nHere.",
        "From: here to there it takes long.",
        "a\n--\nb"[:1] + "\n- one\n- two",
        "> all of it is quoted",
        "---------- Forwarded message ---------\nFrom: Bob <bob@x.example>\nSubject: Order\n\nWhat is this?",
    ],
)
def test_what_only_looks_like_history_stays(text: str) -> None:
    assert own_words(text) == text


# https://www.rfc-editor.org/rfc/rfc3676#section-4.2
@pytest.mark.req("GRE-62.15")
def test_lines_that_a_program_broke_are_one_again() -> None:
    kind = "text/plain; charset=us-ascii; format=flowed"
    text = "`Take some more tea,' the March Hare said to Alice, \nvery earnestly.\n\n From here on.\n"
    message = parsed(mail(text, Content_Type=kind))
    assert message.text == "`Take some more tea,' the March Hare said to Alice, very earnestly.\n\nFrom here on."


# -- HTML --------------------------------------------------------------------------------------------------------

GMAIL = """<div dir="ltr">Thanks, <b>that</b> helps &amp; more.<div><br></div><div>See
<a href="https://shop.example/a?b=1&amp;c=2">the page</a></div></div><br><div class="gmail_quote gmail_quote_container">
<div dir="ltr" class="gmail_attr">On Thu, Support &lt;<a href="mailto:s@shop.example">s@shop.example</a>&gt; wrote:<br>
</div><blockquote class="gmail_quote" style="margin:0"><div>It is <div>so</div>.</div></blockquote></div>"""


@pytest.mark.req("GRE-62.16")
@pytest.mark.parametrize(
    ("html", "text"),
    [
        (GMAIL, "Thanks, that helps & more.\n\nSee the page (https://shop.example/a?b=1&c=2)"),
        ("<p>one</p><p>two<br>three</p><ul><li>a</li><li>b</li></ul>", "one\n\ntwo\nthree\n\n- a\n- b"),
        ("<table><tr><td>Order</td><td>17</td></tr></table>", "Order 17"),
        ("<style>p{}</style><script>alert('x')</script><title>t</title><p>seen</p><!-- <p>unseen</p> -->", "seen"),
        ("<p>seen<span style='display: none'>un<span>se</span>en</span></p>", "seen"),
        ('<div style="font-size:0px">unseen</div><div hidden>unseen</div>seen', "seen"),
        ('<div STYLE="opacity:0;color:red">unseen</div><div style="opacity:0.9">seen</div>', "seen"),
        ('<a href="javascript:alert(1)">press</a> <a href="https://a.example">https://a.example</a>',
         "press https://a.example"),
        ("a &lt;b&gt; &#128075; &nbsp;c", "a <b> \U0001f44b c"),
        ("<p>Hi</p><blockquote type='cite'><p>old</p></blockquote><p>more</p>", "Hi\n\nmore"),
        ("<b>unclosed <i>words", "unclosed words"),
        ('<img src="https://track.example/p.gif" alt="">x<img alt="A picture">', "xA picture"),
    ],
)  # fmt: skip
def test_of_html_the_words_that_are_seen_are_read(html: str, text: str) -> None:
    assert words_of(html) == text
    assert parsed(mail(html, Content_Type="text/html; charset=utf-8")).text == text


@pytest.mark.req("GRE-62.16")
def test_a_mail_that_is_all_quoted_is_read_whole() -> None:
    html = '<div class="gmail_quote">---- Forwarded message ----<br>What is this?</div>'
    assert parsed(mail(html, Content_Type="text/html")).text == "---- Forwarded message ----\nWhat is this?"


@pytest.mark.req("GRE-62.16")
@pytest.mark.parametrize(
    "piece",
    ["<", "<!", "<!--", "<a ", "<a href='", '<a href="x', "</", "<div>", "<p hidden>", "&", "&#", "<a x=", "< a"],
)
def test_hostile_html_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    began = time.process_time()
    words_of(piece * (512 * 1024 // len(piece)))
    assert time.process_time() - began < 5, "a second or less, on a machine that does something else too"


# -- parts and files ---------------------------------------------------------------------------------------------


def with_parts(*parts: str, kind: str = "mixed", **headers: str) -> bytes:
    body = "".join(f"--b\r\n{each}\r\n" for each in parts) + "--b--\r\n"
    kind = f'multipart/{kind}; boundary="b"'
    return mail(body, Content_Type=kind, Content_Transfer_Encoding="", **headers)


def part(kind: str, data: bytes | str, *more: str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    head = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", *more]
    return "\r\n".join(head) + "\r\n\r\n" + base64.encodebytes(raw).decode().replace("\n", "\r\n")


def attached(name: str, data: bytes, kind: str = "application/pdf") -> str:
    return part(kind, data, f'Content-Disposition: attachment; filename="{name}"')


def files(message: Any) -> list[tuple[str, str, bytes]]:
    said: dict[str, Any] = message.envelope
    found: list[dict[str, str]] = said.get("attachments", [])
    return [
        (each["name"], each["contentType"], base64.b64decode(each["contentUrl"].partition(",")[2])) for each in found
    ]


PDF, PNG = b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n" + b"x" * 20


@pytest.mark.req("GRE-62.17")
def test_the_plain_text_is_read_rather_than_the_html_beside_it_and_files_come_along() -> None:
    message = parsed(
        with_parts(
            part("text/plain; charset=iso-8859-1", "Grüße".encode("latin-1")), part("text/html", "<p>other</p>"),
            attached("../../b ill.pdf", PDF), part("image/png", PNG, "Content-ID: <i>", "Content-Disposition: inline"),
            attached("=?utf-8?q?=C3=A4=2Epdf?=", PDF), part("application/pgp-signature", b"-----"),
        )
    )  # fmt: skip
    assert message.text == "Grüße"
    assert files(message) == [
        ("b ill.pdf", "application/pdf", PDF), ("", "image/png", PNG), ("ä.pdf", "application/pdf", PDF)
    ]  # fmt: skip


@pytest.mark.req("GRE-62.17")
def test_a_file_is_what_its_bytes_are_whatever_is_said_of_it() -> None:
    message = parsed(with_parts(part("text/plain", "See."), attached("a.pdf", PNG)))
    assert files(message) == [("a.pdf", "image/png", PNG)]


@pytest.mark.req("GRE-62.17")
def test_a_mail_within_a_mail_is_a_file_and_says_nothing() -> None:
    inner = "Content-Type: message/rfc822\r\n\r\nFrom: eve@x.example\r\nSubject: Inner\r\n\r\nDo as I say.\r\n"
    message = parsed(with_parts(part("text/plain", "See below."), inner))
    assert message.text == "See below."
    ((name, _, data),) = files(message)
    assert name == "message.eml"
    assert message_from_bytes(data)["Subject"] == "Inner"


@pytest.mark.req("GRE-62.17")
def test_files_beyond_the_bounds_are_left_out_by_name() -> None:
    many = parsed(with_parts(part("text/plain", "See."), *(attached(f"{n}.pdf", PDF) for n in range(FILES_MAX + 1))))
    assert len(files(many)) == FILES_MAX
    assert many.text == f"See.\n\n[file {FILES_MAX}.pdf, left out: too large, or too many]"
    large = parsed(with_parts(attached("a.bin", b"x" * (FILES_BYTES_MAX + 1)), attached("b.pdf", PDF)))
    assert files(large) == [("b.pdf", "application/pdf", PDF)]


# -- words -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.15")
def test_the_subject_is_said_with_the_first_mail_of_a_thread_alone() -> None:
    assert parsed(mail("Where is it?", Subject="Order\r\n 17")).text == "Order 17\n\nWhere is it?"
    assert parsed(mail("Where?", Subject="Re: Order 17", References="<a@b.example>")).text == "Where?"
    assert parsed(mail("", Subject="Order 17")).text == "Order 17"
    encoded = parsed(mail("Hello!", Subject="=?utf-8?b?R3LDvMOfZQ==?= =?x?q?b=FF?="))
    assert encoded.text.startswith("Grüße")


@pytest.mark.parametrize("charset", ["x-unknown", "unicode_escape", "idna", "utf-16", "hex", "", "a" * 500])
def test_a_charset_that_nobody_knows_loses_no_mail(charset: str) -> None:
    assert isinstance(read(mail("abc", Content_Type=f"text/plain; charset={charset}")).text, str)


# -- what is no mail ---------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.18")
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"Hello", b"\r\n\r\nHello", b"{}", b"\xff: a\r\n\r\n", mail()[:60], b"A: b\r\n" * 40_000 + b"\r\n",
        mail(b"\n" * (LINES_MAX + 1), Content_Transfer_Encoding=""),
        mail("boundary" * (BOUNDARIES_MAX + 1), Content_Transfer_Encoding=""),
        with_parts(*["Content-Type: text/plain\r\n\r\nx"] * 101),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_mail_or_more_than_is_read_is_refused_at_its_place(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, posted(raw), None)
    assert (refused.value.code, refused.value.place) == ("mail_invalid", "$")


@pytest.mark.req("GRE-62.18")
def test_a_mail_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(Invalid) as refused:
        read(mail(b"x" * MAIL_BYTES_MAX))
    assert refused.value.code == "mail_too_large"


@pytest.mark.req("GRE-62.18")
@pytest.mark.parametrize("cut", range(1, 900, 23))
def test_a_mail_that_was_cut_off_anywhere_is_read_or_refused(cut: int) -> None:
    raw = with_parts(part("text/plain", "Hello?"), part("text/html", "<p>Hello?</p>"), attached("a.pdf", PDF))
    try:
        said = read(raw[:cut]).text
    except Invalid:
        assert b"\r\n\r\n" not in raw[:cut]
    else:
        assert len(said) <= cut
