"""What templates and conditions may read: the entry, nodes that ran, variables, slots, the session, the time.

Roots: `entry` (also `in`, `inputs`), `input` (what came last), `prev`, `node.<id>` and plain `<id>`, `state`, `vars`,
`slots`, `parameters`, `now`, `session`, `context`. What a form sent and questions found out stands in the entry as
well, and what a channel says of every message. The time is that of the run's start, so the same records give the same
texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lichen.core.ports.plan import RunContext
from lichen.flows.nodes.frames import Frame, Output
from lichen.flows.text.reach import MISSING, Path, fields_of, reach

_VIEWS = ("payload", "output", "data")
_ENTRY = ("entry", "in", "inputs", "input")


class Around(NamedTuple):
    """What is the same for every node of a plan."""

    session: Mapping[str, Any]
    now: Mapping[str, Any]
    envelope: Mapping[str, Any] = {}
    tenant: Mapping[str, Any] = {}


def around(run: RunContext) -> Around:
    """What a run is surrounded by."""
    number = int(run.turn[1:]) if run.turn else 0
    session = {
        "id": run.session or "",
        "turn": number,
        "is_new": number == 1,
        "channel": run.attributes.get("channel", ""),
        "language": run.attributes.get("language", ""),
    }
    moment = datetime.fromtimestamp(run.started_at_us / 1e6, UTC)
    iso = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    now = {"iso": iso, "epoch_ms": run.started_at_us // 1000, "date": iso[:10]}
    return Around(session, now, _envelope(run), _tenant(run))


def _tenant(run: RunContext) -> dict[str, Any]:
    """The context of a tenant as components get it. Source: greentic-types, TenantCtx."""
    tenant, user = run.scope.tenant, run.actor.subject.id
    named = {"env": run.scope.env, "tenant": tenant, "tenant_id": tenant, "user": user, "user_id": user}
    return {**named, "session_id": run.session or "", "attributes": dict(run.attributes)}


def _envelope(run: RunContext) -> dict[str, Any]:
    """What a channel's envelope says of every message: the entry and the input have it where nothing else was sent."""
    user = {"id": run.actor.subject.id, "kind": run.actor.subject.kind}
    return {
        "metadata": {},
        "attachments": [],
        "user": user,
        "from": user,
        "tenant": {"env": run.scope.env, "tenant": run.scope.tenant, "tenant_id": run.scope.tenant},
        "session_id": run.session or "",
        "channel": run.attributes.get("channel", ""),
    }


class Context:
    """The values around one node. `extra` are further roots; `spread` are fields that stand at the root as well, behind
    everything else. `nodes` are those that ran, where that are more than the frame's own: a branch has those before
    it, and the roots `item` and `index`."""

    def __init__(
        self,
        frame: Frame,
        around: Around,
        *,
        parameters: Mapping[str, Any],
        latest: Mapping[str, Any],
        extra: Mapping[str, Any] | None = None,
        spread: Any = None,
        nodes: Mapping[str, Output] | None = None,
    ) -> None:
        self._frame = frame
        self._outputs = frame.nodes if nodes is None else nodes
        self._extra = extra or {}
        self._spread = spread
        self._roots: dict[str, Any] = {
            "entry": frame.entry,
            "in": frame.entry,
            "inputs": frame.entry,
            "input": latest,
            "vars": frame.vars,
            "slots": frame.slots,
            "parameters": parameters,
            "now": around.now,
            "session": around.session,
        }
        if frame.is_branch:
            self._roots |= {"item": frame.item, "index": frame.index}
        self._envelope = around.envelope
        self._tenant = around.tenant

    def get(self, path: Path) -> Any:
        """The value at `path`, or MISSING."""
        first, rest = path[0], path[1:]
        if first in self._extra:
            return reach(self._extra[first], rest)
        if first in self._roots:
            found = reach(self._roots[first], rest)
            return self._besides(first, rest) if found is MISSING and first in _ENTRY else found
        match first:
            case "node":
                return self._node(rest) if rest else {id: output.payload for id, output in self._outputs.items()}
            case "prev":
                return self._node((self._frame.prev, *rest))
            case "state":
                return self._state(rest)
            case _ if first in self._outputs:
                return self._node(path)
            case "context":
                return reach(self._tenant, rest)
            case _:
                return reach(self._spread, path)

    def _besides(self, root: str, path: Path) -> Any:
        """What the entry and the input know besides what was sent: the fields of the last form, answers to questions,
        what the channel says of every message, and all of it once more under `input`."""
        if path[0] == "input" and root != "input":
            return self.get((root, *path[1:]))
        for values in (self._roots["input"], self._frame.slots, self._envelope):
            found = reach(values, path)
            if found is not MISSING:
                return found
        return MISSING

    def _node(self, path: Path) -> Any:
        """A node's payload; its fields also under `payload`, `output` and `data`, and how the node ended."""
        output = self._outputs.get(path[0])
        if output is None:
            return MISSING
        found = reach(output.payload, path[1:])
        if found is not MISSING:
            return found
        if path[1] == "input":
            return reach(output.input, path[2:])
        if path[1] in _VIEWS:
            return reach(output.payload, path[2:])
        return reach(described(output), path[1:])

    def _state(self, path: Path) -> Any:
        if not path:
            return {"entry": self._frame.entry, "input": self._roots["input"], "nodes": self._nodes()}
        match path[0]:
            case "entry" | "input":
                return self.get(path)
            case "nodes" if len(path) == 1:
                return self._nodes()
            case "nodes":
                output = self._outputs.get(path[1])
                return MISSING if output is None else reach(_recorded(output), path[2:])
            case _:
                return MISSING

    def _nodes(self) -> dict[str, Any]:
        return {id: _recorded(output) for id, output in self._outputs.items()}


def described(output: Output) -> dict[str, Any]:
    """How a node ended, beside its payload."""
    failed = (
        {"error": {"code": output.code, "message": output.message}, "errors": [output.message]} if output.code else {}
    )
    return {"ok": output.ok, "status": output.status, "text": text_of(output.payload), **failed}


def _recorded(output: Output) -> dict[str, Any]:
    return {"ok": output.ok, "payload": output.payload, "meta": {"status": output.status, "code": output.code}}


def text_of(payload: Any) -> str:
    """What a payload says to people: the text it is, or its `text`. Empty where it says nothing."""
    text = fields_of(payload).get("text") if isinstance(payload, Mapping) else payload
    return text if isinstance(text, str) else ""
