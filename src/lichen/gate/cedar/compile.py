"""Cedar policies as Python functions.

A policy's typed tree becomes the source of a function in which every name and literal of the policy is a numbered
constant: no text of a policy is ever evaluated, and policies of the same shape share one compiled code object.
Semantics: Cedar 4 (docs.cedarpolicy.com, "Operators"). Whatever is not covered raises `NotCovered`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cedarpy import pst

from lichen.gate.cedar.operators import RUNTIME
from lichen.gate.cedar.values import Entity, Value, key, uid

Test = Callable[[Entity, Entity, Entity, Mapping[str, Value]], bool]
"""`test(principal, action, resource, context)`: whether a policy applies. Raises anything where Cedar has an error."""


class NotCovered(Exception):
    """The policy uses a part of Cedar that is left to cedarpy."""


_VARIABLES: Final = {"principal": "p", "action": "a", "resource": "r", "context": "x"}
_FUNCTIONS: Final = {
    "eq": "is_same", "in": "is_in", "contains": "contains", "contains_all": "contains_all",
    "contains_any": "contains_any", "less": "less", "less_eq": "less_eq", "greater": "greater",
    "greater_eq": "greater_eq", "add": "add", "sub": "sub", "mul": "mul", "neg": "neg", "is_empty": "is_empty",
}  # fmt: skip
_LOGIC: Final = {"and": " and ", "or": " or "}
_NUMERIC: Final = ("add", "sub", "mul", "neg")


class Compiler:
    """Compiles the policies of one set; keeps the code of every shape it has met."""

    def __init__(self) -> None:
        self._makers: dict[str, Callable[..., Test]] = {}

    def compile(self, policy: pst.Template) -> Test:
        """The policy as a function. Raises NotCovered."""
        writer = _Writer()
        body = writer.policy(policy)
        source = f"lambda {', '.join(writer.names)}: lambda p, a, r, x: {body}"
        maker = self._makers.get(source)
        if maker is None:
            try:
                maker = self._makers[source] = eval(source, RUNTIME)  # noqa: S307 - only our own words, see above
            except (SyntaxError, RecursionError, MemoryError) as error:  # nested deeper than Python parses
                raise NotCovered from error
        return maker(*writer.values)


class _Writer:
    """Writes the source of one policy and collects its constants."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: list[object] = []

    def constant(self, value: object) -> str:
        name = f"k{len(self.names)}"
        self.names.append(name)
        self.values.append(value)
        return name

    def policy(self, policy: pst.Template) -> str:
        parts = [*self.scope("p", policy.principal), *self.action(policy.action), *self.scope("r", policy.resource)]
        for clause in policy.clauses:
            condition = self.boolean(clause.expr)
            parts.append(condition if isinstance(clause, pst.When) else f"not {condition}")
        return " and ".join(parts) or "True"

    def scope(self, variable: str, constraint: pst.PrincipalOrResourceConstraint) -> list[str]:
        match constraint:
            case pst.ScopeAny():
                return []
            case pst.ScopeEq(entity=entity):
                return [f"{variable}.uid == {self.constant(_uid(entity))}"]
            case pst.ScopeIn(entity=entity):
                return [f"{self.constant(_uid(entity))} in {variable}.closure"]
            case pst.ScopeIs(entity_type=type):
                return [f"{variable}.type == {self.constant(str(type))}"]
            case pst.ScopeIsIn(entity_type=type, entity=entity):
                is_type = f"{variable}.type == {self.constant(str(type))}"
                return [is_type, f"{self.constant(_uid(entity))} in {variable}.closure"]

    def action(self, constraint: pst.ActionConstraint) -> list[str]:
        match constraint:
            case pst.ScopeAny():
                return []
            case pst.ActionEq(entity=entity):
                return [f"a.uid == {self.constant(_uid(entity))}"]
            case pst.ActionIn(entities=entities):
                uids = frozenset(_uid(entity) for entity in entities)
                return [f"not {self.constant(uids)}.isdisjoint(a.closure)"]

    def boolean(self, expr: pst.Expr) -> str:
        """`expr` where Cedar demands a boolean."""
        return self.value(expr) if _is_boolean(expr) else f"boolean({self.value(expr)})"

    def value(self, expr: pst.Expr) -> str:
        match expr:
            case pst.Var(name=name):
                return _VARIABLES[name]
            case pst.BoolLit() | pst.LongLit() | pst.StringLit():
                return self.constant(expr.value)
            case pst.EntityLit(value=entity):
                return f"known(p, a, r, {self.constant(_entity_of(entity))})"
            case pst.GetAttr(base=base, attr=attr):
                return f"{self.value(base)}[{self.constant(attr)}]"
            case pst.HasAttr(base=base, attrs=attrs):
                return self.has(base, attrs)
            case pst.Set(elements=elements):
                return self.set(elements)
            case pst.Record(fields=fields):
                values = [self.value(field) for field in fields.values()]
                return f"record({', '.join([self.constant(tuple(fields)), *values])})"
            case pst.IfThenElse(cond=cond, then_expr=then, else_expr=other):
                return f"({self.value(then)} if {self.boolean(cond)} else {self.value(other)})"
            case pst.Is(base=base, entity_type=type, in_expr=inside):
                return self.is_type(base, str(type), inside)
            case pst.UnaryOp():
                return self.unary(expr)
            case pst.BinaryOp():
                return self.binary(expr)
            case pst.Slot() | pst.Like():
                raise NotCovered

    def has(self, base: pst.Expr, attrs: tuple[str, ...]) -> str:
        """`base has a.b` means `base has a && base.a has b`."""
        parts: list[str] = []
        for attr in attrs:
            parts.append(f"has({self.value(base)}, {self.constant(attr)})")
            base = pst.GetAttr(base, attr)
        return f"({' and '.join(parts)})"

    def set(self, elements: tuple[pst.Expr, ...]) -> str:
        literals = [_literal(element) for element in elements]
        if None not in literals:
            return self.constant(frozenset(key(literal) for literal in literals if literal is not None))
        return f"set_of({', '.join(self.value(element) for element in elements)})"

    def is_type(self, base: pst.Expr, name: str, inside: pst.Expr | None) -> str:
        test = f"is_type({self.value(base)}, {self.constant(name)})"
        return test if inside is None else f"({test} and is_in({self.value(base)}, {self.compared(inside)}))"

    def unary(self, expr: pst.UnaryOp) -> str:
        if expr.op == "not":
            return f"(not {self.boolean(expr.arg)})"
        if expr.op not in _FUNCTIONS:
            raise NotCovered
        return f"{_FUNCTIONS[expr.op]}({self.value(expr.arg)})"

    def binary(self, expr: pst.BinaryOp) -> str:
        if expr.op in _LOGIC:
            return f"({_LOGIC[expr.op].join(self.boolean(part) for part in _chain(expr, expr.op))})"
        if expr.op == "not_eq":
            return f"(not is_same({self.compared(expr.left)}, {self.compared(expr.right)}))"
        if expr.op not in _FUNCTIONS:
            raise NotCovered
        left = self.compared(expr.left) if expr.op == "eq" else self.value(expr.left)
        return f"{_FUNCTIONS[expr.op]}({left}, {self.compared(expr.right)})"

    def compared(self, expr: pst.Expr) -> str:
        """`expr` where only an entity's name counts, not what it is in."""
        return self.constant(_entity_of(expr.value)) if isinstance(expr, pst.EntityLit) else self.value(expr)


def _chain(expr: pst.Expr, op: str) -> list[pst.Expr]:
    """The parts of `a && b && c`, so that a long chain does not nest."""
    if isinstance(expr, pst.BinaryOp) and expr.op == op:
        return [*_chain(expr.left, op), *_chain(expr.right, op)]
    return [expr]


def _is_boolean(expr: pst.Expr) -> bool:
    match expr:
        case pst.BoolLit() | pst.HasAttr() | pst.Is():
            return True
        case pst.UnaryOp() | pst.BinaryOp():
            return expr.op not in _NUMERIC
        case _:
            return False


def _literal(expr: pst.Expr) -> Value | None:
    match expr:
        case pst.BoolLit() | pst.LongLit() | pst.StringLit():
            return expr.value
        case pst.EntityLit(value=entity):
            return _entity_of(entity)
        case _:
            return None


def _uid(entity: pst.EntityOrSlot) -> str:
    if isinstance(entity, pst.Slot):
        raise NotCovered
    return uid(str(entity.type), entity.id)


def _entity_of(entity: pst.EntityUid) -> Entity:
    return Entity(str(entity.type), entity.id)
