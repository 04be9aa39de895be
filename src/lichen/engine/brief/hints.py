"""Lines for people about a call: the templates of its tool, filled in with its arguments and its result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.speech.template import Reference, Template, parse, pick
from lichen.core.words.errors import LichenError
from lichen.engine.act import CallAct

HINT_CHARS_MAX: Final = 240


def call_hint(spec: ToolSpec, arguments: Mapping[str, Any]) -> bytes:
    """What people are told of a call that begins, empty where its tool has no words for it."""
    return _filled(spec.call_hint, arguments) if spec.call_hint else b""


def result_hint(act: CallAct, result: bytes) -> bytes:
    """What people are told of a call that ended well, empty where its tool has no words for it."""
    try:
        spec, arguments = act.tool.spec, act.arguments.fields
    except LichenError:  # its tool is gone, or its words are
        return b""
    if not spec.result_hint:
        return b""
    return _filled(spec.result_hint, {**arguments, "result": msgspec.json.decode(result)})


def _filled(text: str, values: Mapping[str, Any]) -> bytes:
    def lookup(reference: Reference) -> object:
        return pick(values, (reference.name, *reference.path))

    return (_template(text).render(lookup) or "")[:HINT_CHARS_MAX].encode()


@lru_cache(256)
def _template(text: str) -> Template:
    return parse(text)
