"""Arguments of a tool that is described by a schema alone, and not by a function of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lichen.core.ports.call import Arguments, InvalidArguments, Issue
from lichen.tools.arguments.document import dump, parse


def read(args: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object that fits the schema. Raises InvalidArguments with the place of the first misfit."""
    from lichen.tools.arguments import bounded  # no process needs it to start

    tree = parse(args)
    if not isinstance(tree, dict):
        raise InvalidArguments((Issue("", "invalid_field_type", "must be an object."),))
    problem = bounded.misfit(schema, tree)
    if problem is not None:
        raise InvalidArguments((Issue(problem.place, "invalid_format", problem.message),))
    return cast("dict[str, Any]", tree)


def canonical(fields: Mapping[str, Any]) -> Arguments:
    """Arguments that were read, in their one spelling."""
    return Arguments(dump(fields), fields=fields)
