"""Agents as files: a TOML, YAML or JSON file that is a whole agent, except for its tools, which it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from lichen.agents import document, written
from lichen.agents.agent import Agent, Source
from lichen.agents.exports import export
from lichen.agents.llm.llm import LLMPlanner
from lichen.agents.llm.prompts import Prompt
from lichen.agents.models.model import resolve
from lichen.agents.overlay import Overlay, overlaid
from lichen.agents.patterns.written import made
from lichen.agents.rules.planner import RulePlanner
from lichen.agents.tables import AgentFile, ChildTable, LLMTable, PatternTable, ToolTable
from lichen.agents.tables import LimitsTable as LimitsTable
from lichen.agents.toolset import Toolset, renamed
from lichen.core.ports.call import Tool
from lichen.core.ports.model import Model
from lichen.core.ports.plan import Planner
from lichen.core.remote.tools import RemoteTools
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

FILE_BYTES_MAX: Final = 1024 * 1024
FILES_MAX: Final = 64  # that one agent is made of
CODE = written.CODE

T = TypeVar("T")


def load_agent(
    path: str | Path,
    tools: Iterable[Tool | Toolset] = (),
    *,
    root: Path | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Agent:
    """The agent in the file at `path`, with the prompts and children that it names, which lie beside it. It sees those
    of `tools` that the file lists, and no others. What it names lies in `root`, the folder of its project: without it
    the nearest above the file with a `lichen.toml`, else the file's own. `files` are what is read instead of the disk,
    by their paths.

    Raises Invalid (`agent_file_invalid`, `rule_invalid`, `tool_unknown`, `tool_invalid`, `prompt_invalid`,
    `agent_invalid`, `model_unknown`, `path_outside`) whose place is `file:line:column`, with the JSON pointer of what
    is wrong.
    """
    given, folder = Toolset("given", tools), root or document.project_of(Path(path))

    def again(files: Mapping[str, bytes], instead: Sequence[Tool] = ()) -> Agent:
        reading = _Reading(_with(given, instead), files, folder)
        agent = reading.agent(Path(path), ())
        return agent.from_source(Source(reading.files, again, given.tools))

    return again({str(Path(name).resolve()): data for name, data in (files or {}).items()})


def _with(given: Toolset, instead: Sequence[Tool]) -> Toolset:
    """The tools with some that stand in for those of their names."""
    if not instead:
        return given
    return Toolset("given", {tool.spec.name: tool for tool in (*given.tools, *instead)}.values())


class _Reading:
    """Makes agents of files, each of which is read once: from those that were kept, else from the disk."""

    def __init__(self, given: Toolset, kept: Mapping[str, bytes], root: Path) -> None:
        self.files: dict[str, bytes] = {}
        self._given, self._kept, self._root = given, kept, root

    def agent(self, path: Path, callers: tuple[Path, ...]) -> Agent:
        """The agent in a file; `callers` are the files of those that call it. Raises Invalid."""
        data = self._bytes(path, is_named=bool(callers))
        try:
            said = written.read(path, data)
        except Invalid as error:
            raise _Placed(error.message, code=error.code, next_step=error.next_step, place=error.place) from error
        try:
            file = document.read(said.tree, AgentFile, code=CODE)
            return _Making(self, path, (*callers, path.resolve()), file).agent()
        except _Placed:
            raise
        except Invalid as error:
            place = said.place(path, (error.place or "").removesuffix("/"))
            raise _Placed(error.message, code=error.code, next_step=error.next_step, place=place) from error

    def _bytes(self, path: Path, *, is_named: bool) -> bytes:
        """The bytes of an agent's file. What cannot be read and another file names is placed there."""
        try:
            return self.text(path, FILE_BYTES_MAX, CODE)
        except Invalid as error:
            if not is_named:
                raise
            raise Invalid(f"{error.message} ({path})", code=error.code, next_step=error.next_step) from error

    def text(self, path: Path, bytes_max: int, code: str) -> bytes:
        """The bytes of a file that the agent is made of. Raises Invalid, also for one outside of the project."""
        document.check_within(path, self._root)
        key = str(path.resolve())
        if key not in self.files:
            if len(self.files) >= FILES_MAX:
                step = "Let its children be agents of the project."
                raise Invalid(f"The agent is made of more than {FILES_MAX} files.", code=CODE, next_step=step)
            kept = self._kept.get(key)
            self.files[key] = document.load(path, bytes_max, code=code) if kept is None else kept
        return self.files[key]

    @property
    def given(self) -> Toolset:
        """All tools there are."""
        return self._given


class _Placed(Invalid):
    """A mistake whose place in a file is known."""


class _Making:
    """Makes the agent that one file says. Places are JSON pointers here."""

    def __init__(self, reading: _Reading, path: Path, callers: tuple[Path, ...], file: AgentFile) -> None:
        self._reading, self._path, self._callers, self._file = reading, path, callers, file

    def agent(self) -> Agent:
        """The agent. Raises Invalid."""
        file = self._file
        limits = None if file.limits is None else file.limits.limits()
        if file.pattern is not None:
            return self._team(file.pattern, limits)
        planner = self._planner()
        tools = [tool for i, said in enumerate(file.tools) for tool in _at(f"/tools/{i}", self._chosen, said)]
        remote = [RemoteTools(said) if isinstance(said, str) else said for said in file.mcp]
        if isinstance(planner, RulePlanner):
            _check_calls(planner, {tool.spec.name for tool in tools}, {each.server for each in remote})
        children = [tool for i, said in enumerate(file.children) for tool in _at(f"/children/{i}", self._child, said)]
        return Agent(
            file.name,
            planner=planner,
            tools=[*tools, *children, *remote],
            limits=limits,
            description=file.description,
            answers=file.answers,
            say=file.say,
            on_missing=file.on_missing,
            memory=file.memory,
        )

    def _team(self, pattern: PatternTable, limits: Limits | None) -> Agent:
        """The agent that is made of others."""
        file = self._file
        for name in ("rules", "llm", "tools", "mcp", "children", "answers", "say", "memory"):
            if getattr(file, name):
                step = "Say it in the file of a member."
                message = f"An agent that is a pattern has no `{name}` of its own."
                raise Invalid(message, code=CODE, next_step=step, place=f"/{name}")
        if file.on_missing != "resume":
            message = "An agent that is a pattern makes no calls that could lack arguments."
            raise Invalid(message, code=CODE, next_step="Leave it out.", place="/on_missing")
        members: dict[str, Agent] = {}

        def member(pointer: str, named: str) -> Agent:
            if named not in members:
                members[named] = _at(pointer, self._beside, named)
            return members[named]

        return _at("/pattern", lambda: made(file.name, pattern, member, limits=limits, description=file.description))

    def _beside(self, named: str) -> Agent:
        """The agent in a file beside this one."""
        path = self._path.parent / named
        if path.resolve() in self._callers:
            step = "Name another agent, or leave it out."
            raise Invalid(f"{named} is made of itself in the end.", code=CODE, next_step=step)
        return self._reading.agent(path, self._callers)

    def _chosen(self, said: str | ToolTable) -> tuple[Tool, ...]:
        """The tools that an entry of `tools` names, as this agent has them."""
        if isinstance(said, str):
            return self._named(said)
        found = self._named(said.tool)
        overlay = Overlay(**{name: getattr(said, name) for name in Overlay.__struct_fields__})
        if said.name and len(found) > 1:
            step = "Name one tool, or leave out `name`."
            raise Invalid(
                f"{len(found)} tools cannot all be called {said.name!r}.", code="tool_invalid", next_step=step
            )
        made = (renamed(tool, said.name) if said.name else tool for tool in found)
        return tuple(overlaid(tool, overlay) for tool in made)

    def _named(self, name: str) -> tuple[Tool, ...]:
        """The tools of a name; of a manifest beside the agent's file what it stands for."""
        if not name.endswith(".clad.toml"):
            return self._reading.given.matching(name).tools
        from lichen.tools.clad.loading import manifest_tools  # for agents with commands only

        return manifest_tools(self._path.parent / name, lambda path: self._reading.text(path, FILE_BYTES_MAX, CODE))

    def _child(self, said: ChildTable) -> tuple[Tool, ...]:
        path = self._path.parent / said.file
        if path.resolve() in self._callers:
            step = "Leave out the child that leads back."
            raise Invalid(f"{said.file} calls itself in the end.", code=CODE, next_step=step, place="/file")
        child = self._reading.agent(path, self._callers)
        asked = child.as_tool(
            description=said.description,
            prompt=_at("/prompt", self._prompt, said.prompt) if said.prompt else None,
            template=said.message,
            text=said.text,
            name=said.tool,
        )
        prefix = asked.spec.name.rpartition(".")[0]
        return (asked, *(export(child, prefix, asks={}, passes=said.passes).tools if said.passes else ()))

    def _planner(self) -> Planner:
        rules, llm = self._file.rules, self._file.llm
        if rules is not None and llm is None:
            return _at("/rules", RulePlanner.from_mapping, rules)
        if llm is not None and rules is None:
            return _at("/llm", self._asking, llm)
        step = "Write one table `rules`, `llm` or `pattern`."
        raise Invalid("An agent has exactly one planner.", code=CODE, next_step=step)

    def _asking(self, llm: LLMTable) -> LLMPlanner:
        beside = ("prompt", "model_from")
        options: dict[str, Any] = {name: getattr(llm, name) for name in llm.__struct_fields__ if name not in beside}
        if llm.model_from is not None and (named := os.environ.get(llm.model_from)):
            options["model"] = _of_variable(named, llm.model_from)
        if llm.compress is not None:
            options["compress"] = _at("/compress", llm.compress.compress)
        if llm.prompt:
            options["instructions"] = _at("/prompt", self._prompt, llm.prompt)
        return LLMPlanner(**options)

    def _prompt(self, name: str) -> Prompt:
        path = self._path.parent / name
        try:
            return Prompt.parse(self._reading.text(path, FILE_BYTES_MAX, "prompt_invalid"), path)
        except Invalid as error:
            said = f"{error.message} ({path})"
            raise Invalid(said, code=error.code, next_step=error.next_step) from error


def _of_variable(named: str, variable: str) -> Model:
    """The model that an environment variable names. Raises Invalid (`model_unknown`) with the variable as its place."""
    try:
        return resolve(named)
    except Invalid as error:
        raise _Placed(error.message, code=error.code, next_step=error.next_step, place=variable) from error


def _at(pointer: str, make: Callable[..., T], *given: Any) -> T:
    """What `make` makes; the place of an Invalid gets the pointer in front of it."""
    try:
        return make(*given)
    except _Placed:
        raise
    except Invalid as error:
        inner = error.place if (error.place or "").startswith("/") else ""
        place = f"{pointer}{inner}".removesuffix("/")
        raise Invalid(error.message, code=error.code, next_step=error.next_step, place=place) from error


def _check_calls(rules: RulePlanner, listed: set[str], servers: set[str]) -> None:
    """Raises Invalid for a rule that calls what the agent does not list: it could never work."""
    for i, intent in enumerate(rules.intents):
        for j, call in enumerate(intent.calls):
            if call.tool not in listed and call.tool.partition(".")[0] not in servers:
                raise Invalid(
                    f"Intent {intent.name!r} calls {call.tool!r}, which is not among the agent's tools.",
                    code="rule_invalid",
                    next_step="Add it to `tools`, or correct the name.",
                    place=f"/rules/intents/{i}/calls/{j}/tool",
                )
