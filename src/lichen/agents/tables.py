"""The shape of an agent's file: its tables and keys, each of which is an option of the same agent in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from lichen.agents.llm.compress import INSTRUCTIONS as SUMMING
from lichen.agents.llm.compress import WITHIN_S, Compress
from lichen.agents.llm.instructions import INSTRUCTIONS
from lichen.agents.llm.llm import Manner
from lichen.agents.overlay import Overlay
from lichen.agents.ways.router import Route
from lichen.core.memory.events import MemoryScope, Recall
from lichen.core.ports.agent import OnMissing
from lichen.core.remote.tools import RemoteTools
from lichen.core.words.limits import Limits

_DEFAULTS = Limits()


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[limits]`: what is left out has its default."""

    calls: int = _DEFAULTS.calls
    time_s: float = _DEFAULTS.time_s
    failures: int = _DEFAULTS.failures
    fan_out: int = _DEFAULTS.fan_out
    depth: int = _DEFAULTS.depth
    tokens: int = _DEFAULTS.tokens
    grace_s: float = _DEFAULTS.grace_s
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        self.limits()  # its ValueError gets the table's place

    def limits(self) -> Limits:
        """The limits this table means."""
        return Limits(**msgspec.structs.asdict(self))


class CompressTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[llm.compress]`: what `Compress` takes, the model that makes summaries and when they are due."""

    model: str
    after_tokens: int | None = None
    after_turns: int | None = None
    keep_turns: int = 4
    after_steps: int | None = None
    keep_steps: int = 4
    max_tokens: int = 800
    instructions: str = SUMMING
    within_s: float = WITHIN_S

    def compress(self) -> Compress:
        """The way of summing up that this table means. Raises Invalid."""
        return Compress(**msgspec.structs.asdict(self))


class LLMTable(Manner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[llm]`: what LLMPlanner takes; `model` may be a list of names, of which the first that can answer does. `prompt`
    is a file of instructions, in place of `instructions`. `model_from` is an environment variable that names another
    model where it is set.
    """

    model: str | tuple[str, ...]
    model_from: Annotated[str, msgspec.Meta(pattern="^LICHEN_MODEL(_[A-Z0-9]+)*$", max_length=64)] | None = None
    instructions: str = INSTRUCTIONS
    prompt: str = ""
    max_tokens: int | None = None
    history_turns: int = 20
    compress: CompressTable | None = None

    def __post_init__(self) -> None:
        if self.prompt and self.instructions != INSTRUCTIONS:
            raise ValueError("`instructions` and `prompt` are two ways to say the same; write one of them")


class ToolTable(Overlay, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A tool of the agent in a table of its own, with what the agent says of it beside its author (an `Overlay`).
    `tool` is a name, or `orders.*` for all that begin so; `name` is what this agent calls it.
    """

    tool: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if not self.tool:
            raise ValueError("a table of tools needs `tool`, the name of one")


class ChildTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another agent as a tool of this one: its `file`, and what `Agent.as_tool` takes. `message` is the template of
    the child's first message, `text` that message as it is, `prompt` the file of a prompt that comes before the
    arguments; of these the prompt counts first, then the template. `passes` are tools of the child that this agent
    calls itself, without a run of the child.
    """

    file: str
    tool: str = ""
    description: str = ""
    message: str = ""
    text: str = ""
    prompt: str = ""
    passes: tuple[str, ...] = ()


class ChainTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="chain"):
    """`[pattern]` of `kind = "chain"`: what `patterns.chain` takes. Here and below agents are named by their files."""

    members: tuple[str, ...]


class RaceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="race"):
    """What `patterns.race` takes."""

    members: tuple[str, ...]


class ParallelTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="parallel"):
    """What `patterns.parallel` takes; `join` is an agent."""

    members: tuple[str, ...]
    join: str = ""
    least: int = 1


class MapReduceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="map_reduce"):
    """What `patterns.map_reduce` takes; the parts are the strings of a JSON array, else the lines."""

    mapper: str
    reducer: str
    at_once: int | None = None


class DebateTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="debate"):
    """What `patterns.debate` takes; it ends where the critic begins with AGREED."""

    writer: str
    critic: str
    rounds: int | None = None


class DirectorTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="director"):
    """What `patterns.director` takes."""

    lead: str
    workers: tuple[str, ...]


class RouterTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="router"):
    """What `patterns.router` takes."""

    small: str
    large: str
    routes: tuple[Route, ...] = ()
    threshold: float | None = None
    is_asked: bool = True


class HumanTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person as the judge: what `patterns.Human` takes."""

    may_answer: tuple[str, ...] = ("operator",)
    expires_s: float | None = None


class CriticTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="critic"):
    """What `patterns.critic` takes; the judge is an agent, or a person as a table of their own."""

    writer: str
    judge: str | HumanTable
    rubric: Mapping[str, float]
    threshold: float | None = None
    rounds: int | None = None


PatternTable = (
    ChainTable | RaceTable | ParallelTable | MapReduceTable | DebateTable | DirectorTable | RouterTable | CriticTable
)


class AgentFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. Exactly one of `[rules]` (what RulePlanner takes), `[llm]`, and `[pattern]` for an agent made of
    others, which are files beside it. `tools` lists what it may use; an entry that ends in
    `.clad.toml` is the command of the ToolClad manifest beside it.
    `mcp` names servers whose tools it may use, as tables with `only` or `without` some of them.
    `answers` is the JSON Schema that each answer has to fit, `say` the sentence that customers read in its place, or a
    table `[say]` with one for each language. `memory`: true, `"session"`, `"person"`, or a table
    `[memory]` with what a `Recall` holds."""

    name: str
    description: str = ""
    tools: Sequence[str | ToolTable] = ()
    mcp: Sequence[str | RemoteTools] = ()
    children: Sequence[ChildTable] = ()
    limits: LimitsTable | None = None
    on_missing: OnMissing = "resume"
    rules: Mapping[str, Any] | None = None
    llm: LLMTable | None = None
    pattern: PatternTable | None = None
    answers: Mapping[str, Any] | None = None
    say: str | Mapping[str, str] = ""
    memory: bool | MemoryScope | Recall = False
