"""A tool of another framework as one of ours: its schema, its function, and what it says of failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final, cast

import msgspec

from lichen.agents.own.terms import Probing, Terms
from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CannotTell,
    DidNotHappen,
    Happened,
    InvalidArguments,
    Issue,
    Probe,
    Resources,
    ToolSpec,
)
from lichen.core.words.ids import ToolName
from lichen.tools.arguments.codec import ResultCodec
from lichen.tools.arguments.document import ISSUES_MAX, dump, parse, pointer
from lichen.tools.failure import failure_of
from lichen.tools.spec import pinned, tool_invalid

Acting = Callable[[Mapping[str, Any], CallMeta], Awaitable[Any]]
"""Does what the tool does, with arguments by name. Raises NotDone where nothing happened."""

_CONSTRAINTS: Final[Mapping[str, str]] = {
    "required": "missing_field",
    "enum": "invalid_enum_value",
    "const": "invalid_enum_value",
    "format": "invalid_format",
    "minimum": "invalid_range",
    "maximum": "invalid_range",
    "exclusiveMinimum": "invalid_range",
    "exclusiveMaximum": "invalid_range",
    "multipleOf": "invalid_range",
    "minLength": "invalid_length",
    "maxLength": "invalid_length",
    "minItems": "invalid_length",
    "maxItems": "invalid_length",
    "additionalProperties": "unknown_field",
}
_UNCHECKED: Final = ("pattern", "patternProperties")  # left to the framework, whose expressions may take their time


_CALL: Final[ContextVar[CallMeta | None]] = ContextVar("lichen_call", default=None)


def current_call() -> CallMeta | None:
    """The call that a tool of an adopted agent is making, with its idempotency key; None in the agent's own loop."""
    return _CALL.get()


class AdoptedTool:
    """A framework's tool. Its arguments are checked against its JSON schema here, and by the framework itself."""

    def __init__(self, spec: ToolSpec, act: Acting, probe: Probing | None = None) -> None:
        self.spec = spec
        self._act = act
        self._probe = probe
        self._result = ResultCodec(object, spec.name)
        self._validator: Any = None

    def bound(self, resources: Resources) -> AdoptedTool:
        """The tool itself: it needs nothing of a runtime."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        tree = parse(args)
        if not isinstance(tree, dict):
            raise InvalidArguments((Issue("", "invalid_field_type", "The arguments must be an object."),))
        fields = cast("dict[str, Any]", tree)
        found = tuple(self._issues(fields))
        if found:
            raise InvalidArguments(found)
        return Arguments(dump(fields), fields=fields, is_shared=True)

    def _issues(self, fields: Mapping[str, Any]) -> Iterator[Issue]:
        if self._validator is None:
            self._validator = _validator(self.spec)
        for number, error in enumerate(self._validator.iter_errors(fields)):
            if number >= ISSUES_MAX:
                return
            rule = _CONSTRAINTS.get(error.validator, "invalid_field_type")
            yield Issue(pointer(list(error.absolute_path)), rule, f"does not fit `{error.validator}` of its schema.")

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """None: policy decides on the arguments."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """The result as JSON. Raises NotDone, ResultRefused, and what the tool itself raises."""
        token = _CALL.set(meta)
        try:
            return self._result.encode(await self._act(args.fields, meta))
        finally:
            _CALL.reset(token)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """What the probe found; CannotTell without one, and when it raises."""
        if self._probe is None:
            return CannotTell()
        try:
            found = await self._probe(args.fields, meta)
            return DidNotHappen() if found is None else Happened(self._result.encode(found))
        except Exception as error:  # noqa: BLE001 - a probe that fails knows nothing, for whatever reason
            return CannotTell(failure_of(error))


def adopted(
    name: ToolName, own: str, act: Acting, *, schema: Mapping[str, Any], description: str, terms: Terms,
    timeout_s: float | None = None,
) -> AdoptedTool:  # fmt: skip
    """The framework's tool `own` as our tool `name`. Raises Invalid (`tool_invalid`) for a schema that is none."""
    probe = terms.probes.get(own)
    effects = terms.effects.get(own, "once")
    if effects not in ("none", "idempotent", "once"):
        step = "Say none, idempotent or once."
        raise tool_invalid(f"{effects!r} is not what a tool can do.", place=name, next_step=step)
    spec = ToolSpec(
        name=name,
        description=description,
        effects=effects,
        input_schema=_checked(schema, name),
        output_schema={},
        timeout_s=timeout_s or terms.timeout_s,
        origin="third_party" if own in terms.third_party else "records",
        has_probe=probe is not None,
    )
    return AdoptedTool(pinned(spec), act, probe)


def canonical(arguments: object) -> bytes:
    """Arguments that a framework decoded, as JSON in one order. Raises what pydantic raises for the rest."""
    import pydantic_core

    return dump(pydantic_core.to_jsonable_python(arguments))


def _checked(schema: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError

    made = cast("dict[str, Any]", msgspec.json.decode(msgspec.json.encode(schema)))
    made.setdefault("properties", {})
    if made.setdefault("type", "object") != "object":
        raise tool_invalid("The arguments of a tool must be an object.", place=place, next_step="Name its fields.")
    try:
        Draft202012Validator.check_schema(made)
    except SchemaError:
        step = "Give the tool a JSON Schema of draft 2020-12."
        raise tool_invalid("The schema of its arguments is none.", place=place, next_step=step) from None
    return made


def _validator(spec: ToolSpec) -> Any:
    from jsonschema import Draft202012Validator, validators

    extend: Any = getattr(validators, "extend")  # noqa: B009 - it has no types
    return extend(Draft202012Validator, dict.fromkeys(_UNCHECKED, _anything))(spec.input_schema)


def _anything(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    return iter(())
