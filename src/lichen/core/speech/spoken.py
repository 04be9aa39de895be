"""The sentence that says a typed answer: a template for each language, checked against the schema of the answer.

`{order_id}` is a field of the answer, `{answer}` all of it. A template may name only what every answer has and words
can say, so that each answer can be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, cast

import msgspec

from lichen.core.speech.local import DECIMAL, money, words
from lichen.core.speech.saying import TEXT_BYTES_MAX
from lichen.core.speech.template import Reference, Template, TemplateError, parse, pick
from lichen.core.speech.wording import DEFAULT, is_language
from lichen.core.words.errors import Invalid

ANSWER: Final = "answer"  # what a template calls the whole value
REFERENCES_MAX: Final = 32
_SCALARS: Final = frozenset(("string", "integer", "number", "boolean"))

Schema = Mapping[str, Any]


class Phrase(NamedTuple):
    """One template, with the formats that the texts it names may have, by the keys of its references."""

    template: Template
    formats: Mapping[str, frozenset[str]]


class Spoken(msgspec.Struct, frozen=True):
    """How an answer is said, by language; `""` is for every language. `written` is what was written."""

    phrases: Mapping[str, Phrase]
    written: Mapping[str, str]

    def text(self, value: bytes, languages: Sequence[str]) -> str:
        """The sentence that says the JSON `value` in the first of `languages` that there is one for, else in English.

        Raises Invalid (`answer_invalid`) with the place of what words cannot say, which only a schema that leaves
        open what a field is lets happen.
        """
        tree = msgspec.json.decode(value)
        wanted = [language for language in (*languages, DEFAULT, "") if language in self.phrases]
        language = wanted[0] if wanted else next(iter(self.phrases))
        phrase, local = self.phrases[language], language or languages[0]

        def said(part: str | Reference) -> str:
            if isinstance(part, str):
                return part
            found = _shown(part, _picked(part, tree), phrase, local)
            return _unsayable(part) if found is None else found

        text = "".join(map(said, phrase.template.parts))
        return text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")


def spoken(said: str | Mapping[str, str], schema: Schema, *, has_defaults: bool) -> Spoken:
    """The templates `said`, one for every language or one for each, checked against the schema of what they say.
    `has_defaults`: fields that have a default in the schema are always there.

    Raises Invalid (`agent_invalid`) whose place is `/say`, or `/say/de`.
    """
    written = {"": said} if isinstance(said, str) else dict(said)
    if not written:
        _refuse("There is no sentence that says the answer.", "Write one, or leave out `say`.", "/say")
    phrases: dict[str, Phrase] = {}
    for language, text in written.items():
        place = f"/say/{language}" if language else "/say"
        if language and not is_language(language):
            _refuse(f"{language!r} is no language.", "Write it as in `en`, `de`.", place)
        phrases[language] = _phrase(text, _Fields(schema, has_defaults), place)
    return Spoken(phrases, written)


def _phrase(text: str, fields: _Fields, place: str) -> Phrase:
    try:
        template = parse(text)
        if not text.strip() or len(template.references) > REFERENCES_MAX:
            raise TemplateError(f"it says nothing, or names more than {REFERENCES_MAX} fields")
        formats = {reference.key: fields.formats(reference) for reference in template.references}
    except TemplateError as error:
        step = "Name fields of the answer in braces, as in {order_id}; {answer} is all of it."
        _refuse(f"The sentence does not say the answer: {error}.", step, place)
    return Phrase(template, formats)


class _Fields:
    """What a schema says of the fields of an answer."""

    def __init__(self, schema: Schema, has_defaults: bool) -> None:
        self._schema, self._has_defaults = schema, has_defaults
        self._defs = cast("Mapping[str, Schema]", schema.get("$defs", {}))

    def formats(self, reference: Reference) -> frozenset[str]:
        """The formats that what is named may have. Raises TemplateError unless all answers have it and can say it."""
        found = [self._schema]
        for step in self._path(reference):
            found = [self._field(branch, step, reference) for each in found for branch in self._branches(each)]
        leaves = [branch for each in found for branch in self._branches(each)]
        items = [branch for leaf in leaves if "array" in _types(leaf) for branch in self._items(leaf)]
        for leaf in leaves:
            self._check(leaf, items, reference)
        formats = {str(each["format"]) for each in (*leaves, *items) if "format" in each}
        return frozenset({*formats, DECIMAL} if _is_decimal(leaves) or _is_decimal(items) else formats)

    def _path(self, reference: Reference) -> Sequence[str]:
        is_field = any(ANSWER in branch.get("properties", {}) for branch in self._branches(self._schema))
        return (reference.name, *reference.path) if is_field or reference.name != ANSWER else reference.path

    def _branches(self, schema: Schema, within: tuple[str, ...] = ()) -> Iterator[Schema]:
        """What the values may be, with references followed and alternatives apart."""
        name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in within:
            yield from self._branches(self._defs.get(name, {}), (*within, name))
        elif alternatives := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            for each in alternatives:
                yield from self._branches(each, within)
        elif not name:
            yield schema

    def _field(self, branch: Schema, step: str, reference: Reference) -> Schema:
        types = _types(branch)
        properties: Mapping[str, Schema] = branch.get("properties", {})
        if "null" in types:
            raise TemplateError(f"what {{{reference.key}}} is in may be null")
        if step in properties:
            if step in branch.get("required", ()) or (self._has_defaults and "default" in properties[step]):
                return properties[step]
            raise TemplateError(f"{{{reference.key}}} need not be there")
        if types == frozenset(("array",)) and step.isdecimal():
            if int(step) < int(branch.get("minItems", 0)):
                return self._item(branch, int(step))
            raise TemplateError(f"{{{reference.key}}} need not be there")
        if types or properties:
            raise TemplateError(f"{{{reference.key}}} is no field of the answer{_known(properties)}")
        return {}

    def _items(self, branch: Schema) -> Iterator[Schema]:
        each = (*branch.get("prefixItems", ()), branch.get("items", {}))
        return (found for item in each if isinstance(item, dict) for found in self._branches(cast("Schema", item)))

    def _item(self, branch: Schema, position: int) -> Schema:
        first: Sequence[Schema] = branch.get("prefixItems", ())
        item = first[position] if position < len(first) else branch.get("items", {})
        return cast("Schema", item) if isinstance(item, dict) else {}

    def _check(self, leaf: Schema, items: Sequence[Schema], reference: Reference) -> None:
        types, wanted = _types(leaf), {"money": {"integer"}, "count": {"array"}}.get(reference.filter)
        if "null" in types:
            raise TemplateError(f"{{{reference.key}}} may be null")
        if wanted is not None and types and not types <= wanted:
            raise TemplateError(f"{reference.filter!r} is for {min(wanted)} values, which {{{reference.key}}} is not")
        if wanted is None and not types <= {*_SCALARS, "array"}:
            raise TemplateError(f"{{{reference.key}}} may be an object, which words cannot say")
        if wanted is None and any(not _types(item) <= _SCALARS for item in items):
            raise TemplateError(f"{{{reference.key}}} holds more than words can say")


def _is_decimal(branches: Sequence[Schema]) -> bool:
    """Whether these are the two ways in which pydantic takes a Decimal, which is written as text."""
    types = [_types(each) for each in branches]
    return frozenset(("number",)) in types and frozenset(("string",)) in types


def _types(schema: Schema) -> frozenset[str]:
    """The types that a schema names or its constants have; none where it leaves that open."""
    named = schema.get("type", ())
    types = {named} if isinstance(named, str) else set(cast("Sequence[str]", named))
    constants: list[object] = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    if None in constants:
        types.add("null")
    if not types and ("properties" in schema or any(isinstance(each, dict) for each in constants)):
        types.add("object")
    return frozenset(types)


def _known(properties: Mapping[str, Schema]) -> str:
    return f", whose fields are {', '.join(properties)}" if properties else ""


def _picked(reference: Reference, tree: object) -> object:
    is_whole = reference.name == ANSWER and pick(tree, (ANSWER,)) is None
    return pick(tree, reference.path if is_whole else (reference.name, *reference.path))


def _shown(reference: Reference, value: object, phrase: Phrase, language: str) -> str | None:
    match reference.filter:
        case "money":
            return money(value, language)
        case "count":
            return str(len(cast("list[object]", value))) if isinstance(value, list) else None
        case _:
            return words(value, language, phrase.formats[reference.key])


def _unsayable(reference: Reference) -> NoReturn:
    step = "Say in the type of the answer what this field is."
    message = "A field of the answer is nothing that words can say."
    raise Invalid(message, code="answer_invalid", place=f"/{reference.key.replace('.', '/')}", next_step=step)


def _refuse(message: str, step: str, place: str) -> NoReturn:
    raise Invalid(message, code="agent_invalid", next_step=step, place=place) from None
