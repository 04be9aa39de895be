"""Which parts of the context a policy reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from cedarpy import pst


class Mention(NamedTuple):
    """An attribute path below `context`, and whether it is read or only asked for with `has`."""

    path: tuple[str, ...]
    how: Literal["read", "has"]


def mentions(policy: pst.Template) -> Iterator[Mention]:
    """Every path below `context` that the policy's conditions name. A bare `context` is the empty path."""
    for clause in policy.clauses:
        yield from _in(clause.expr)


def _in(expr: pst.Expr) -> Iterator[Mention]:
    path = _path(expr)
    if path is not None:
        yield Mention(path, "read")
        return
    if isinstance(expr, pst.HasAttr):
        base = _path(expr.base)
        if base is not None:
            yield Mention((*base, *expr.attrs), "has")
            return
    for child in _children(expr):
        yield from _in(child)


def _path(expr: pst.Expr) -> tuple[str, ...] | None:
    match expr:
        case pst.Var(name="context"):
            return ()
        case pst.GetAttr(base=base, attr=attr):
            path = _path(base)
            return None if path is None else (*path, attr)
        case _:
            return None


def _children(expr: pst.Expr) -> Iterable[pst.Expr]:
    match expr:
        case pst.GetAttr(base=base) | pst.HasAttr(base=base) | pst.Like(base=base):
            return (base,)
        case pst.Is(base=base, in_expr=inside):
            return (base,) if inside is None else (base, inside)
        case pst.UnaryOp(arg=arg):
            return (arg,)
        case pst.BinaryOp(left=left, right=right):
            return (left, right)
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
            return (cond, then, other)
        case pst.Set(elements=elements):
            return elements
        case pst.Record(fields=fields):
            return fields.values()
        case pst.Var() | pst.Slot() | pst.BoolLit() | pst.LongLit() | pst.StringLit() | pst.EntityLit():
            return ()


def reads_meters(policy: pst.Template) -> bool:
    """Whether the policy reads what is counted."""
    return any(path[:1] in ((), ("meters",)) for path, _ in mentions(policy))


def pending_read(policies: Iterable[pst.Template]) -> frozenset[str] | None:
    """The meters whose `context.pending` the policies read; None if they could read any."""
    found: set[str] = set()
    for policy in policies:
        for path, _ in mentions(policy):
            if path in ((), ("pending",)):
                return None
            if path[0] == "pending":
                found.add(path[1])
    return frozenset(found)
