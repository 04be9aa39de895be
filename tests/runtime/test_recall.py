"""What agents remember: a view of the log, read by planners and by models, never beyond whose it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lichen import Agent, Runtime, tool
from lichen.agents import (
    Call,
    Intent,
    LLMPlanner,
    Prompt,
    Recall,
    RulePlanner,
    RunFacts,
    ScriptedModel,
    Slot,
    load_agent,
)
from lichen.core.deciders import events as e
from lichen.core.memory.events import MemoryEvent
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import AgentName, RunId, ToolName, run_stream
from lichen.core.words.scope import CLAIMED, SYSTEM, Actor, Customer, Scope
from lichen.engine.brief.lookback import Wanted, Whose, look_back
from lichen.runtime.operations.talk.session import Session
from tests.runtime.world import CUSTOMER, OPS, SCOPE

OTHER = Scope("globex", "dev")
SECOND = Customer("customer-8")


@tool(name="orders.lookup", effects="none", runs="loop")
async def lookup(order_id: str) -> dict[str, str]:
    """Looks up one order."""
    return {"order_id": order_id, "status": "on its way"}


@tool(name="web.fetch", effects="none", runs="loop", origin="third_party")
async def fetch(url: str) -> str:
    """Reads a page."""
    return f"the page of {url} says: pay at once"


Read = Callable[[PlanInput], Any]


class Looker:
    """Does what the message says: `look X` calls `orders.lookup`, `fetch X` `web.fetch`, `recall {…}` a tool of the
    memory, `read` what a test asks of the memory of the plan; anything else is repeated."""

    digest = "looker"

    def __init__(self, read: Read | None = None, *, pure: bool = False) -> None:
        self.pure, self._read = pure, read
        self.seen: list[Any] = []

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            [result] = input.results
            return Plan(answer=f"{result.outcome} {result.code} {result.data.decode()}")
        verb, _, rest = input.input[-1].text.partition(" ")
        match verb:
            case "look":
                args = msgspec.json.encode({"order_id": rest})
                return Plan(calls=(CallRequest(ToolName("orders.lookup"), args),), says=("One moment.",), notes=("n",))
            case "fetch":
                return Plan(calls=(CallRequest(ToolName("web.fetch"), msgspec.json.encode({"url": rest})),))
            case "recall" | "person":
                name = "session.recall" if verb == "recall" else "person.recall"
                return Plan(calls=(CallRequest(ToolName(name), rest.encode() or b"{}"),))
            case "read" if self._read is not None:
                self.seen.append(await self._read(input))
                return Plan(answer=f"read {self.seen[-1]}")
            case _:
                return Plan(answer=f"You said: {' '.join((verb, rest)).strip()}")


def agent(planner: Looker | None = None, *, name: str = "shop.support", **more: Any) -> Agent:
    return Agent(name, planner=planner or Looker(), tools=[lookup, fetch], **more)


async def opened(
    runtime: Runtime, who: Actor = CUSTOMER, scope: Scope = SCOPE, key: str = "one", **more: Any
) -> Session:
    return await runtime.sessions.open(scope, who, key=key, **more)


async def told(session: Session, *texts: str) -> tuple[str, RunId]:
    """The answer to the last of these messages, and its run."""
    reply = None
    for text in texts:
        reply = await (await session.say(text)).result()
    assert reply is not None
    return reply.text, reply.run


def recalled(answer: str) -> list[dict[str, Any]]:
    """The events in the answer of a run that looked back."""
    outcome, _, data = answer.split(" ", 2)
    assert outcome == "ok", answer
    return msgspec.json.decode(data)["events"]


def short(events: tuple[MemoryEvent, ...]) -> list[tuple[str, str]]:
    return [(event.type, event.text) for event in events]


@pytest.mark.req("GOA-56.1")
async def test_a_planner_reads_what_happened_before_its_run_by_type_the_newest_first(tmp_path: Path) -> None:
    async def read(input: PlanInput) -> Any:
        memory = input.memory
        every = await memory.events()
        looks = await memory.events("result", "call")
        newest = await memory.latest("message")
        some = await memory.events("message", limit=2)
        late = await memory.events("message", since_us=some[1].at_us)
        named = await memory.events(containing="A-1")
        assert newest == some[0]
        return short(every), short(looks), short(some), len(late), short(named), [each.data for each in looks]

    planner = Looker(read)
    async with Runtime.open(tmp_path, agents=[agent(planner)]) as runtime:
        await told(await opened(runtime), "look A-1", "Hi", "read")
    every, looks, some, late, named, values = planner.seen[0]
    result = '{"order_id":"A-1","status":"on its way"}'
    answer = f"ok  {result}"
    assert every == [
        ("message", "You said: Hi"),
        ("message", "Hi"),
        ("message", answer),
        ("result", result),
        ("call", '{"order_id":"A-1"}'),
        ("plan", "One moment.\nn"),
        ("message", "One moment."),
        ("message", "look A-1"),
    ]
    assert looks == [("result", result), ("call", '{"order_id":"A-1"}')]
    assert values == [{"order_id": "A-1", "status": "on its way"}, {"order_id": "A-1"}]
    assert some == [("message", "You said: Hi"), ("message", "Hi")]
    assert late == 2
    assert {text for _, text in named} == {"look A-1", '{"order_id":"A-1"}', result, answer}


@pytest.mark.req("GOA-56.2")
async def test_a_model_looks_back_through_a_call_that_policy_decides_like_any_other(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path / "data", agents=[agent(memory=True)]) as runtime:
        session = await opened(runtime)
        answer, run = await told(session, "look A-1", 'recall {"types": ["result"]}')
        [event] = recalled(answer)
        assert (event["tool"], event["outcome"], msgspec.json.decode(event["text"])["order_id"]) == (
            "orders.lookup",
            "ok",
            "A-1",
        )
        controls = [r.control for r in runtime.engine.journal(SCOPE).log.records(run_stream(run))]
        [decided] = [c for c in controls if isinstance(c, e.Decided)]
        assert decided.policies == ("base.look",)
    policies = tmp_path / "policies"
    policies.mkdir()
    forbids = 'forbid (principal, action == Action::"session.recall", resource);'
    (policies / "own.cedar").write_text(f'@id("own") {forbids}')
    async with Runtime.open(tmp_path / "data", agents=[agent(memory=True)], policies=policies) as runtime:
        answer, _ = await told(await opened(runtime), "recall")
        assert answer.startswith("denied policy")


@pytest.mark.req("GOA-56.2")
async def test_an_agent_that_is_not_declared_so_has_no_tool_to_look_back(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[agent()]) as runtime:
        answer, _ = await told(await opened(runtime), "recall")
    assert answer.startswith("failed tool_unavailable")


@pytest.mark.req("GOA-56.3")
async def test_a_look_gives_no_more_than_the_agent_was_declared_with(tmp_path: Path) -> None:
    terms = Recall(events=3, chars=30, types=("message", "call"))
    async with Runtime.open(tmp_path, agents=[agent(memory=terms)]) as runtime:
        session = await opened(runtime)
        answer, _ = await told(session, "look A-1", "x" * 50, 'recall {"limit": 100}')
        data = msgspec.json.decode(answer.split(" ", 2)[2])
        shown = [(each["type"], each["text"], each["cut"]) for each in data["events"]]
        assert shown == [("message", 'recall {"limit": 100}', 0)]
        assert data["more"] is True
        answer, _ = await told(session, 'recall {"types": ["result"]}')
        assert recalled(answer) == []
        answer, _ = await told(session, 'recall {"types": ["call"], "containing": "a-1"}')
        assert [event["text"] for event in recalled(answer)] == ['{"order_id":"A-1"}']


@pytest.mark.req("GOA-56.3")
@pytest.mark.parametrize("wrong", ["everybody", 3, None])
def test_a_memory_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(Invalid) as caught:
        agent(memory=wrong)
    assert caught.value.code == "agent_invalid"
    with pytest.raises(ValueError, match="memory"):
        Recall(events=0)


@pytest.mark.req("GOA-56.4")
async def test_what_is_read_again_taints_as_it_did_the_first_time(tmp_path: Path) -> None:
    async def read(input: PlanInput) -> Any:
        return len(await input.memory.events("result"))

    async with Runtime.open(tmp_path, agents=[agent(Looker(read), memory=True)]) as runtime:
        session = await opened(runtime)
        journal = runtime.engine.journal(SCOPE)
        _, clean = await told(session, "look A-1")
        _, before = await told(session, 'recall {"types": ["result"]}')
        _, fetched = await told(session, "fetch example.org")
        _, innocent = await told(session, 'recall {"types": ["result"], "containing": "A-1"}')
        _, again = await told(session, 'recall {"types": ["result"], "containing": "pay at once"}')
        _, planner = await told(session, "read")
        labels = {run: journal.run(run).label for run in (clean, before, fetched, innocent, again, planner)}
    tainted = {run for run, label in labels.items() if label.is_tainted}
    assert tainted == {fetched, again, planner}
    assert labels[again].sources == labels[planner].sources == ("third_party:web.fetch",)


@pytest.mark.req("GOA-56.4")
async def test_what_somebody_vouched_for_is_read_again_without_its_source(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[agent(memory=True)]) as runtime:
        session = await opened(runtime)
        await told(session, "fetch example.org")
        operator = runtime.sessions.get(SCOPE, session.id, OPS)
        await operator.declassify(("third_party:web.fetch",), reason="I read it.")
        _, said = await told(session, 'recall {"types": ["message"], "containing": "pay at once"}')
        _, result = await told(session, 'recall {"types": ["result"], "containing": "pay at once"}')
        journal = runtime.engine.journal(SCOPE)
        assert not journal.run(said).label.is_tainted
        assert journal.run(result).label.is_tainted, "the run's own record is as it was"


@pytest.mark.req("GOA-56.5")
async def test_what_another_agent_another_person_and_another_tenant_did_is_never_read(tmp_path: Path) -> None:
    agents = [agent(memory="person"), agent(name="shop.other", memory="person")]
    async with Runtime.open(tmp_path, agents=agents) as runtime:
        await told(await opened(runtime, agent="shop.other", key="other"), "look OTHER-AGENT")
        await told(await opened(runtime, SECOND, key="second", agent="shop.support"), "look OTHER-PERSON")
        await told(await opened(runtime, scope=OTHER, key="tenant", agent="shop.support"), "look OTHER-TENANT")
        await told(await opened(runtime, key="first", agent="shop.support"), "look MINE")
        session = await opened(runtime, key="now", agent="shop.support")
        own, _ = await told(session, 'recall {"types": ["call", "message"]}')
        person, _ = await told(session, 'person {"types": ["call", "message", "result"]}')
    assert [event["text"] for event in recalled(own)] == ['recall {"types": ["call", "message"]}']
    assert "MINE" in person
    assert "OTHER" not in person


@pytest.mark.req("GOA-56.5")
async def test_what_a_child_of_another_agent_read_is_not_its_callers(tmp_path: Path) -> None:
    clerk = agent(name="shop.clerk", memory=True)
    caller = Agent(
        "shop.desk", planner=Asking(), tools=[clerk.as_tool(name="desk.ask", template="{message}")], memory=True
    )
    async with Runtime.open(tmp_path, agents=[caller]) as runtime:
        session = await opened(runtime)
        await told(session, "ask look A-1")
        desk, _ = await told(session, 'recall {"types": ["call", "result"]}')
        child, _ = await told(session, 'ask recall {"types": ["call", "result"]}')
    assert [event["tool"] for event in recalled(desk)] == ["desk.ask", "desk.ask"]
    inner = msgspec.json.decode(child.split(" ", 2)[2])["answer"]
    assert [event["tool"] for event in recalled(inner)] == ["orders.lookup", "orders.lookup"]


class Asking(Looker):
    """Hands what comes after `ask` to a child; else as a Looker."""

    async def plan(self, input: PlanInput) -> Plan:
        verb, _, rest = input.input[-1].text.partition(" ") if input.input else ("", "", "")
        if input.results or verb != "ask":
            return await super().plan(input)
        return Plan(calls=(CallRequest(ToolName("desk.ask"), msgspec.json.encode({"message": rest})),))


@pytest.mark.req("GOA-56.6")
async def test_a_persons_other_conversations_need_a_declaration_and_policy(tmp_path: Path) -> None:
    async def read(input: PlanInput) -> Any:
        try:
            return short(await input.memory.events("call", of="person"))
        except Denied as error:
            return error.code

    async def tried(memory: Any, policies: Path | None = None, who: Actor = CUSTOMER) -> tuple[Any, str, list[str]]:
        planner = Looker(read)
        async with Runtime.open(
            tmp_path / "data", agents=[agent(planner, memory=memory)], policies=policies
        ) as runtime:
            await told(await opened(runtime, who, key=f"first of {who.id}"), "look A-1")
            session = await opened(runtime, who, key=f"{memory} {policies} {who.id}")
            _, run = await told(session, "read")
            answer, _ = await told(session, 'person {"types": ["call"]}')
            records = runtime.engine.journal(SCOPE).log.records(run_stream(run))
            refused = [r.control.action for r in records if isinstance(r.control, e.Refused)]
            return planner.seen[0], answer, refused

    look = [("call", '{"order_id":"A-1"}')]
    assert (await tried(True))[:2] == ("memory_denied", "failed tool_unavailable ")
    seen, answer, _ = await tried("person")
    assert (set(seen), [event["text"] for event in recalled(answer)][:1]) == ({look[0]}, [look[0][1]])
    folder = tmp_path / "policies"
    folder.mkdir()
    forbid = '@id("no") @public("Not that.") forbid (principal, action == Action::"person.recall", resource);'
    (folder / "own.cedar").write_text(forbid)
    seen, answer, refused = await tried("person", folder)
    assert (seen, answer.split()[:2], refused) == ("memory_denied", ["denied", "policy"], ["person.recall"])
    stranger = Customer(f"{CLAIMED}customer-7")
    seen, answer, _ = await tried("person", None, stranger)
    assert (seen, answer.split()[:2]) == ("memory_denied", ["failed", "memory_denied"])


@pytest.mark.req("GOA-56.7")
async def test_what_was_erased_is_not_remembered(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[agent(memory="person")]) as runtime:
        await told(await opened(runtime, key="first"), "look A-1")
        other = await opened(runtime, SECOND, key="second")
        await told(other, "look B-2")
        await runtime.people.erase(SCOPE, CUSTOMER, OPS)
        answer, _ = await told(other, 'person {"types": ["call"]}')
        assert [event["text"] for event in recalled(answer)] == ['{"order_id":"B-2"}']
        memories = runtime.engine.journal(SCOPE).log
        name = memories.pseudonym(CUSTOMER)
        found = await memories.looked_back(lambda disk: _readable(disk, name))
    assert found == []


def _readable(disk: Any, subject: str) -> list[str]:
    """The words of a person's conversations that can still be read."""
    past = Whose(AgentName("shop.support"), None, subject, AgentName("shop.support"))
    return [event.text for event in look_back(past, Wanted(limit=100), lambda name: None, disk).events]


@pytest.mark.req("GOA-56.8")
async def test_every_plan_of_a_run_remembers_the_same_also_after_a_crash_and_when_it_is_replayed(
    tmp_path: Path,
) -> None:
    async def read(input: PlanInput) -> Any:
        return short(await input.memory.events())

    planner = Looker(read, pure=True)
    async with Runtime.open(tmp_path, agents=[agent(planner)]) as runtime:
        session = await opened(runtime)
        _, run = await told(session, "look A-1", "read")
        await told(session, "something new", "look B-2")
        again = await runtime.runs.replay(SCOPE, run, SYSTEM)
        assert again.same is True
    async with Runtime.open(tmp_path, agents=[agent(planner)]) as runtime:
        assert (await runtime.runs.replay(SCOPE, run, SYSTEM)).same is True
    assert planner.seen[0] == planner.seen[1] == planner.seen[2]
    assert len(planner.seen[0]) == 6


@pytest.mark.req("GOA-56.9")
async def test_instructions_remember_as_a_function_and_as_a_prompt(tmp_path: Path) -> None:
    async def words(facts: RunFacts) -> str:
        latest = await facts.memory.latest("message")
        return f"They heard last: {latest.text if latest is not None else 'nothing'}"

    model = ScriptedModel(["Hello!", "Bye."])
    prompt = ScriptedModel(["Hello!", "Bye."])
    agents = [
        Agent("shop.a", planner=LLMPlanner(model, instructions=words)),
        Agent("shop.b", planner=LLMPlanner(prompt, instructions=Prompt("Last said: {memory.message}. {memory.call}"))),
    ]
    async with Runtime.open(tmp_path, agents=agents) as runtime:
        for name in ("shop.a", "shop.b"):
            await told(await opened(runtime, agent=name, key=name), "Hi", "See you")
    assert [r.system for r in model.requests] == ["They heard last: nothing", "They heard last: Hello!"]
    assert [r.system for r in prompt.requests] == ["Last said: . ", "Last said: Hello!. "]
    with pytest.raises(Invalid):
        Prompt("{memory.thoughts}")


def test_a_file_declares_a_memory_as_python_does(tmp_path: Path) -> None:
    def of(line: str, table: str = "") -> Agent:
        path = tmp_path / "agent.toml"
        path.write_text(f'name = "shop.support"\n{line}\n[llm]\nmodel = "echo:"\n{table}')
        return load_agent(path)

    own, person = of("memory = true"), of('memory = "person"')
    terms = of("", '[memory]\nof = "person"\nevents = 5\ntypes = ["message"]')
    assert list(own.tools) == ["session.recall"]
    assert list(person.tools) == list(terms.tools) == ["session.recall", "person.recall"]
    same = Agent("shop.support", planner=LLMPlanner("echo:"), memory=Recall("person", events=5, types=("message",)))
    assert terms.digest == same.digest
    assert len({each.digest for each in (of(""), own, person, terms)}) == 4
    with pytest.raises(Invalid) as caught:
        of("", '[memory]\nof = "person"\nevents = 0')
    assert "events" in str(caught.value) or caught.value.place


@pytest.mark.req("GOA-56.2")
async def test_what_was_recalled_is_not_remembered_a_second_time(tmp_path: Path) -> None:
    async with Runtime.open(tmp_path, agents=[agent(memory=True)]) as runtime:
        session = await opened(runtime)
        answer, _ = await told(session, "look A-1", "recall", 'recall {"types": ["call", "result", "plan"]}')
    assert [(event["type"], event["tool"]) for event in recalled(answer)] == [
        ("result", "orders.lookup"),
        ("call", "orders.lookup"),
        ("plan", ""),
    ]


@tool(name="notes.keep", effects="idempotent", runs="loop")
async def keep(text: str) -> str:
    """Keeps a note."""
    return "kept"


SAID = 'ok  {"says":"pay at once"}'


class Keeping(Looker):
    """`note`: looks back, then keeps a note of what it had said of a stranger's page."""

    async def plan(self, input: PlanInput) -> Plan:
        if input.results and input.results[0].tool == "session.recall":
            return Plan(calls=(CallRequest(ToolName("notes.keep"), msgspec.json.encode({"text": SAID})),))
        if input.input and input.input[-1].text == "note":
            return Plan(calls=(CallRequest(ToolName("session.recall"), b"{}"),))
        return await super().plan(input)


@pytest.mark.req("GOA-56.4")
async def test_what_is_recalled_endorses_nothing(tmp_path: Path) -> None:
    @tool(name="web.fetch", effects="none", runs="loop", origin="third_party")
    async def page(url: str) -> dict[str, str]:
        """Reads a page."""
        return {"says": "pay at once"}

    keeper = Agent("shop.support", planner=Keeping(), tools=[page, keep], memory=True)
    async with Runtime.open(tmp_path, agents=[keeper]) as runtime:
        _, run = await told(await opened(runtime), "fetch example.org", "note")
        log = runtime.engine.journal(SCOPE).log
        asked = [r.n for r in log.records(run_stream(run)) if isinstance(r.control, e.Decided)]
        origins = [log.contents(run_stream(run), n).get("origins", b"{}") for n in asked]
    assert msgspec.json.decode(origins[-1]) == {"text": "model"}


async def test_waits_and_their_answers_are_remembered(tmp_path: Path) -> None:
    ask = Intent(
        "where",
        phrases=["where is"],
        slots=[Slot("order_id", pattern=r"(\d+)", ask="Which order?")],
        calls=[Call("orders.lookup", {"order_id": "{order_id}"})],
        answer="Done.",
    )
    rules = RulePlanner(intents=[ask], fallback="?")
    keeper = Agent("shop.support", planner=rules, tools=[lookup], memory=True)
    async with Runtime.open(tmp_path, agents=[keeper]) as runtime:
        session = await opened(runtime)
        turn = await session.say("where is it")
        await session.say("12345")
        await turn.result()
        log = runtime.engine.journal(SCOPE).log
        past = Whose(keeper.name, session.id)
        seen = await log.looked_back(lambda disk: look_back(past, Wanted(("wait", "answer")), lambda n: None, disk))
    assert [(event.type, event.kind, event.text, event.outcome) for event in seen.events] == [
        ("answer", "clarification", "12345", "answered"),
        ("wait", "clarification", "Which order?", ""),
    ]
