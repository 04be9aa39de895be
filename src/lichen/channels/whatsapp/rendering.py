"""A message as WhatsApp takes it: texts, pictures, up to three buttons or ten rows, one link, files, a template.

Source: Meta, WhatsApp Cloud API, "Messages".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from lichen.channels.cards.capabilities import capabilities_of
from lichen.channels.cards.showing import Choice, Shown, shown
from lichen.channels.cards.writing import Para, Span
from lichen.channels.whatsapp.choices import id_of
from lichen.core.speech.saying import Attachment
from lichen.engine.ports import Outbound

CAPABILITIES: Final = capabilities_of("whatsapp")
BODY_MAX, HEADER_MAX = 1_024, 60
BUTTONS_MAX, BUTTON_MAX, BUTTON_ID_MAX = 3, 20, 256
ROW_MAX, DESCRIPTION_MAX, ROW_ID_MAX = 24, 72, 200
OPEN: Final = {"de": "Auswählen", "es": "Elegir", "fr": "Choisir", "ja": "選択", "zh": "选择"}
PARAMETER_MAX: Final = 1_024

Json = dict[str, Any]


def rendered(message: Outbound) -> list[Json]:
    """What is posted, in this order."""
    said = shown(message.saying, CAPABILITIES, suggestions=message.suggestions, schema=message.schema)
    pictures = [_media("image", each.url) for each in said.pictures]
    return [*pictures, *_words(said, message), *map(_file, message.saying.attachments)]


def template(message: Outbound, name: str, language: str) -> list[Json]:
    """The message as the parameter of a template, which may be sent at any time."""
    text = " ".join(message.saying.text.split())[:PARAMETER_MAX]
    body = {"type": "body", "parameters": [{"type": "text", "text": text}]}
    shape = {"name": name, "language": {"code": language}, "components": [body]}
    return [{"type": "template", "template": shape}]


def _words(said: Shown, message: Outbound) -> Iterator[Json]:
    """The text, in pieces where it is long, the last of them with what may be pressed."""
    is_link = not said.choices and len(said.links) == 1
    paras = said.paras if is_link or not said.links else (*said.paras, *_links(said))
    header, rest = _header(paras) if said.choices or is_link else ("", paras)
    longest = BODY_MAX if said.choices or is_link else CAPABILITIES.text_max
    pieces = list(Shown(rest).pieces(CAPABILITIES, longest=longest)) or ["…"]
    if header and len(pieces) > 1:
        header, pieces = "", list(Shown(paras).pieces(CAPABILITIES, longest=longest))
    yield from map(_text, pieces[:-1])
    if is_link:
        link = said.links[0]
        parameters = {"display_text": _short(link.title, BUTTON_MAX), "url": link.url}
        yield _interactive("cta_url", header, pieces[-1], {"name": "cta_url", "parameters": parameters})
    elif said.choices:
        kind, action = _action(said.choices, message)
        yield _interactive(kind, header, pieces[-1], action)
    else:
        yield _text(pieces[-1])


def _header(paras: tuple[Para, ...]) -> tuple[str, tuple[Para, ...]]:
    """The heading that begins the text, if it fits, and the rest."""
    first = paras[0] if paras else None
    if first is None or first.kind != "heading" or len(paras) < 2:
        return "", paras
    words = "".join(span.text for span in first.spans)
    return (words, paras[1:]) if 0 < len(words) <= HEADER_MAX and "\n" not in words else ("", paras)


def _links(said: Shown) -> Iterator[Para]:
    for each in said.links:
        yield Para((Span(each.title, href=each.url),), is_tight=True)


def _action(choices: Sequence[Choice], message: Outbound) -> tuple[str, Json]:
    """Buttons where they are few and short, else a list."""
    if len(choices) <= BUTTONS_MAX and all(len(each.title) <= BUTTON_MAX for each in choices):
        replies = [
            {"id": id_of(each, n, message, longest=BUTTON_ID_MAX), "title": each.title}
            for n, each in enumerate(choices, 1)
        ]
        return "button", {"buttons": [{"type": "reply", "reply": each} for each in _distinct(replies)]}
    rows = [_row(n, each, message) for n, each in enumerate(choices, 1)]
    button = OPEN.get(message.language.partition("-")[0], "Choose")
    return "list", {"button": button, "sections": [{"rows": _distinct(rows)}]}


def _row(n: int, choice: Choice, message: Outbound) -> Json:
    row = {"id": id_of(choice, n, message, longest=ROW_ID_MAX), "title": _short(choice.title, ROW_MAX)}
    is_short = len(choice.title) <= ROW_MAX
    return row if is_short else {**row, "description": _short(choice.title, DESCRIPTION_MAX)}


def _distinct(replies: list[Json]) -> list[Json]:
    """Titles and ids that tell each other apart, as WhatsApp asks: a second one of the same words is left out."""
    return list({each["title"]: each for each in reversed(replies)}.values())[::-1]


def _interactive(kind: str, header: str, body: str, action: Json) -> Json:
    head = {"header": {"type": "text", "text": header}} if header else {}
    return {"type": "interactive", "interactive": {"type": kind, **head, "body": {"text": body}, "action": action}}


def _text(body: str) -> Json:
    return {"type": "text", "text": {"preview_url": False, "body": body}}


def _file(file: Attachment) -> Json:
    kind = file.content_type.partition("/")[0]
    if kind in ("image", "video", "audio"):
        return _media(kind, file.url)
    named = {"filename": file.name} if file.name else {}
    return {"type": "document", "document": {"link": file.url, **named}}


def _media(kind: str, url: str) -> Json:
    return {"type": kind, kind: {"link": url}}


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
