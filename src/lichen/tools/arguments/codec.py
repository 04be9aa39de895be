"""Arguments and results on their way between JSON and typed Python values, both checked against a schema."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec
from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from lichen.core.ports.call import RESULT_BYTES_MAX, Arguments, InvalidArguments, Issue
from lichen.core.words.errors import LichenError
from lichen.tools.arguments.document import dump, parse
from lichen.tools.arguments.issues import issues
from lichen.tools.spec import tool_invalid

T = TypeVar("T")

_DECLARED_WRONG = (
    PydanticInvalidForJsonSchema,
    PydanticSchemaGenerationError,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    NameError,
    TypeError,
    UserWarning,
    ValueError,
)


class ResultRefused(LichenError):
    """A tool returned what it did not declare (`result_invalid`) or too much (`result_too_large`).

    The tool ran: of a `once` tool the effect may have happened.
    """

    code = "result_invalid"
    next_step = "Correct what the tool returns or the type it declares."


class ArgumentCodec:
    """Decodes the arguments of a tool: JSON from a model in, canonical JSON and typed values out.

    `annotation` is a type whose values are JSON objects. Strict: "5" is no integer, unknown fields are refused at every
    level; what JSON cannot write (dates, enums, decimals, UUIDs) is taken in its JSON form. Raises Invalid
    (`tool_invalid`) for a type that has no such form, that accepts unknown fields, or that holds sets, whose order
    differs between processes.
    """

    def __init__(self, annotation: Any, place: str | None = None) -> None:
        self._place = place
        self._adapter: TypeAdapter[Any] = declared(lambda: TypeAdapter(annotation), place)
        self.schema = _schema(self._adapter, "validation", _ClosedSchema, place)
        if self.schema.get("type") != "object":
            raise _not_an_object("The arguments of a tool", place)

    def decode(self, args: bytes) -> Arguments:
        """Canonical JSON of `args` with defaults filled in, the same bytes in every process, and its typed value.

        Raises InvalidArguments with an issue for every problem, at most ISSUES_MAX.
        """
        tree = parse(args)
        value = self._validated(args, tree)
        canonical = self._dumped(value)
        if canonical == args:
            return Arguments(args, value, fields=tree)
        return Arguments(canonical, self._read_back(value, canonical))

    def value(self, arguments: Arguments) -> Any:
        """The typed value of arguments that `decode` made, in this process or in another.

        Raises InvalidArguments if they are something else.
        """
        value = arguments.take()
        return self._validated(arguments.data, None) if value is None else value

    def _validated(self, args: bytes, tree: Any) -> Any:
        try:
            return self._adapter.validate_json(args, strict=True, extra="forbid")
        except ValidationError as error:
            raise InvalidArguments(issues(error, tree)) from None

    def _read_back(self, value: Any, canonical: bytes) -> Any:
        """The value of the canonical JSON, which must be what was decoded: a SecretStr, for one, turns to stars."""
        try:
            again = self._adapter.validate_json(canonical, strict=True, extra="forbid")
        except ValidationError:
            raise self._unstable() from None
        if again != value:
            raise self._unstable()
        return again

    def _dumped(self, value: Any) -> bytes:
        try:
            return dump(self._adapter.dump_python(value, mode="json", by_alias=True, warnings="error"))
        except ValueError:
            raise self._unstable() from None

    def _unstable(self) -> LichenError:
        step = "Use types that JSON can hold and that pydantic reads back as it wrote them."
        return tool_invalid("A parameter's value does not survive JSON.", place=self._place, next_step=step)


class ResultCodec:
    """Encodes what a tool returns as JSON of the declared type: a pydantic type, or a msgspec Struct.

    `noun` starts the error codes: `result` gives `result_invalid` and `result_too_large`.
    """

    def __init__(
        self, annotation: Any, place: str | None = None, *, noun: str = "result", bytes_max: int = RESULT_BYTES_MAX
    ) -> None:
        self.schema, self._write = _writer(annotation, place)
        self._place = place
        self._noun = noun
        self._bytes_max = bytes_max
        self.accepts_null = self._is_null_written()

    def encode(self, value: Any) -> bytes:
        """`value` as JSON. Raises ResultRefused if it is not of the declared type or too large."""
        try:
            encoded = self._write(value)
        except ValidationError as error:
            self._refuse("; ".join(_told(issue) for issue in issues(error, value)[:3]))
        except Exception:  # noqa: BLE001 - serializers are the user's code, and their texts may repeat the value
            self._refuse("a part of it is not what its type declares.")
        if len(encoded) > self._bytes_max:
            message = f"A {self._noun} of {len(encoded)} bytes is more than the {self._bytes_max} that fit."
            code, step = f"{self._noun}_too_large", "Return less, or a reference to the rest."
            raise ResultRefused(message, code=code, next_step=step, place=self._place)
        return encoded

    def _is_null_written(self) -> bool:
        try:
            return self.encode(None) == b"null"
        except ResultRefused:
            return False

    def _refuse(self, reason: str) -> NoReturn:
        message = f"The {self._noun} does not fit its declared type: {reason}"
        raise ResultRefused(message, code=f"{self._noun}_invalid", place=self._place) from None


def require_object(schema: JsonSchemaValue, what: str, place: str | None) -> None:
    """Raises Invalid (`tool_invalid`) unless every value of `schema` is a JSON object."""
    if schema.get("type") != "object":
        raise _not_an_object(what, place)


def declared(make: Callable[[], T], place: str | None) -> T:
    """What `make` makes of annotations. Raises Invalid (`tool_invalid`) where they cannot be used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            return make()
    except _DECLARED_WRONG as error:
        cause = str(error).partition("\n")[0]
        step = "Use types that pydantic knows and JSON can hold, defined where the annotations can see them."
        raise tool_invalid(f"The annotations cannot be used: {cause}", place=place, next_step=step) from error


class _PlainSchema(GenerateJsonSchema):
    """Schemas without the titles that repeat the field's name: a model pays for every word of them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class _ClosedSchema(_PlainSchema):
    """Schemas that say what strict decoding does: no unknown fields anywhere, and nothing without an order."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        return made if schema.get("root_model") else _closed(made)

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return _closed(super().typed_dict_schema(schema))

    def set_schema(self, schema: core_schema.SetSchema) -> JsonSchemaValue:
        raise TypeError("a set has no stable order; use a list")

    def frozenset_schema(self, schema: core_schema.FrozenSetSchema) -> JsonSchemaValue:
        raise TypeError("a frozenset has no stable order; use a tuple")


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    if schema.get("additionalProperties", False) is not False:
        raise TypeError("a type accepts unknown fields; declare a field of type dict[str, ...] instead")
    return {**schema, "additionalProperties": False}


def _schema(
    adapter: TypeAdapter[Any], mode: JsonSchemaMode, generator: type[GenerateJsonSchema], place: str | None
) -> JsonSchemaValue:
    made = _rooted(declared(lambda: adapter.json_schema(mode=mode, schema_generator=generator), place))
    return {key: value for key, value in made.items() if key != "title"}


def _rooted(schema: JsonSchemaValue) -> JsonSchemaValue:
    """`schema` with what its own `$ref` names in its place: readers look for the fields at the root."""
    if "$ref" not in schema:
        return schema
    named = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return {**named, "$defs": schema["$defs"]}


def _writer(annotation: Any, place: str | None) -> tuple[JsonSchemaValue, Callable[[Any], bytes]]:
    """The schema of `annotation` and what writes its values: msgspec where pydantic does not know the type."""
    adapter = declared(lambda: _adapter(annotation), place)
    if adapter is None:
        return declared(lambda: _rooted(msgspec.json.schema(annotation)), place), _struct_writer(annotation)

    def write(value: Any) -> bytes:
        checked = adapter.validate_python(value, strict=True)
        return dump(adapter.dump_python(checked, mode="json", by_alias=True, warnings="error"))

    return _schema(adapter, "serialization", _PlainSchema, place), write


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return None


def _struct_writer(annotation: Any) -> Callable[[Any], bytes]:
    def write(value: Any) -> bytes:
        encoded = msgspec.json.encode(msgspec.convert(value, annotation))
        msgspec.json.decode(encoded, type=annotation)  # msgspec checks fields only when it reads
        return encoded

    return write


def _not_an_object(what: str, place: str | None) -> LichenError:
    return tool_invalid(f"{what} must be a JSON object.", place=place, next_step="Use a model with named fields.")


def _told(issue: Issue) -> str:
    return f"{issue.field or '/'} {issue.message}"
