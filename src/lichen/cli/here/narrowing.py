"""Options by which a command holds one run to less than its agent may."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

Only = Annotated[list[str] | None, typer.Option("--only-tool", help="It may use these tools only.", metavar="TOOL")]
Having = Annotated[
    list[str] | None, typer.Option("--with-tag", help="Each of its tools has one of these tags.", metavar="TAG")
]
Lacking = Annotated[
    list[str] | None, typer.Option("--without-tag", help="None of its tools has one of these.", metavar="TAG")
]
Calls = Annotated[int | None, typer.Option("--max-calls", help="It makes so many calls at most.", metavar="N")]
Tokens = Annotated[int | None, typer.Option("--max-tokens", help="Its models use so many at most.", metavar="N")]
Usd = Annotated[float | None, typer.Option("--max-usd", help="Its models cost so much at most.", metavar="USD")]
Time = Annotated[float | None, typer.Option("--time", help="It takes so long at most.", metavar="SECONDS")]
CallTime = Annotated[float | None, typer.Option("--call-time", help="Each call does.", metavar="SECONDS")]
PlanTime = Annotated[float | None, typer.Option("--plan-time", help="Each plan does.", metavar="SECONDS")]

OPTIONS: dict[str, Any] = {
    "only_tool": Only,
    "with_tag": Having,
    "without_tag": Lacking,
    "max_calls": Calls,
    "max_tokens": Tokens,
    "max_usd": Usd,
    "time": Time,
    "call_time": CallTime,
    "plan_time": PlanTime,
}
_LIMITS = {
    "max_calls": "calls",
    "max_tokens": "tokens",
    "max_usd": "cost_usd",
    "time": "time_s",
    "call_time": "call_s",
    "plan_time": "plan_s",
}


def narrowing(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes `overrides`, as the API takes them, as typer sees it: the options stand in their place."""

    @functools.wraps(command)
    def called(*args: Any, **given: Any) -> None:
        said = {name: given.pop(name, None) for name in OPTIONS}
        command(*args, **given, overrides=overrides(said))

    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "overrides"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=None)
        for name, kind in OPTIONS.items()
    ]
    called.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    return called


def overrides(said: dict[str, Any]) -> dict[str, Any] | None:
    """The overrides that these options mean, None for none."""
    clauses = {"any_of": said["with_tag"], "none_of": said["without_tag"]}
    clause = {name: tags for name, tags in clauses.items() if tags}
    found = {field: said[name] for name, field in _LIMITS.items() if said[name] is not None}
    found |= {"tools": said["only_tool"]} if said["only_tool"] else {}
    found |= {"tagged": [clause]} if clause else {}
    return found or None
