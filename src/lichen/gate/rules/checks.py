"""What is wrong with a policy, told so that its author can mend it: the policy's id, the place, and why."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec
from cedarpy import pst

from lichen.core.ports.call import ToolSpec
from lichen.core.ports.policy import MODEL_METERS, RUN_METERS
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.gate.cedar import policyset as cedar
from lichen.gate.cedar.statements import UNFINISHED, Statement, Token, offender
from lichen.gate.cedar.values import uid
from lichen.gate.rules.annotations import Terms, annotated_at
from lichen.gate.rules.declarations import is_offered
from lichen.gate.rules.mentions import Mention, mentions, reads_meters
from lichen.gate.rules.schema import MODEL_INVOKE, RUN_START, ActionView, PolicySchema

_QUOTED = re.compile(r"[`']([^`']+)[`']")
_STRING = re.compile(r'"([^"]*)"')
_WORD = re.compile(r"[\w-]+")
_RECHECK = "`lichen policy check` reads it again."


def syntax(parts: list[Statement], message: str) -> Invalid:
    """The error for a text that cedarpy did not parse, at the token that is wrong."""
    for part in parts:
        error = cedar.syntax_error(part.text)
        if error is not None:
            token = offender(part, cedar.syntax_error)
            if token == part.tokens[-1] and error != UNFINISHED:  # well-formed, but it means nothing
                token = _named(part, error)
            name = f"policy {part.number} of {part.file}"
            return _syntax(f"In {name}: {error}.", part.place(token))
    return _syntax(f"{message}.", f"{parts[0].file}:1:1" if parts else None)


def unfit(part: Statement, policy: str, message: str, schema: PolicySchema) -> Invalid:
    """The error for a policy that the validator refused, with the reason if a field was left out of the schema."""
    reasons = [f"{name}: {reason}" for name, reason in _left_out(schema.views.values()) if f"`{name}`" in message]
    why = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
    return _schema(f"Policy {policy}: {message}{why}.", part.place(_named(part, message)))


def applies_to_nothing(policy: pst.Template, schema: PolicySchema) -> bool:
    """Whether the policy is about a group of actions that is empty, such as `tool.call.once` where no tool is."""
    return isinstance(policy.action, pst.ActionIn) and not any(_applicable(policy.action, schema))


def awaits(policy: pst.Template, schema: PolicySchema, servers: Container[str]) -> bool:
    """Whether the policy names tools of these servers, and no action that there is yet."""
    named = _named_actions(policy)
    return bool(named) and len(_awaited(named, schema, servers)) == len(named)


def stand_ins(policy: pst.Template, schema: PolicySchema, servers: Container[str]) -> Iterator[ToolSpec]:
    """What a policy is checked with in the place of tools that it awaits of these servers, beside others that there
    are: each is as if it were one of those."""
    named = _named_actions(policy)
    awaited = _awaited(named, schema, servers)
    if len(awaited) == len(named):
        return
    views = [schema.views[name] for name in named if name in schema.views]
    like = next((view.tool.spec for view in views if view.tool is not None), ToolSpec(ToolName(""), "", "none", {}, {}))
    for name in awaited:
        yield msgspec.structs.replace(like, name=ToolName(name))


def _awaited(named: list[str], schema: PolicySchema, servers: Container[str]) -> list[str]:
    return [name for name in named if name not in schema.views and is_offered(name, servers)]


def _named_actions(policy: pst.Template) -> list[str]:
    match policy.action:
        case pst.ActionEq(entity=entity):
            return [entity.id]
        case pst.ActionIn(entities=entities):
            return [entity.id for entity in entities]
        case pst.ScopeAny():
            return []


def check_paths(policy: pst.Template, part: Statement, id: str, schema: PolicySchema) -> None:
    """Refuses to ask `has` for what no tool has: the answer would be no for ever, and a forbid on it dead."""
    asked = [mention for mention in mentions(policy) if mention.how == "has" and len(mention.path) > 1]
    for mention in asked:
        views = list(_applicable(policy.action, schema))
        for name, reason in _left_out(views):
            if f"{'.'.join(mention.path)}.".startswith(f"{name}."):
                raise _schema(
                    f"Policy {id}: no policy can read {name}, because {reason}.", part.place(part.find(*mention.path))
                )
        if views and not any(_declares(view, mention) for view in views):
            path = ".".join(mention.path)
            raise _schema(
                f"Policy {id}: nothing it applies to has {path} in its context.", part.place(part.find(*mention.path))
            )


def counts_models(policies: Iterable[pst.Template], schema: PolicySchema) -> bool:
    """Whether a policy about asking models reads what they used: then the answer changes from request to request."""
    return _counts(policies, schema, MODEL_INVOKE)


def counts_runs(policies: Iterable[pst.Template], schema: PolicySchema) -> bool:
    """Whether a policy about starting runs reads what was counted before: then the answer changes from run to run."""
    return _counts(policies, schema, RUN_START)


def _counts(policies: Iterable[pst.Template], schema: PolicySchema, action: str) -> bool:
    view = schema.views[action]
    return any(reads_meters(policy) and view in _applicable(policy.action, schema) for policy in policies)


def check_conditions(policy: pst.Template, part: Statement, terms: Terms, schema: PolicySchema) -> None:
    """Refuses conditions on what has none, meters that nothing it applies to has, and redacting a field that no tool of
    the policy returns."""
    views = list(_applicable(policy.action, schema))
    tools = [view.tool.spec for view in views if view.tool is not None]
    asks_models = any(view.action.id == MODEL_INVOKE for view in views)
    starts_runs = any(view.action.id == RUN_START for view in views)
    if terms.has_conditions and views and not (tools or asks_models or starts_runs):
        problem = "nothing it applies to is a tool call, asks a model or starts a run, and nothing else has conditions"
        raise _annotation(terms, problem, "Drop the condition, or write a forbid.", part.place())
    if starts_runs and not (tools or asks_models) and _has_more_than_limits(terms):
        problem = "starting a run has no other conditions than limits"
        raise _annotation(terms, problem, "Drop the condition, or write a forbid.", part.place())
    if asks_models and not tools and (terms.confirmation or terms.redact or terms.declassify):
        problem = "asking a model has no other conditions than approval and limits"
        raise _annotation(terms, problem, "Drop the condition, or write a forbid.", part.place())
    for limit in terms.limits:
        of_models, of_runs = limit.meter in MODEL_METERS, limit.meter in RUN_METERS
        is_counted = (asks_models and of_models) or (starts_runs and of_runs) or (tools and not (of_models or of_runs))
        if views and not is_counted:
            problem = f"nothing it applies to is counted by the meter {limit.meter}"
            raise _annotation(terms, problem, "Name a meter of what it is about.", annotated_at(part, "limit"))
    declared = [cast(Mapping[str, Any], tool.output_schema.get("properties", {})) for tool in tools]
    for field in terms.redact:
        if declared and all(declared) and not any(field in properties for properties in declared):
            problem = f"no tool it applies to returns a field {field}"
            next_step = "Name fields of the result as its schema spells them."
            raise _annotation(terms, problem, next_step, annotated_at(part, "redact"))


def _has_more_than_limits(terms: Terms) -> bool:
    return bool(terms.approval or terms.confirmation or terms.redact or terms.declassify)


def _annotation(terms: Terms, problem: str, next_step: str, place: str) -> Invalid:
    return Invalid(f"Policy {terms.id}: {problem}.", code="policy_annotation", next_step=next_step, place=place)


def _applicable(constraint: pst.ActionConstraint, schema: PolicySchema) -> Iterator[ActionView]:
    match constraint:
        case pst.ScopeAny():
            yield from schema.views.values()
        case pst.ActionEq(entity=entity):
            yield from _within({uid(str(entity.type), entity.id)}, schema)
        case pst.ActionIn(entities=entities):
            yield from _within({uid(str(entity.type), entity.id) for entity in entities}, schema)


def _within(uids: set[str], schema: PolicySchema) -> Iterator[ActionView]:
    return (view for view in schema.views.values() if not uids.isdisjoint(view.action.closure))


def _left_out(views: Iterable[ActionView]) -> Iterator[tuple[str, str]]:
    for view in views:
        tool = view.tool
        if tool is not None:
            yield from {**tool.args.left_out, **tool.facts.left_out}.items()


def _declares(view: ActionView, mention: Mention) -> bool:
    """Whether the context of the action can have the path. Only arguments and facts have optional parts."""
    if mention.path[0] not in ("args", "facts"):
        return True
    if view.tool is None:
        return False
    shape = view.tool.args.shape if mention.path[0] == "args" else view.tool.facts.shape
    found: Any = shape.cedar
    for name in mention.path[1:]:
        found = found.get("attributes", {}).get(name)
        if found is None:
            return False
    return True


def _named(part: Statement, message: str) -> Token | None:
    """The token that a message of cedarpy is about, as far as it names one."""
    for quoted in (*_QUOTED.findall(message), message.rpartition(":")[2]):
        words = _WORD.findall(quoted)
        tails = [words[start:] for start in range(len(words))]
        for candidate in ([quoted], *([text] for text in _STRING.findall(quoted)), *tails):
            token = part.find(*candidate)
            if token is not None:
                return token
    return None


def _syntax(message: str, place: str | None) -> Invalid:
    return Invalid(message, code="policy_syntax", next_step=f"Correct the policy; {_RECHECK}", place=place)


def _schema(message: str, place: str) -> Invalid:
    return Invalid(
        message,
        code="policy_schema",
        next_step=f"Use what `lichen policy schema` lists; {_RECHECK}",
        place=place,
    )
