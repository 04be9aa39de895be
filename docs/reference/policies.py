"""What policies are about and may read: actions, context, annotations, meters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from docs.reference.markdown import block, code, table
from docs.reference.structs import rows
from lichen.core.ports.call import Effects
from lichen.core.ports.policy import MODEL_METERS, RUN_METERS
from lichen.gate.rules import annotations as read
from lichen.gate.rules import declarations, policies
from lichen.gate.rules.schema import ACTIONS, schema_of

_METER = declarations._Meter  # pyright: ignore[reportPrivateUsage] - the struct of the file itself

ACTION: Mapping[str, str] = {
    "agent.create": "Agents are declared from Python while the runtime runs.",
    "agent.list": "The agents are listed.",
    "agent.read": "An agent is shown, with its tools and limits.",
    "channel.check": "A channel asks its platform whether its settings are right.",
    "channel.read": "Channels are listed, with what each lacks.",
    "channel.register": "A platform is told where we are, or to send nothing more.",
    "channel.test": "A test message is sent by a channel.",
    "eval.list": "Results of evals are listed, and shown without what was said.",
    "eval.read": "What was said in evals is read.",
    "health.read": "The state of the runtime is shown.",
    "key.issue": "A key is made.",
    "key.read": "Keys are listed, without their secrets.",
    "key.revoke": "A key is made worthless.",
    "letter.drop": "A dead letter of a channel is put away, or a message is said to be there, or not to go any more.",
    "letter.read": "Dead letters are listed and shown, and messages that got stuck on their way out.",
    "letter.replay": "A dead letter of a channel is taken after all, or a message that got stuck goes again.",
    "log.backup": "The log is copied.",
    "log.erase": "A person is erased.",
    "log.export": "A part of the log is exported.",
    "log.read": "Records are read.",
    "log.verify": "The log is proved.",
    "message.send": "A message goes to a channel.",
    "model.invoke": "A language model is asked.",
    "policy.check": "Policies are loaded without taking effect.",
    "policy.read": "Policies are shown, and asked what they would decide.",
    "policy.reload": "Policies, flows and agents are read again.",
    "process.stop": "The process is told to end.",
    "run.cancel": "A run is cancelled.",
    "run.declassify": "A run goes on without a source in its label.",
    "run.pause": "A run is halted.",
    "run.contents": "Words of runs and conversations are read: what was said, sent, asked and returned. Operators may.",
    "run.read": "Runs are listed and shown: what happened, with sizes, labels and digests.",
    "run.result": "The answer of a run is read.",
    "run.resume": "A halted run goes on.",
    "run.start": "A run is started: by itself, by a turn of a conversation, or by an agent that calls another.",
    "schedule.fire": "A program begins a schedule, for something that happened.",
    "schedule.pause": "A schedule begins nothing more.",
    "schedule.read": "Schedules are shown, with their ticks.",
    "schedule.replay": "A tick that failed for good begins again.",
    "schedule.resume": "A paused schedule begins again.",
    "schedule.run": "A schedule begins once, at once.",
    "secret.read": "Secrets are listed, without their values.",
    "secret.remove": "A secret is forgotten.",
    "secret.set": "A secret is given its first value, or the next.",
    "secret.use": "A tool is about to be handed a secret, of this name, or a model is about to be asked by it.",
    "session.close": "A conversation is ended.",
    "session.declassify": "A conversation goes on without a source in its label.",
    "session.list": "Conversations are listed.",
    "session.open": "A conversation with an agent is opened.",
    "session.read": "A conversation is read.",
    "session.say": "Something is said in a conversation.",
    "session.tell": "Somebody writes to a conversation, or begins one, who was not asked.",
    "stop.clear": "A stop is taken back.",
    "stop.read": "Stops are listed.",
    "stop.set": "A tool, agent, run or tenant is stopped.",
    "tool.login": "Somebody signs in at a server, of this name, for calls that are made for them.",
    "tool.look": "A server is asked what it offers.",
    "tool.read": "What servers offer is listed and shown.",
    "tool.review": "What a server offers is accepted or rejected.",
    "tool.submit": "Definitions of tools of a server, of this name, are submitted to be judged.",
    "wait.answer": "A question, an approval or a call in doubt is answered.",
    "wait.read": "What waits for a person is listed and shown.",
}

CONTEXT: Mapping[str, tuple[str, str]] = {
    "context.actor": ("{kind, id, roles, capabilities}", "Whom it is about in the end: the person an agent acts for."),
    "context.label": ("{sources, tainted, secrecy}", "What the asker has read: `tainted` once a third party's words."),
    "context.args": ("by the tool's parameters", "The arguments of the call. Money is in minor units."),
    "context.facts": ("by what `facts` returns", "What your own system says, whatever a model claims."),
    "context.meters": (
        "{METER: Long}",
        "What is used up and reserved, without this one; for a model, of models.",
    ),
    "context.pending": ("{METER: Long}", "The part of that which is not settled yet."),
    "context.endorsed": ("{ARGUMENT: Bool}", "Whether the customer or your records said the argument."),
    "context.tool": (
        "{effects, tags}",
        "What the tool says of itself. Of `secret.use`: the name of the tool, or of the model.",
    ),
    "context.model": ("{provider, name, tags}", "Of `model.invoke` alone: `openai:gpt-5` is `gpt-5` of `openai`."),
    "context.environment": ("String", "Of `secret.use` alone: the environment."),
}

ANNOTATION: Mapping[str, tuple[str, str]] = {
    "id": ('@id("refund-at-once")', "Names the policy in every decision."),
    "public": ('@public("A colleague has to agree.")', "May be told to the customer. `@public_de` says it in German."),
    "reason": ('@reason("More than 50 EUR.")', "For operators, beside the decision."),
    "description": ('@description("…")', "For readers of the file."),
    "approval": ('@approval("operator")', "Somebody of this role agrees first."),
    "confirm": ('@confirm("Really?")', "Who asks says first that they really want it. Never an approval."),
    "expires": ('@expires("24h")', "How long the answer may take: `s`, `m`, `h` or `d`. A day if left out."),
    "limit": (
        '@limit("refunds <= 3")',
        "Meters may not pass these sums. A request to a model is made to fit; a run begins while there is room.",
    ),
    "redact": ('@redact("email,phone")', "Fields of the result that the planner does not see."),
    "declassify": ('@declassify("third_party:web.fetch")', "Sources that the result may go without."),
}

METER: Mapping[str, str] = {
    "name": "Policies read it as `context.meters.NAME`.",
    "tools": "Calls of these count.",
    "amount": "The integer argument that is summed; without it, calls are counted.",
    "per": "What it is kept apart by.",
    "per_argument": 'With `per = "argument"`: which one.',
    "window": "Per day, UTC, or for good.",
}


def actions() -> str:
    """What can be asked for."""
    _same("actions", ACTIONS, ACTION)
    fixed = [(code(f'Action::"{name}"'), code(kind), ACTION[name]) for name, kind in ACTIONS.items()]
    groups = [
        (code(f'Action::"tool.call.{effects}"'), code("Tool"), f"Any tool with effects `{effects}`.")
        for effects in get_args(Effects)
    ]
    tool = (code('Action::"payments.refund"'), code("Tool"), "A tool, by its own name.")
    any_tool = (code('Action::"tool.call"'), code("Tool"), "Any tool.")
    return table(("action", "resource", "when it is asked for"), [tool, any_tool, *groups, *fixed])


def context() -> str:
    """What conditions may read."""
    text = schema_of([]).text
    for name in ("ActorInfo", "LabelInfo", "ToolInfo"):
        if name not in text:
            raise ValueError(f"the schema has no {name} any more: say so in docs/reference/policies.py")
    return table(("name", "shape", "what it says"), ((code(n), s, w) for n, (s, w) in CONTEXT.items()))


def annotated() -> str:
    """What a policy may say beside its condition."""
    always, permits = read._ALWAYS, read._ON_PERMITS  # pyright: ignore[reportPrivateUsage]
    _same("annotations", (*always, *permits), ANNOTATION)
    lines = (
        (code(ANNOTATION[name][0]), "permits" if name in permits else "any", ANNOTATION[name][1])
        for name in (*always, *permits)
    )
    return table(("annotation", "on", "what it says"), lines)


MODEL_METER: Mapping[str, str] = {
    "run_tokens": "Tokens of the run, and of all runs that it called or that called it.",
    "run_micro_usd": "The same in money.",
    "session_tokens": "Tokens of the session; of the run, where there is none.",
    "session_micro_usd": "The same in money.",
    "customer_tokens": "Tokens of whose the run is, on this day, UTC.",
    "customer_micro_usd": "The same in money.",
    "day_tokens": "Tokens of the tenant's environment on this day, UTC.",
    "day_micro_usd": "The same in money.",
}


def model_meters() -> str:
    """What is counted of models."""
    _same("meters of models", MODEL_METERS, MODEL_METER)
    return table(("meter", "what it counts"), ((code(name), said) for name, said in MODEL_METER.items()))


RUN_METER: Mapping[str, str] = {
    "customer_runs": "Runs that began on this day, UTC, for whose the run would be, without those that runs called.",
    "customer_tokens": "Tokens that models took for them on this day.",
    "customer_micro_usd": "The same in money.",
    "day_tokens": "Tokens that models took in the tenant's environment on this day.",
    "day_micro_usd": "The same in money.",
}


def run_meters() -> str:
    """What is counted before a run is started."""
    _same("meters of runs", RUN_METERS, RUN_METER)
    return table(("meter", "what it counts"), ((code(name), said) for name, said in RUN_METER.items()))


def meters() -> str:
    """The keys of a meter."""
    return rows(_METER, METER)


def base() -> str:
    """The permits that are part of every set unless `policy.toml` says `base = false`, and the starter policies."""
    return f"{block('cedar', policies.BASE)}\n\nWithout a directory of policies these are added:\n\n" + block(
        "cedar", policies.STARTER
    )


def _same(what: str, there: object, said: Mapping[str, object]) -> None:
    names = set(there)  # type: ignore[call-overload]
    if names != set(said):
        raise ValueError(f"{what}: say what {names ^ set(said)} means in docs/reference/policies.py")
