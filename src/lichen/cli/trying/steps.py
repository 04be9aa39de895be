"""`lichen flow new`, `add-step`, `update-step`, `delete-step`, `bind-component`: flow files that are changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from lichen.cli.show.screen import Screen, note
from lichen.core.words.errors import Conflict, Invalid

if TYPE_CHECKING:
    from lichen.flows.edit.routes import Routes
    from lichen.flows.edit.sidecar import Sidecar
    from lichen.flows.edit.text import FlowText

JSON_BYTES_MAX = 1024 * 1024


class Strategy(StrEnum):
    """What becomes of what led to a step that is taken out."""

    splice = "splice"
    remove_only = "remove-only"


class Predecessors(StrEnum):
    """What becomes of them where there are several."""

    error = "error"
    splice_all = "splice-all"


Flow = Annotated[Path, typer.Option("--flow", help="The flow's file.", metavar="FILE")]
Step = Annotated[str, typer.Option("--step", help="The node.", metavar="NODE")]
Payload = Annotated[str, typer.Option("--payload", help="What it is given, a JSON object.", metavar="JSON")]
Out = Annotated[bool, typer.Option("--routing-out", help="The flow ends behind it.")]
Reply = Annotated[bool, typer.Option("--routing-reply", help="Its text is sent, and the flow ends.")]
Next = Annotated[str, typer.Option("--routing-next", help="It leads to this node.", metavar="NODE")]
Multi = Annotated[str, typer.Option("--routing-multi-to", help="It leads to these: a,b.", metavar="NODES")]
Routing = Annotated[Path | None, typer.Option("--routing-json", help="A file of routes, a JSON list.", metavar="FILE")]
Wasm = Annotated[Path | None, typer.Option("--local-wasm", help="Its component, a file.", metavar="FILE")]
Component = Annotated[
    str, typer.Option("--component", help="Its component, oci://, repo:// or store://.", metavar="REF")
]
Pin = Annotated[bool, typer.Option("--pin", help="Names the digest of what is there now.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Prints the flow as it would be, and writes nothing.")]
Validate = Annotated[bool, typer.Option("--validate-only", help="Says whether it can be done, and writes nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")]


def new(
    flow: Flow,
    id: Annotated[str, typer.Option("--id", help="The flow's id.")],
    kind: Annotated[str, typer.Option("--type", help="messaging, event, job, http or component-config.")] = "messaging",
    title: Annotated[str, typer.Option("--name", help="Its title.")] = "",
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also where there is a file.")] = False,
) -> None:
    """Begins a flow: a file without nodes."""
    from lichen.flows.edit.begin import new_flow
    from lichen.flows.edit.sidecar import replace

    text = new_flow(id, kind, title=title, description=description)
    if flow.exists() and not force:
        step = "Name another file, or say --force."
        raise Conflict(f"There is a file {flow}.", code="flow_exists", next_step=step)
    flow.parent.mkdir(parents=True, exist_ok=True)
    replace(flow, text)
    note(f"{id} begins in {flow}.")


def add_step(
    flow: Flow,
    node_id: Annotated[str, typer.Option("--node-id", help="The id of the new node.", metavar="NODE")],
    operation: Annotated[str, typer.Option("--operation", help="What it does.")] = "",
    payload: Payload = "{}",
    after: Annotated[str, typer.Option("--after", help="The node before it; the last one unless said.")] = "",
    config_flow: Annotated[
        Path | None, typer.Option("--config-flow", help="A flow that asks how it is set up, and gives the node.")
    ] = None,
    answers: Annotated[
        str, typer.Option("--answers", help="What that flow asks, a JSON object.", metavar="JSON")
    ] = "{}",
    routing_out: Out = False,
    routing_reply: Reply = False,
    routing_next: Next = "",
    routing_multi_to: Multi = "",
    routing_json: Routing = None,
    local_wasm: Wasm = None,
    component: Component = "",
    pin: Pin = False,
    dry_run: DryRun = False,
    validate_only: Validate = False,
    as_json: AsJson = False,
) -> None:
    """Adds a step to a flow.

    It leads where the step before it led, which leads to it from now on. Comments and order of the file stay.
    """
    from lichen.flows.edit.steps import NewStep
    from lichen.flows.edit.steps import add_step as added

    text = _read(flow)
    routes = _routes(routing_out, routing_reply, routing_next, routing_multi_to, routing_json)
    step = NewStep(node_id, operation, _object(payload, "--payload"), routes, after or None)
    if config_flow is not None:
        step = _configured(step, config_flow, _object(answers, "--answers"))
    done = added(text, step)

    def bind(sidecar: Sidecar) -> None:
        _bind(sidecar, flow, done.id, local_wasm, component, pin=pin)

    told = {"node": done.id, "after": done.after or None}
    _finish(flow, text, bind, told, f"{done.id} was added", dry_run=dry_run, only=validate_only, as_json=as_json)


def update_step(
    flow: Flow,
    step: Step,
    operation: Annotated[str, typer.Option("--operation", help="What it does from now on.")] = "",
    payload: Payload = "{}",
    answers: Annotated[str, typer.Option("--answers", help="The same as --payload.", metavar="JSON")] = "{}",
    routing_out: Out = False,
    routing_reply: Reply = False,
    routing_next: Next = "",
    routing_multi_to: Multi = "",
    routing_json: Routing = None,
    dry_run: DryRun = False,
    validate_only: Validate = False,
    as_json: AsJson = False,
) -> None:
    """Changes a step of a flow: members of its payload, its operation, where it leads."""
    from lichen.flows.edit.steps import Changed
    from lichen.flows.edit.steps import update_step as updated

    text = _read(flow)
    members = {**_object(payload, "--payload"), **_object(answers, "--answers")}
    routes = _routes(routing_out, routing_reply, routing_next, routing_multi_to, routing_json)
    updated(text, step, Changed(operation or None, members, routes))
    _finish(
        flow,
        text,
        _nothing,
        {"node": step},
        f"{step} was changed",
        dry_run=dry_run,
        only=validate_only,
        as_json=as_json,
    )


def delete_step(
    flow: Flow,
    step: Step,
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="Whether what led to it leads on.")
    ] = Strategy.splice,
    predecessors: Annotated[
        Predecessors, typer.Option("--if-multiple-predecessors", help="Where several nodes lead to it.")
    ] = Predecessors.error,
    dry_run: DryRun = False,
    validate_only: Validate = False,
    as_json: AsJson = False,
) -> None:
    """Takes a step out of a flow; what led to it leads where it led."""
    from lichen.flows.edit.steps import delete_step as deleted

    text = _read(flow)
    led = deleted(text, step, strategy=strategy.value, predecessors=predecessors.value)
    told = {"node": step, "leads_on": list(led)}
    _finish(flow, text, _nothing, told, f"{step} was taken out", dry_run=dry_run, only=validate_only, as_json=as_json)


def bind_component(
    flow: Flow,
    step: Step,
    local_wasm: Wasm = None,
    component: Component = "",
    pin: Pin = False,
) -> None:
    """Says where the component of a step comes from, in the sidecar of the flow."""
    from lichen.flows.edit.sidecar import Sidecar

    text = _read(flow)
    text.node(step, code="step_missing")
    if local_wasm is None and not component:
        raise typer.BadParameter("Name --local-wasm FILE or --component REF.")
    sidecar = Sidecar(flow)
    _bind(sidecar, flow, step, local_wasm, component, pin=pin)
    sidecar.write()
    note(f"{sidecar.path} says where the component of {step} comes from.")


# -- parts -------------------------------------------------------------------------------------------------------


def _read(flow: Path) -> FlowText:
    from lichen.flows.edit.text import FlowText
    from lichen.flows.read.load import text_of

    return FlowText(text_of(flow), str(flow))


def _finish(
    flow: Path,
    text: FlowText,
    bind: Callable[[Sidecar], None],
    told: dict[str, Any],
    what: str,
    *,
    dry_run: bool,
    only: bool,
    as_json: bool,
) -> None:
    """Writes the flow and its sidecar, unless nothing is to be written."""
    from lichen.flows.edit.sidecar import Sidecar, replace

    sidecar, written, warnings = Sidecar(flow), text.written(), text.checked().warnings
    bind(sidecar)
    sidecar.keep(map(str, text.nodes))
    if not (dry_run or only):
        replace(flow, written)
        sidecar.write()
    screen = Screen(as_json=as_json)
    more = {"written": not (dry_run or only), "warnings": [f"{each.place}: {each.message}" for each in warnings]}
    if screen.data({**told, **more, **({"flow": written} if dry_run else {})}):
        return
    if dry_run:
        typer.echo(written, nl=False)
    for each in warnings:
        note(f"{each.place}: {each.message}")
    note(f"{what}; nothing was written." if dry_run or only else f"{what}: {flow}.")


def _nothing(sidecar: Sidecar) -> None:
    """Nothing to bind."""


def _bind(sidecar: Sidecar, flow: Path, node: str, wasm: Path | None, component: str, *, pin: bool) -> None:
    from lichen.flows.edit.sidecar import Bound, pinned, source_of

    reference = str(wasm) if wasm is not None else component
    if wasm is not None and component:
        raise typer.BadParameter("Name --local-wasm or --component, not both.")
    if not reference:
        return
    source = source_of(reference, flow)
    is_pinned = pin or bool(source.digest)
    sidecar.bind(node, Bound(pinned(source, flow) if pin else source, "pinned" if is_pinned else "tracked"))


def _routes(out: bool, reply: bool, following: str, several: str, file: Path | None) -> Routes | None:
    """Where a step leads, None where nobody said. Raises Invalid (`add_step_routing_invalid`)."""
    from lichen.flows.edit.routes import OUT, REPLY

    said = [out, reply, bool(following), bool(several), file is not None]
    if sum(said) > 1:
        raise typer.BadParameter("Say one --routing only.")
    if file is not None:
        found = _decoded(file.read_text(encoding="utf-8"), str(file))
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in cast("list[Any]", found)):
            message, step = f"{file} holds no list of routes.", 'Write [{"to": "node"}].'
            raise Invalid(message, code="add_step_routing_invalid", next_step=step, place=str(file))
        return cast("Routes", found)
    if out or reply:
        return list(OUT if out else REPLY)
    named = [following] if following else [each.strip() for each in several.split(",") if each.strip()]
    return [{"to": each} for each in named] or None


def _object(text: str, option: str) -> dict[str, Any]:
    found = _decoded(text, option)
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{option} is no JSON object.")
    return cast("dict[str, Any]", found)


def _decoded(text: str, place: str) -> Any:
    if len(text) > JSON_BYTES_MAX:
        raise typer.BadParameter(f"{place} is longer than {JSON_BYTES_MAX} characters.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise typer.BadParameter(f"{place} is no JSON.") from None


def _configured(step: Any, config_flow: Path, answers: dict[str, Any]) -> Any:
    """The step as a flow of type component-config gives it for these answers."""
    import msgspec

    from lichen.flows.read.config_flow import configured
    from lichen.flows.read.load import load
    from lichen.flows.syntax.shape import operations

    made = configured(load(config_flow), answers, following="NEXT_NODE_PLACEHOLDER")
    node = dict(made.node)
    operation = operations(node)[-1]
    routing = node.pop("routing", None)
    own = cast("Routes", routing) if isinstance(routing, list) else None
    return msgspec.structs.replace(
        step,
        id=step.id or made.node_id,
        operation=operation,
        payload=node.pop(operation),
        routes=own if step.routes is None else step.routes,
        is_strict=step.routes is None,
        more=node,
    )
