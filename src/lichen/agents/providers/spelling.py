"""How a provider is told of a tool: its name as every provider takes it, and its schema as this one does.

A name is letters, digits, `_` and `-`, at most 64 of them. What a schema becomes is remembered, since pydantic-ai makes
it anew for each request, which takes longer than all else of it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from pydantic_ai.profiles import JsonSchemaTransformer, ModelProfile, merge_profile

from lichen.core.words.ids import ToolName

CHARS_MAX: Final = 64
SCHEMAS_MAX: Final = 1_024  # that are remembered for one kind of provider
SCHEMA_BYTES_MAX: Final = 64 * 1024  # of one that is

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_OURS: Final = re.compile(r"\blichen(?:\.[a-z0-9_]+)+")
_MARKED: Final = re.compile(r"-[0-9a-f]{12}$")  # how one ends that could not be spelt


def wire_name(name: str) -> str:
    """How a provider is told a tool: `orders.lookup` as `orders__lookup`, and whatever could not be told back by a
    digest. Different names stay different, whichever tools are beside them."""
    spelt = name.replace(".", "__")
    is_plain = len(spelt) <= CHARS_MAX and _PLAIN.fullmatch(spelt) is not None and _MARKED.search(spelt) is None
    if is_plain and spelt.replace("__", ".") == name:
        return spelt
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    begin = re.sub(r"[^A-Za-z0-9_-]", "_", name)[: CHARS_MAX - 14]
    return f"{begin if begin[:1].isalpha() else f't{begin}'}-{mark}"


def spelt_in(text: str) -> str:
    """A note of the system, in which what the runtime offers (`lichen.…`) is called as the provider was told it."""
    return _OURS.sub(lambda found: wire_name(found[0]), text)


def table(names: Iterable[str]) -> Mapping[str, ToolName]:
    """The tools of a request by what the provider calls them."""
    return {wire_name(name): ToolName(name) for name in names}


def own_name(spelt: str, known: Mapping[str, ToolName]) -> ToolName:
    """The tool that a model means. One that it made up is told as it would be spelt here."""
    return known.get(spelt) or ToolName(spelt.replace("__", "."))


# -- schemas -----------------------------------------------------------------------------------------------------


class _Form(NamedTuple):
    """A schema as a provider takes it, as JSON so that nobody changes it, and whether it fits its strict mode."""

    schema: bytes
    is_strict: bool


class _Remembering(JsonSchemaTransformer):
    """Stands before the transformer of a provider, which is asked once for each schema."""

    known: ClassVar[OrderedDict[tuple[bool | None, bytes], _Form]]

    def __init__(self, schema: dict[str, Any], *, strict: bool | None = None) -> None:
        self._key = strict, msgspec.json.encode(schema)
        self._form = self.known.get(self._key)
        if self._form is None:
            super().__init__(schema, strict=strict)
        else:
            self.known.move_to_end(self._key)
            self.is_strict_compatible = self._form.is_strict

    def walk(self) -> dict[str, Any]:
        """The schema as the provider takes it."""
        if self._form is not None:
            return msgspec.json.decode(self._form.schema)
        walked = super().walk()
        form = _Form(msgspec.json.encode(walked), self.is_strict_compatible)
        if max(len(self._key[1]), len(form.schema)) <= SCHEMA_BYTES_MAX:
            self.known[self._key] = form
            if len(self.known) > SCHEMAS_MAX:
                self.known.popitem(last=False)
        return walked


@functools.cache
def _remembering(transformer: type[JsonSchemaTransformer]) -> type[JsonSchemaTransformer]:
    return type(f"Remembering{transformer.__name__}", (_Remembering, transformer), {"known": OrderedDict()})


def remembered(own: ModelProfile | None) -> Callable[[ModelProfile], ModelProfile]:
    """A model's profile with what is ours of it, whose schemas are made once."""

    def of(known: ModelProfile) -> ModelProfile:
        profile = merge_profile(known, own)
        transformer = profile.get("json_schema_transformer")
        if transformer is None:
            return profile
        return merge_profile(profile, ModelProfile(json_schema_transformer=_remembering(transformer)))

    return of
