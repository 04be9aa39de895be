"""Answers to the questions of a guide: read from a document, checked, and what a document of them may hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, cast, get_args, get_origin

import msgspec
import msgspec.structs

from lichen.channels.port import ChannelMaker, ChannelSettings, Guide, Question
from lichen.core.ports.secrets import SECRET_BYTES_MAX
from lichen.core.words.errors import Invalid

ANSWERS_BYTES_MAX: Final = 64 * 1024
ANSWER_CHARACTERS_MAX: Final = 4_096
REFERENCE: Final = r"(secret:[A-Za-z0-9][A-Za-z0-9._-]{0,127}|env:[A-Za-z_][A-Za-z0-9_]{0,127})"
PUBLIC_URL: Final = "public_base_url"
OWN: Final = frozenset({"env", "kind"})
"""Settings that options of the command say."""

UPSTREAM: Final[Mapping[str, Mapping[str, str]]] = {
    "telegram": {"bot_token": "token", "default_chat_id": ""},
    "teams": {"ms_bot_app_id": "app_id", "ms_bot_app_password": "app_password"},
    "whatsapp": {"business_account_id": ""},
}
"""What questions of Greentic's `setup.yaml` are called here, by kind; empty for what is not needed here."""

Document = Mapping[str, Any]


class Given(msgspec.Struct, frozen=True):
    """Answers that were checked: settings as they stand in the table, secrets by the setting that refers to each, and
    the address that the world reaches us by, where it was among them. `unused` were answered and are not needed."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    public_url: str = ""
    unused: tuple[str, ...] = ()


def read_document(data: bytes) -> Document:
    """A document of answers. Raises Invalid (`answers_invalid`) unless it is an object of JSON."""
    step = "`lichen channel add KIND --schema` prints what it may hold."
    if len(data) > ANSWERS_BYTES_MAX:
        raise Invalid("The answers are too long.", code="answers_invalid", next_step=step)
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The answers are not JSON.", code="answers_invalid", next_step=step) from None
    if not isinstance(found, dict):
        raise Invalid("The answers are no object.", code="answers_invalid", place="/", next_step=step)
    return cast("Document", found)


def checked(
    kind: str, maker: ChannelMaker, guide: Guide, document: Document, *, public_url: str = "", is_whole: bool = True
) -> Given:
    """The answers of a document; where it `is_whole`, none that is required may be missing. A `public_url` comes before
    that of the document.

    Raises Invalid (`answer_missing`, `answer_wrong`, `answer_unknown`) with the JSON pointer of the first mistake, and
    says how many more there are. No answer is repeated: it may be a secret.
    """
    wrong = [*_unknown(kind, maker.settings, document)]
    questions = {each.key: each for each in guide.questions}
    names = UPSTREAM.get(kind, {})
    unused = tuple(name for name in document if names.get(name) == "")
    by_key = {names.get(name, name): name for name in document if name not in unused and name != PUBLIC_URL}
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for key, question in questions.items():
        name = by_key.get(key, key)
        value = document.get(name, "")
        if value == "" or (value == [] and _is_tuple(maker.settings, key)):
            if question.required and not question.default and is_whole:
                wrong.append(_missing(question, name))
            if not question.default or not is_whole:
                continue
            value = question.default
        found = answer_of(question, maker.settings, value, place=_pointer(name))
        if isinstance(found, Invalid):
            wrong.append(found)
        elif question.secret and not is_reference(found):
            secrets[key] = found
        else:
            settings[key] = [found] if question.secret and _is_tuple(maker.settings, key) else found
    for key, name in by_key.items():
        if key not in questions and key in _fields(maker.settings):
            settings[key] = document[name]
    url: object = public_url or document.get(PUBLIC_URL, "")
    if not isinstance(url, str) or not re.match(r"https://.|$", url):
        wrong.append(_wrong("It is an https address.", _pointer(PUBLIC_URL)))
    wrong += _unfit(maker.settings, settings, by_key)
    if wrong:
        raise _first(wrong)
    return Given(settings, secrets, str(url), unused)


def answer_of(question: Question, settings: type[ChannelSettings], value: object, *, place: str = "") -> Any | Invalid:
    """An answer as its setting holds it, or what is wrong with it."""
    shape = _fields(settings)[question.key].type
    many = isinstance(value, list)
    texts = [_text(each) for each in cast("list[object]", value)] if many else [_text(value)]
    if many and not _is_tuple(settings, question.key):
        return _wrong("One answer is wanted.", place)
    for text in texts:
        if text is None or len(text) > (SECRET_BYTES_MAX if question.secret else ANSWER_CHARACTERS_MAX):
            return _wrong(f"{question.label} is no text, or too long.", place)
        if question.secret and is_reference(text):
            continue
        if question.pattern and not re.fullmatch(_python(question.pattern), text):
            return _wrong(f"{question.label} does not look like that. {_help(question)}".rstrip(), place)
    if question.secret:
        return cast("str", texts[0])
    found: object = tuple(texts) if _is_tuple(settings, question.key) else texts[0]
    try:
        return msgspec.to_builtins(msgspec.convert(found, shape, strict=False))
    except msgspec.ValidationError:
        return _wrong(f"{question.label} does not look like that. {question.help}".rstrip(), place)


def _help(question: Question) -> str:
    """What is said of a question, and how an address begins that may be one of TLS only."""
    begins = "It begins with https://." if question.pattern.startswith("^https://") else ""
    return f"{question.help} {begins}".strip()


def is_reference(text: object) -> bool:
    """Whether an answer says where a secret is, and not what it is."""
    return isinstance(text, str) and re.fullmatch(REFERENCE, text) is not None


# -- what may be answered ----------------------------------------------------------------------------------------


def schema(kind: str, maker: ChannelMaker, guide: Guide) -> dict[str, Any]:
    """A JSON Schema (2020-12) of a document of answers."""
    whole = msgspec.json.schema(maker.settings, ref_template="#/$defs/{name}")
    defs: dict[str, Any] = whole.get("$defs", {})
    fields: dict[str, Any] = defs.pop(maker.settings.__name__, {}).get("properties", {})
    names = {ours: theirs for theirs, ours in UPSTREAM.get(kind, {}).items() if ours}
    properties: dict[str, Any] = {}
    for each in guide.questions:
        properties[each.key] = {**_typed(fields.get(each.key, {}), each), **_described(each)}
        if each.key in names:
            properties[names[each.key]] = properties[each.key]
    others = {key: each for key, each in fields.items() if key not in OWN and key not in properties}
    unused: dict[str, Any] = {name: {} for name, ours in UPSTREAM.get(kind, {}).items() if not ours}
    url = {"type": "string", "title": "Public URL", "description": "Where the world reaches this server.",
           "pattern": "^https://"}  # fmt: skip
    needed = [
        {"anyOf": [{"required": [name]} for name in filter(None, (each.key, names.get(each.key)))]}
        for each in guide.questions
        if each.required and not each.default
    ]
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Answers for a channel of the kind {kind}",
        "type": "object",
        "properties": {**properties, **others, **unused, PUBLIC_URL: url},
        "additionalProperties": False,
        **({"allOf": needed} if needed else {}),
        **({"$defs": defs} if defs else {}),
    }
    return cast("dict[str, Any]", _ecma(found))


def _typed(field: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """What an answer may be for a setting. It is checked as text, so what is no text may come as one."""
    is_needed = question.required and not question.default
    longest = SECRET_BYTES_MAX if question.secret else ANSWER_CHARACTERS_MAX
    some: dict[str, Any] = {"maxLength": longest, **({"minLength": 1} if is_needed else {})}
    if question.secret:
        return {"type": "string", "writeOnly": True, **some}
    shape = field.get("type")
    if shape in ("integer", "number", "boolean"):
        return {"type": [shape, "string"], **some}
    if shape == "array":
        several = {"type": "array", "items": {"type": "string", **some}, **({"minItems": 1} if is_needed else {})}
        return {"anyOf": [{"type": "string", **some}, several]}
    bounds = {key: field[key] for key in ("pattern", "minLength", "maxLength", "enum") if key in field}
    nothing: list[dict[str, Any]] = [] if is_needed else [{"const": ""}]
    return {"type": "string", **some, **({"anyOf": [*nothing, bounds]} if bounds else {})}


def _described(question: Question) -> dict[str, Any]:
    said: dict[str, Any] = {"title": question.label}
    said |= {"description": question.help} if question.help else {}
    said |= {"default": question.default} if question.default else {}
    pattern = _python(question.pattern)
    if pattern and question.secret:
        pattern = f"^(?:{REFERENCE}|{_bare(pattern)})$"
    elif pattern and (not question.required or question.default):
        pattern = f"^(?:{_bare(pattern)})?$"
    return {**said, "pattern": pattern} if pattern else said


def _bare(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix("$")


def _ecma(value: Any) -> Any:
    """Patterns as JSON Schema has them: it knows no `\\Z`."""
    if isinstance(value, dict):
        said = cast("dict[str, Any]", value)
        return {
            key: each.replace("\\Z", "$") if key == "pattern" and isinstance(each, str) else _ecma(each)
            for key, each in said.items()
        }
    return [_ecma(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


# -- what is wrong -----------------------------------------------------------------------------------------------


def _unknown(kind: str, settings: type[ChannelSettings], document: Document) -> Iterator[Invalid]:
    known = {*_fields(settings), *UPSTREAM.get(kind, {}), PUBLIC_URL} - OWN
    for name in document:
        if name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            step = f"{meant}`lichen channel add {kind} --schema` prints what there is."
            raised = Invalid("Nothing asks for this.", code="answer_unknown", place=_pointer(name), next_step=step)
            yield raised


def _unfit(settings: type[ChannelSettings], found: Mapping[str, Any], by_key: Mapping[str, str]) -> Iterator[Invalid]:
    """Settings that no question asks for and that are not of their type."""
    for key, value in found.items():
        try:
            msgspec.convert(value, _fields(settings)[key].type)
        except msgspec.ValidationError:
            yield _wrong(f"{key} cannot be that.", _pointer(by_key.get(key, key)))


def _first(wrong: Sequence[Invalid]) -> Invalid:
    first = wrong[0]
    if len(wrong) > 1:
        places = ", ".join(each.place or "/" for each in wrong[1:])
        first.next_step = f"{first.next_step} Also wrong: {places}."
    return first


def _missing(question: Question, name: str) -> Invalid:
    step = f"Answer it. {question.help}".rstrip()
    return Invalid(f"{question.label} is not answered.", code="answer_missing", place=_pointer(name), next_step=step)


def _wrong(message: str, place: str) -> Invalid:
    return Invalid(message, code="answer_wrong", place=place, next_step="Correct the answer; nothing was changed.")


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _python(pattern: str) -> str:
    return pattern.replace("\\Z", "$")


def _fields(settings: type[ChannelSettings]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {each.name: each for each in msgspec.structs.fields(settings)}


def _is_tuple(settings: type[ChannelSettings], key: str) -> bool:
    shape: Any = _fields(settings)[key].type
    return get_origin(get_args(shape)[0] if get_origin(shape) is Annotated else shape) is tuple
