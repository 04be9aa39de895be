"""A form that is filled in field by field, where a platform shows none: which field is asked for now, and what was said
so far.

Nothing of it is kept: what the customer wrote while the question was open says it all, read anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any, NamedTuple, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState, Question
from lichen.core.reading.numbers import only_number
from lichen.core.speech.form import Field, Form, form_of
from lichen.core.speech.texts import Texts
from lichen.core.speech.translations import TRANSLATED
from lichen.core.speech.which import which
from lichen.core.words.errors import ContentErased
from lichen.core.words.ids import session_stream
from lichen.engine.answers.expected import Expected, form_in, offered_as, readings, suggestions, unclear
from lichen.engine.answers.forms import fields_of
from lichen.engine.answers.listed import LISTED_MAX, by_words, choices_in, chosen, letters
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Services, traits_of
from lichen.tools.arguments.schema import problem


class Said(NamedTuple):
    """One reply: its words, and JSON that came with them."""

    text: str
    data: Any = None


class Progress(NamedTuple):
    """How far a form is: what is filled in, and which field is asked for next; None where nothing is left to ask.
    `repair` is what was wrong with the last reply."""

    values: Mapping[str, Any]
    at: int | None
    repair: str = ""
    is_cancelled: bool = False


class Steps(NamedTuple):
    """A form in steps: its fields, their schemas, and the language in which it is asked."""

    form: Form
    schema: Mapping[str, Any]
    texts: Texts
    language: str
    choices_max: int  # more than that many are a list with numbers

    def progress(self, replies: Iterable[Said]) -> Progress:
        """How far the form is after these replies."""
        values: dict[str, Any] = {}
        at, repair = 0, ""
        for reply in replies:
            if _is(reply.text, "cancel", self.texts):
                return Progress(values, at, "", is_cancelled=True)
            at, repair = self._after(reply, values, at)
            if at == len(self.form.fields) and (at := self._wrong(values)) is not None:
                repair = self._repair(at, reply.text)
            if at is None:
                return Progress(values, None)
        return Progress(values, at, repair)

    def _after(self, reply: Said, values: dict[str, Any], at: int) -> tuple[int, str]:
        """Where the form is after one reply to a field, and what was wrong with it."""
        field = self.form.fields[at]
        is_choice = by_words(reply.text, self.titles(at)) is not None
        if not is_choice and _is(reply.text, "back", self.texts):
            at = max(at - 1, 0)
            values.pop(self.form.fields[at].id, None)
            return at, ""
        if not is_choice and not field.required and _is(reply.text, "skip", self.texts):
            values.pop(field.id, None)
            return at + 1, ""
        for value in self._readings(at, reply):
            if problem(self.field(at), value) is None and _is_real(field, value):
                values[field.id] = value
                return at + 1, ""
        return at, self._repair(at, reply.text)

    def _readings(self, at: int, reply: Said) -> Iterable[Any]:
        """Everything that a reply may mean for a field."""
        field, data = self.form.fields[at], reply.data
        if isinstance(data, dict) and field.id in data:
            yield cast("dict[str, Any]", data)[field.id]
        if field.kind == "toggle" and (found := self._yes_or_no(at, reply.text)) is not None:
            yield found == 0
        if field.kind in ("date", "time") and (moment := _moment(field, reply.text)):
            yield moment
        words, listed = reply.text.strip(), self.is_listed(at)
        yield from readings(self.field(at), words, data, language=self.language, numbered=listed)

    def _yes_or_no(self, at: int, text: str) -> int | None:
        return chosen(text, self.titles(at), {}) if self.is_listed(at) else by_words(text, self.titles(at))

    def _wrong(self, values: Mapping[str, Any]) -> int | None:
        """The field to ask for again where the whole does not fit; None where it does."""
        found = problem(self.schema, values)
        if found is None:
            return None
        names = [each.id for each in self.form.fields]
        name = found.place.removeprefix("/").partition("/")[0]
        return names.index(name) if name in names else 0

    # -- what is asked -------------------------------------------------------------------------------------------

    def field(self, at: int) -> Mapping[str, Any]:
        """The schema of a field."""
        return fields_of(self.schema)[self.form.fields[at].id]

    def titles(self, at: int) -> tuple[str, ...]:
        """What may be chosen for a field."""
        if self.form.fields[at].kind == "toggle":
            return (self.texts.yes, self.texts.no)
        return choices_in(self.field(at))[:LISTED_MAX]

    def is_listed(self, at: int) -> bool:
        """Whether the choices of a field are a list and no buttons."""
        return len(self.titles(at)) > self.choices_max

    def prompt(self, at: int) -> str:
        """The question for a field: `2 of 3 · Size?`, with what is said of it, and how it is left out."""
        field = self.form.fields[at]
        label = field.label if field.label.endswith(("?", "？", ":", "：")) else f"{field.label}?"
        head = _filled(self.texts.step, n=str(at + 1), total=str(len(self.form.fields)), label=label)
        rest = (field.hint, "" if field.required else self.texts.optional, self.texts.steps if at == 0 else "")
        return "\n".join(filter(None, (head, *rest)))

    def lines(self, values: Mapping[str, Any]) -> str:
        """The form as it was filled in, a line for each field."""
        return "\n".join(f"{each.label}: {_shown(values[each.id])}" for each in self.form.fields if each.id in values)

    def _repair(self, at: int, text: str) -> str:
        """What is said to a reply that does not fit a field."""
        texts, field = self.texts, self.form.fields[at]
        if options := unclear(Expected("clarification", self.field(at)), text, self.language):
            return which(options, self.language)
        match field.kind:
            case "choice":
                return texts.write_one
            case "choices":
                return texts.write_some
            case "number" | "integer":
                is_number = only_number(text, self.language) is not None
                return texts.unclear if is_number else texts.write_number
            case "date":
                return texts.write_date
            case "time":
                return texts.write_time
            case "toggle":
                return texts.write_yes_no
            case "text":
                return texts.unclear


def steps_of(services: Services, journal: Journal, mailbox: MailboxState, expected: Expected) -> Steps | None:
    """The steps in which a session's channel asks for what is expected; None where it is asked for at once."""
    schema = expected.schema
    if expected.kind != "clarification" or len(fields_of(schema)) < 2:
        return None
    traits = traits_of(services.channels.get(mailbox.channel), journal.scope)
    if traits.forms != "steps" or (form := form_of(schema, mailbox.language)) is None:
        return None
    texts = services.wording(journal.scope).of(mailbox.language)
    return Steps(form, schema, texts, mailbox.language, traits.choices_max)


def is_listed(services: Services, journal: Journal, mailbox: MailboxState, schema: Mapping[str, Any]) -> bool:
    """Whether the choices of a schema are a list on a session's channel, and no buttons."""
    choices = choices_in(schema)
    return bool(choices) and len(choices) > traits_of(services.channels.get(mailbox.channel), journal.scope).choices_max


def asking(draft: e.Draft, steps: Steps | None, expected: Expected, subject: str) -> e.Draft:
    """A message that asks for what is expected, with what it offers and its form; of a form in steps it asks for the
    first field."""
    if steps is None:
        offered = (*suggestions(expected.schema, subject), *form_in(expected.schema, subject))
        return msgspec.structs.replace(draft, contents=(*draft.contents, *offered)) if offered else draft
    contents = [
        msgspec.structs.replace(each, data=f"{each.data.decode()}\n\n{steps.prompt(0)}".encode())
        if each.part == "text"
        else each
        for each in draft.contents
    ]
    return msgspec.structs.replace(draft, contents=(*contents, *offered_as(steps.titles(0), subject)))


def replies_to(journal: Journal, mailbox: MailboxState, question: Question) -> list[Said]:
    """What the customer wrote so far while a question was open; what was erased says nothing."""
    return [said for n in question.replies if (said := _reply(journal, mailbox, n)) is not None]


def _reply(journal: Journal, mailbox: MailboxState, n: int) -> Said | None:
    try:
        contents = journal.log.contents(session_stream(mailbox.id), n)
        data = contents.get("data", b"")
        return Said(contents["text"].decode(), msgspec.json.decode(data) if data else None)
    except ContentErased:
        return None


# -- words -------------------------------------------------------------------------------------------------------


def _is(text: str, command: str, texts: Texts) -> bool:
    """Whether the words are a command, in any language that is spoken here."""
    said = letters(text).removeprefix("/")
    return any(said == letters(getattr(each, command)) for each in (texts, Texts(), *TRANSLATED.values()))


def _moment(field: Field, text: str) -> str:
    """A date or time as JSON Schema writes it, of one that is written so or with dots; empty for none."""
    words = text.strip().rstrip(".")
    try:
        if field.kind == "time":
            hour, _, minute = words.partition(":")
            return time(int(hour), int(minute)).isoformat("minutes")
        day, *rest = words.split(".")
        if len(rest) == 2:
            return date(int(rest[1]), int(rest[0]), int(day)).isoformat()
        return date.fromisoformat(words).isoformat()
    except ValueError:
        return ""


def _is_real(field: Field, value: Any) -> bool:
    """Whether a date or time is one; anything else is."""
    return field.kind not in ("date", "time") or (isinstance(value, str) and bool(_moment(field, value)))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _filled(text: str, **parts: str) -> str:
    """A text with its parts, which may hold braces themselves."""
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part, 1)
    return text
