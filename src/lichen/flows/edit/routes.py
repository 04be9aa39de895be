"""Where nodes lead, as it is written: routes taken over, redirected, and left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from lichen.flows.edit.text import Written, mapped, plain
from lichen.flows.read.config_flow import NEXT_NODE

Routes = list[dict[str, Any]]

OUT: Final[Routes] = [{"out": True}]
REPLY: Final[Routes] = [{"reply": True}]
_SHORT: Final = (("out", OUT), ("reply", REPLY))


def routes_of(node: Written) -> Routes | None:
    """The routes of a node; None where it says nothing of them."""
    written = node.get("routing")
    if written is None:
        return None
    if isinstance(written, str):
        return next(list(routes) for word, routes in _SHORT if word == written)
    return cast(Routes, plain(written))


def set_routes(node: Written, routes: Sequence[dict[str, Any]]) -> None:
    """Lets a node lead elsewhere. What can be said in a word is; what stands in the text already is changed where it
    stands, so that comments beside it stay."""
    word = next((word for word, terminal in _SHORT if list(routes) == terminal), None)
    written = node.get("routing")
    listed = cast(Routes, written) if isinstance(written, list) else []
    if listed and word is None and len(listed) == len(routes):
        for there, wanted in zip(listed, routes, strict=True):
            for key in [key for key in there if key not in wanted]:
                del there[key]
            there.update({key: value for key, value in wanted.items() if there.get(key) != value})
        return
    node["routing"] = word if word is not None else mapped(list(routes))


def targets_of(routes: Sequence[dict[str, Any]]) -> list[str]:
    """The nodes that routes lead to."""
    return [str(route["to"]) for route in routes if route.get("to") not in (None, "out")]


def expanded(routes: Routes, before: Routes) -> Routes:
    """Routes with those of before in the place of `NEXT_NODE_PLACEHOLDER`."""
    found: Routes = []
    for route in routes:
        if route.get("to") != NEXT_NODE:
            found.append(route)
            continue
        terms = {key: value for key, value in route.items() if key != "to"}
        found += [{**old, **terms} for old in before]
    return found


def redirected(routes: Routes, gone: str, instead: Routes) -> Routes:
    """Routes that lead where the node that is gone led. A route keeps the terms under which it was taken; one that led
    to the end only is dropped, unless nothing is left."""
    found: Routes = []
    for route in routes:
        if route.get("to") != gone:
            found.append(route)
            continue
        terms = {key: value for key, value in route.items() if key in ("status", "condition")}
        found += [{**old, **terms} for old in instead if old.get("to") is not None]
    return found or list(OUT)
