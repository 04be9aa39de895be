"""The Cedar schema of a tenant's tools: which actions there are, on what, and what policies may read about each.

Every tool is an action of its own name, on `Tool::"<name>"`, in the group of its effects (`tool.call.once`) and in
`tool.call`. What is no tool call is one of the fixed `ACTIONS`. The context of every action has
    actor {kind, id, roles, capabilities} whom it is about in the end: the person an agent acts for
    label {sources, tainted, secrecy}     what the asker has read
and the context of a tool call besides
    args, facts                           by the tool's schemas
    meters, pending {<meter>: Long}       what is used up, and the part of it that is not settled yet; without this call
    endorsed {<argument>: Bool}           whether an accepted source said the argument
    tool {effects, tags}
that of `secret.use`
    tool, environment                     the name of the tool or model it is handed to, and where
and that of `model.invoke`
    model {provider, name, tags}          `openai:gpt-5` is `gpt-5` of `openai`; tags are the project's own
    tool                                  the tool in a call of which it is asked; "" where the agent itself asks
    meters {<meter>: Long}                what the run, its session, its customer's and its tenant's day used of models,
                                          without this
and that of `run.start`
    meters {<meter>: Long}                what whose it would be, and the tenant, began and used today, without it
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec

from lichen.core.ports.call import Effects, ToolSpec
from lichen.core.ports.policy import MODEL_METERS, RUN_METERS, Meter
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import ActorKind
from lichen.gate.cedar.shapes import Projection, projection
from lichen.gate.cedar.values import Entity, Value
from lichen.gate.label.labels import Arguments, arguments_of

if TYPE_CHECKING:
    import cedarpy

Action = Literal[
    "agent.create", "agent.list", "agent.read", "channel.check", "channel.read", "channel.register", "channel.test",
    "eval.list", "eval.read", "health.read", "key.issue", "key.read",
    "key.revoke", "letter.drop", "letter.read", "letter.replay", "log.backup",
    "log.erase", "log.export", "log.read", "log.verify", "message.send", "model.invoke",
    "policy.check", "policy.read", "policy.reload", "process.stop", "run.cancel", "run.contents", "run.declassify",
    "run.pause", "run.read", "run.result", "run.resume", "run.start", "schedule.fire", "schedule.pause",
    "schedule.read", "schedule.replay", "schedule.resume", "schedule.run", "secret.read", "secret.remove", "secret.set",
    "secret.use",
    "session.close", "session.declassify", "session.list", "session.open", "session.read", "session.say",
    "session.tell",
    "stop.clear", "stop.read", "stop.set", "tool.login", "tool.look", "tool.read", "tool.review",
    "tool.submit",
    "wait.answer", "wait.read",
]  # fmt: skip
"""What can be asked for besides tool calls. Each of these is asked for by some operation; there are no others."""

ACTIONS: Final[Mapping[Action, str]] = {
    "agent.create": "Agent",
    "agent.list": "Agent",
    "agent.read": "Agent",
    "channel.check": "Channel",
    "channel.read": "Channel",
    "channel.register": "Channel",
    "channel.test": "Channel",
    "eval.list": "Eval",
    "eval.read": "Eval",
    "health.read": "Tenant",
    "key.issue": "Key",
    "key.read": "Key",
    "key.revoke": "Key",
    "letter.drop": "Channel",
    "letter.read": "Channel",
    "letter.replay": "Channel",
    "log.backup": "Tenant",
    "log.erase": "Tenant",
    "log.export": "Tenant",
    "log.read": "Tenant",
    "log.verify": "Tenant",
    "message.send": "Channel",
    "model.invoke": "Model",
    "policy.check": "Tenant",
    "policy.read": "Tenant",
    "policy.reload": "Tenant",
    "process.stop": "Tenant",
    "run.cancel": "Run",
    "run.contents": "Run",
    "run.declassify": "Run",
    "run.pause": "Run",
    "run.read": "Run",
    "run.result": "Run",
    "run.resume": "Run",
    "run.start": "Agent",
    "schedule.fire": "Schedule",
    "schedule.pause": "Schedule",
    "schedule.read": "Schedule",
    "schedule.replay": "Schedule",
    "schedule.resume": "Schedule",
    "schedule.run": "Schedule",
    "secret.read": "Secret",
    "secret.remove": "Secret",
    "secret.set": "Secret",
    "secret.use": "Secret",
    "session.close": "Session",
    "session.declassify": "Session",
    "session.list": "Session",
    "session.open": "Agent",
    "session.read": "Session",
    "session.say": "Session",
    "session.tell": "Session",
    "stop.clear": "Stop",
    "stop.read": "Stop",
    "stop.set": "Stop",
    "tool.login": "Server",
    "tool.look": "Server",
    "tool.read": "Definition",
    "tool.review": "Definition",
    "tool.submit": "Server",
    "wait.answer": "Wait",
    "wait.read": "Wait",
}
"""The type of the resource that a check names by its id. What is about all of a type names `*`; of a wait, its kind;
of a new key, the kind of actor it is for; of a stop, `<kind>:<name>`."""

PRINCIPALS: Final[Mapping[ActorKind, str]] = {kind: kind.capitalize() for kind in get_args(ActorKind)}
"""The entity type of each kind of actor."""

_STRING: Final = {"type": "String"}
_STRINGS: Final = {"type": "Set", "element": _STRING}
_TYPES: Final = {
    "ActorInfo": {"kind": _STRING, "id": _STRING, "roles": _STRINGS, "capabilities": _STRINGS},
    "LabelInfo": {"sources": _STRINGS, "tainted": {"type": "Boolean"}, "secrecy": {"type": "Long"}},
    "ToolInfo": {"effects": _STRING, "tags": _STRINGS},
    "ModelInfo": {"provider": _STRING, "name": _STRING, "tags": _STRINGS},
}
_TOOL_CALL: Final = "tool.call"
_PLAIN: Final = (
    "Channel", "Definition", "Eval", "Key", "Model", "Role", "Run", "Schedule", "Secret", "Server", "Session", "Stop",
    "Tenant", "Wait",
)  # fmt: skip
_CODE: Final = "component:"  # begins the tag of a tool that says whose code it is
SECRET_USE: Final = "secret.use"
MODEL_INVOKE: Final = "model.invoke"
RUN_START: Final = "run.start"


class ToolView(msgspec.Struct, frozen=True):
    """What the gate knows of a tool: how to show its arguments and facts to policies, and which meters it reads."""

    spec: ToolSpec
    arguments: Arguments
    args: Projection
    facts: Projection
    info: Mapping[str, Value]  # `context.tool`
    meters: tuple[Meter, ...]  # those that policies about this tool may read


class ActionView(msgspec.Struct, frozen=True):
    """What the gate knows of an action. `resource` is fixed for a tool, else made from `resource_type` and an id."""

    action: Entity
    resource_type: str
    resource: Entity | None = None
    tool: ToolView | None = None


class PolicySchema(msgspec.Struct, frozen=True):
    """What policies are validated against. `document` is the schema in Cedar's JSON notation."""

    document: Mapping[str, Any]
    cedar: cedarpy.Schema
    views: Mapping[str, ActionView]

    @property
    def text(self) -> str:
        """The schema in Cedar's own notation, for people."""
        return str(self.cedar)


def schema_of(tools: Iterable[ToolSpec], meters: Iterable[Meter] = ()) -> PolicySchema:
    """The schema for these tools and meters. Raises Invalid (`tool_name_reserved`, `tool_twice`)."""
    views: dict[str, ActionView] = {
        name: ActionView(Entity("Action", name), resource) for name, resource in ACTIONS.items()
    }
    declared = tuple(meters)
    for spec in tools:
        if not _is_known(spec, views):
            views[spec.name] = _tool_action(spec, declared)
    document = {"": {"entityTypes": _entity_types(), "actions": _actions(views), "commonTypes": _common_types()}}
    import cedarpy

    return PolicySchema(document, cedarpy.Schema.from_json_str(json.dumps(document)), views)


def _is_readable(meter: Meter, tool: str) -> bool:
    """Whether policies about `tool` may read `meter`: one kept apart by an argument needs a tool with that argument."""
    return meter.per != "argument" or tool in meter.tools


def _is_known(spec: ToolSpec, views: Mapping[str, ActionView]) -> bool:
    """Whether the tool is there already: two agents may have the same one."""
    if spec.name in ACTIONS or spec.name == _TOOL_CALL or spec.name.startswith(f"{_TOOL_CALL}."):
        raise Invalid(
            f"The tool name {spec.name} is the name of an action.",
            code="tool_name_reserved",
            next_step="Rename the tool; tools are named <toolset>.<tool>.",
        )
    known = views[spec.name].tool if spec.name in views else None
    if known is not None and known.spec != spec:
        raise Invalid(
            f"There are two different tools named {spec.name}.",
            code="tool_twice",
            next_step="Give one of them another name.",
        )
    return known is not None


def _tool_action(spec: ToolSpec, meters: tuple[Meter, ...]) -> ActionView:
    group = Entity("Action", f"{_TOOL_CALL}.{spec.effects}", parents=[Entity("Action", _TOOL_CALL)])
    info: dict[str, Value] = {"effects": spec.effects, "tags": frozenset(spec.tags)}
    view = ToolView(
        spec=spec,
        arguments=arguments_of(spec.input_schema),
        args=projection(spec.input_schema, "args"),
        facts=projection(spec.facts_schema or {"type": "object"}, "facts"),
        info=info,
        meters=tuple(meter for meter in meters if _is_readable(meter, spec.name)),
    )
    resource = Entity("Tool", spec.name, parents=_toolsets(spec.name))
    return ActionView(Entity("Action", spec.name, parents=[group]), "Tool", resource, view)


def is_alike(known: ToolSpec, given: ToolSpec) -> bool:
    """Whether two versions of a tool are the same for policies that were validated against the first: all but the code
    that a component consists of, and what is said of it and of its results."""
    return bare(known) == bare(given)


def bare(spec: ToolSpec) -> ToolSpec:
    """What policies are validated against of a tool that is a component; of any other, all of it."""
    if not any(tag.startswith(_CODE) for tag in spec.tags):
        return spec
    tags = tuple(tag for tag in spec.tags if not tag.startswith(_CODE))
    return msgspec.structs.replace(spec, tags=tags, description="", output_schema={}, digest="")


def with_tags(view: ActionView, spec: ToolSpec) -> ActionView:
    """The view with the tags of another version of its tool."""
    assert view.tool is not None, "only tools have tags"
    info = {**view.tool.info, "tags": frozenset(spec.tags)}
    return msgspec.structs.replace(view, tool=msgspec.structs.replace(view.tool, spec=spec, info=info))


def _toolsets(name: str) -> list[Entity]:
    """`service.toolset.tool` is in Toolset `service.toolset`, which is in Toolset `service`."""
    toolset, dot, _ = name.rpartition(".")
    return [Entity("Toolset", toolset, parents=_toolsets(toolset))] if dot else []


# -- the document ------------------------------------------------------------------------------------------------


def _entity_types() -> dict[str, Any]:
    who = {"memberOfTypes": ["Role"], "shape": _record({"roles": _STRINGS, "capabilities": _STRINGS})}
    principals: dict[str, Any] = dict.fromkeys(PRINCIPALS.values(), who)
    plain: dict[str, Any] = {name: {} for name in _PLAIN}
    return {
        **principals,
        **plain,
        "Tool": {"memberOfTypes": ["Toolset"]},
        "Toolset": {"memberOfTypes": ["Toolset"]},
    }


def _common_types() -> dict[str, Any]:
    return {name: _record(attributes) for name, attributes in _TYPES.items()}


def _actions(views: Mapping[str, ActionView]) -> dict[str, Any]:
    groups: dict[str, Any] = {_TOOL_CALL: {}}
    for effects in get_args(Effects):
        groups[f"{_TOOL_CALL}.{effects}"] = {"memberOf": [{"id": _TOOL_CALL}]}
    return {**groups, **{name: _action(view) for name, view in views.items()}}


def _action(view: ActionView) -> dict[str, Any]:
    return {
        "memberOf": [{"id": parent.id} for parent in view.action.parents],
        "appliesTo": {
            "principalTypes": list(PRINCIPALS.values()),
            "resourceTypes": [view.resource_type],
            "context": _context(view),
        },
    }


def _context(view: ActionView) -> dict[str, Any]:
    common = {"actor": {"type": "ActorInfo"}, "label": {"type": "LabelInfo"}}
    tool = view.tool
    if view.action.id == SECRET_USE:
        return _record({**common, "tool": _STRING, "environment": _STRING})
    if view.action.id == MODEL_INVOKE:
        counts = _record({name: {"type": "Long"} for name in MODEL_METERS})
        return _record({**common, "model": {"type": "ModelInfo"}, "meters": counts, "tool": _STRING})
    if view.action.id == RUN_START:
        return _record({**common, "meters": _record({name: {"type": "Long"} for name in RUN_METERS})})
    if tool is None:
        return _record(common)
    counts = _record({meter.name: {"type": "Long"} for meter in tool.meters})
    return _record(
        {
            **common,
            "args": tool.args.shape.cedar,
            "facts": tool.facts.shape.cedar,
            "tool": {"type": "ToolInfo"},
            "meters": counts,
            "pending": counts,
            "endorsed": _record({name: {"type": "Boolean"} for name in tool.arguments.properties}),
        }
    )


def _record(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": dict(attributes)}
