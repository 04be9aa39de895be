"""Pages as they leave: templates that escape everything, with nothing hidden in what strangers wrote."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from lichen.channels.cards import reading as cards
from lichen.core.words.hidden import HIDDEN
from lichen.serve.page import assets, words

FOLDER = Path(__file__).parents[1] / "templates"


def visible(value: Any) -> Any:
    """Text in which nothing hides: control characters, direction overrides and the like are named instead."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def blocks(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a card says, block by block, each with its `type`; nothing of it can be pressed."""
    return msgspec.to_builtins(cards.read(card).blocks)


@cache
def _environment() -> Environment:
    environment: Any = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words.FILTERS)
    environment.filters["blocks"] = blocks
    environment.globals["static"] = assets.address
    return cast(Environment, environment)


def render(template: str, **context: Any) -> str:
    """A template with everything in `context` escaped, and invisible characters made visible."""
    return _environment().get_template(template).render(**context)


def page(template: str, *, status: int = 200, **context: Any) -> Response:
    """A page. What it may run and who may keep or embed it is said for the whole site."""
    return HTMLResponse(render(template, **context), status)
