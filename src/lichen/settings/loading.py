"""A project as loaded from its `lichen.toml`: its parts one after the other, so that no mistake hides another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, TypeVar

import msgspec

from lichen.agents.agent import Agent, Source
from lichen.agents.document import load as load_file
from lichen.agents.files import CODE, FILE_BYTES_MAX, load_agent
from lichen.agents.toolset import Toolset, flattened
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import Invalid, LichenError, NotFound
from lichen.settings.decoding import Decoded, decode, place_in
from lichen.settings.file import FILE, FlowFile, Settings
from lichen.settings.modules import own_modules, referred
from lichen.settings.places import line_of, steps_of

if TYPE_CHECKING:
    from lichen.runtime.project.flows import Hosting

AGENT_FILES = (".toml", ".json")

T = TypeVar("T")


class Examined(NamedTuple):
    """A project with everything that is wrong with it. `settings` holds what could be loaded, None for nothing."""

    settings: Settings | None
    errors: tuple[LichenError, ...]


def find(start: Path) -> Path:
    """The nearest `lichen.toml` at or above a directory. Raises NotFound (`project_unknown`)."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise NotFound(
        f"There is no {FILE} here or above.", code="project_unknown", next_step="Run `lichen init` in an empty folder."
    )


def load(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """The project of a `lichen.toml`. Raises the first of what `examine` finds."""
    settings, errors = examine(path, environ=environ)
    if errors:
        first = errors[0]
        if len(errors) > 1:
            first.next_step += f" `lichen doctor` names {len(errors) - 1} more."
        raise first
    assert settings is not None, "a project without a mistake is loaded"
    return settings


def examine(path: Path, *, environ: Mapping[str, str]) -> Examined:
    """The project of a `lichen.toml`, and every mistake in what it says and names, each with its place."""
    decoded = decode(path)
    if decoded.file is None:
        return Examined(None, decoded.errors)
    loading = _Loading(path, decoded)
    settings = loading.settings(environ)
    return Examined(settings, (*decoded.errors, *loading.errors))


class _Loading:
    """Loads the parts of a project, and collects what is wrong with them."""

    def __init__(self, path: Path, decoded: Decoded) -> None:
        assert decoded.file is not None
        self.path, self.root = path, path.resolve().parent
        self.text, self.file = decoded.text, decoded.file
        self.errors: list[LichenError] = []

    def settings(self, environ: Mapping[str, str]) -> Settings:
        """What could be loaded."""
        parts = self.file.lichen
        tools = tuple(tool for i, name in enumerate(parts.tools) for tool in self._tools(i, name))
        agents = tuple(agent for i, name in enumerate(parts.agents) for agent in self._agents(i, name, tools))
        flows = self.flows(parts.flows, agents, tools)
        home = Path(environ.get("LICHEN_HOME") or self.root / parts.home).resolve()
        names = tuple(flow.name for flow in flows)
        modules = own_modules(self.root, self.path.resolve())
        settings = Settings(
            self.root,
            home,
            (*agents, *flows),
            self.file.tenants,
            names,
            self.file.serve,
            tools=tools,
            file=self.path.resolve(),
            modules=modules,
            flow_files=parts.flows,
        )
        self._check(settings)
        return settings

    def place(self, *steps: str | int) -> str:
        """The place of something in lichen.toml."""
        return place_in(self.path, self.text, *steps)

    def _guarded(self, make: Callable[[], T], otherwise: T, at: str) -> T:
        try:
            return make()
        except LichenError as error:
            error.place = _with_line(error.place) or at
            self.errors.append(error)
            return otherwise

    def _tools(self, i: int, reference: str) -> tuple[Tool, ...]:
        def found() -> tuple[Tool, ...]:
            return tuple(flattened(referred(self.root, reference, _is_tool, what="tool")))

        return self._guarded(found, (), self.place("lichen", "tools", i))

    def _agents(self, i: int, reference: str, tools: Sequence[Tool]) -> tuple[Agent, ...]:
        def found() -> tuple[Agent, ...]:
            if Path(reference).suffix in AGENT_FILES:
                return (load_agent(self.root / reference, [Toolset("tools", tools)]),)
            return referred(self.root, reference, _is_agent, what="agent")

        return self._guarded(found, (), self.place("lichen", "agents", i))

    # -- flows ---------------------------------------------------------------------------------------------------

    def flows(
        self, named: Sequence[str | FlowFile], agents: Sequence[Agent], tools: Sequence[Tool]
    ) -> tuple[Agent, ...]:
        """The flows that these paths and globs name, as agents; without those in which something is wrong."""
        if not named:
            return ()
        from lichen.runtime.project.flows import flow_agents

        files: dict[str, FlowFile] = {}
        for i, one in enumerate(named):
            said = FlowFile(one) if isinstance(one, str) else one
            found = [str(file) for file in self._matching(i, said)]
            files |= {file: said for file in found if file not in files or not isinstance(one, str)}
        texts = {
            file: text
            for file in files
            if (text := self._guarded(lambda file=file: _text(file), None, file)) is not None
        }
        flows = [flow for file, text in texts.items() if (flow := self._hosting(file, text, files[file])) is not None]
        while flows:
            try:
                made = flow_agents(flows, agents, tools=tools)
            except Invalid as error:
                self.errors.append(error)
                flows = _apart_from(flows, error)
            else:
                again = _Again(self.root, files, agents, tools)
                return tuple(agent.from_source(Source(texts, again.of(agent.name))) for agent in made)
        return ()

    def _hosting(self, file: str, text: bytes, said: FlowFile) -> Hosting | None:
        return self._guarded(lambda: _hosted(self.root, file, text, said), None, file)

    def _matching(self, i: int, said: FlowFile) -> list[Path]:
        """The files that an entry names. What a table says of a file comes before a glob."""
        found = sorted(self.root.glob(said.file))
        place = self.place("lichen", "flows", i)
        if not found:
            step = f"Name a .ygtc file, relative to {FILE}."
            self._note(Invalid(f"No file fits {said.file!r}.", code="flows_missing", next_step=step, place=place))
        if said.name and len(found) > 1:
            message = f"{len(found)} files fit {said.file!r}, and only one can be called {said.name!r}."
            self._note(Invalid(message, code="flows_several", next_step="Name one file.", place=place))
            return []
        return found

    # -- what the parts say of each other --------------------------------------------------------------------------

    def _check(self, settings: Settings) -> None:
        names = [agent.name for agent in settings.agents]
        for name in sorted({name for name in names if names.count(name) > 1}):
            step = "Rename one of them."
            message = f"Two agents have the same name, {name}."
            self._note(Invalid(message, code="settings_invalid", next_step=step, place=self.place("lichen", "agents")))
        for name in settings.tenants:
            for error in self._tenant(settings, name, names):
                self._note(error)

    def _note(self, error: LichenError) -> None:
        self.errors.append(error)

    def _tenant(self, settings: Settings, name: str, names: Sequence[str]) -> Iterator[LichenError]:
        tenant, here = settings.tenants[name], ("tenants", name)
        known = ", ".join(sorted(names)) or "none loads"
        for env in tenant.environments:
            yield from self._spelt(name, env)
        if tenant.agent is not None and tenant.agent not in names:
            yield self._unknown("agent or flow", tenant.agent, "agent_unknown", known, *here, "agent")
        for i, route in enumerate(tenant.routes):
            if route.target not in names:
                yield self._unknown("agent or flow", route.target, "route_unknown", known, *here, "routes", i)
        environments = ", ".join(tenant.environments)
        for i, env in enumerate(tenant.development):
            if env not in tenant.environments:
                yield self._unknown(f"environment of {name}", env, "env_unknown", environments, *here, "development", i)
        if tenant.webchat is not None and tenant.webchat.env not in tenant.environments:
            env = tenant.webchat.env
            yield self._unknown(f"environment of {name}", env, "env_unknown", environments, *here, "webchat", "env")
        if tenant.webchat is not None and tenant.webchat.signed_in and tenant.webchat.env not in tenant.development:
            yield Invalid(
                "Only in a development environment is anybody believed to be a customer without a key.",
                code="signed_in_refused",
                next_step=f"Leave `signed_in` out, or add {tenant.webchat.env!r} to `development` of the tenant.",
                place=self.place(*here, "webchat", "signed_in"),
            )
        try:
            _ = tenant.wording
        except msgspec.ValidationError:
            texts = ", ".join(Texts.__struct_fields__)
            message, step = "There is no such text of the runtime.", f"Name some of: {texts}."
            yield Invalid(message, code="text_unknown", next_step=step, place=self.place(*here, "texts"))

    def _spelt(self, tenant: str, env: str) -> Iterator[LichenError]:
        from lichen.core.words.scope import Scope

        try:
            Scope(tenant, env)
        except Invalid as error:
            error.place = self.place("tenants", tenant)
            yield error

    def _unknown(self, what: str, name: str, code: str, known: str, *steps: str | int) -> Invalid:
        message = f"There is no {what} {name!r}."
        return Invalid(message, code=code, next_step=f"Name one of: {known}.", place=self.place(*steps))


def refreshed(settings: Settings) -> tuple[tuple[Agent, ...], tuple[LichenError, ...]]:
    """The agents of a loaded project with those that are files as the files are now, and what is wrong with these.

    An agent or flow whose files are wrong stays as it is. Python files are not looked at.
    """
    known = {agent.name: agent for agent in settings.agents}
    agents, errors = made_again(agent for agent in settings.agents if agent.name not in settings.flows)
    decoded = None if settings.file is None else decode(settings.file)
    if settings.file is None or decoded is None or decoded.file is None:
        return (*agents, *(known[name] for name in settings.flows)), (*errors, *(decoded.errors if decoded else ()))  # type: ignore[index]
    loading = _Loading(settings.file, decoded)
    flows = {flow.name: flow for flow in loading.flows(settings.flow_files, agents, settings.tools)}
    if loading.errors:  # what the broken file held is in force still
        flows = {**{name: known[name] for name in settings.flows if name in known}, **flows}  # type: ignore[index]
    return (*agents, *flows.values()), (*errors, *loading.errors)


def made_again(agents: Iterable[Agent]) -> tuple[list[Agent], list[LichenError]]:
    """The agents as their files are now; one whose file is wrong, or gone, stays as it is and says why."""
    found: list[Agent] = []
    errors: list[LichenError] = []
    for agent in agents:
        try:
            found.append(agent if agent.source is None else _fresh(agent, agent.source))
        except LichenError as error:
            error.place = _with_line(error.place)
            errors.append(error)
            found.append(agent)
    return found, errors


def _fresh(agent: Agent, source: Source) -> Agent:
    files = {path: load_file(path, FILE_BYTES_MAX, code=CODE) for path in source.files}
    return agent if files == source.files else source.again(files)


def _text(file: str) -> bytes:
    from lichen.flows.read.load import text_of

    return text_of(Path(file)).encode()


def _hosted(root: Path, file: str, text: bytes, said: FlowFile) -> Hosting:
    from lichen.flows.read.load import parse
    from lichen.flows.syntax.naming import pack_of
    from lichen.runtime.project.flows import Hosting

    pack = pack_of(str(Path(file).relative_to(root)))
    return Hosting(parse(text.decode(), file).flow, said.name, pack, said.tools, said.agents)


class _Again(NamedTuple):
    """Makes flows of other texts of the same files."""

    root: Path
    said: Mapping[str, FlowFile]
    agents: Sequence[Agent]
    tools: Sequence[Tool]

    def of(self, name: str) -> Callable[[Mapping[str, bytes]], Agent]:
        """What makes the flow of this name. Raises Invalid."""

        def make(files: Mapping[str, bytes]) -> Agent:
            from lichen.runtime.project.flows import flow_agents

            parts = [
                _hosted(self.root, path, data, self.said.get(path, FlowFile(path))) for path, data in files.items()
            ]
            found = next((one for one in flow_agents(parts, self.agents, tools=self.tools) if one.name == name), None)
            if found is None:
                raise Invalid(f"The files hold no flow {name!r}.", code="flow_missing", next_step="Put its id back.")
            return found.from_source(Source(files, make))

        return make


def _is_agent(value: object) -> TypeGuard[Agent]:
    return isinstance(value, Agent)


def _is_tool(value: object) -> TypeGuard[Tool | Toolset]:
    return isinstance(value, Toolset) or isinstance(getattr(value, "spec", None), ToolSpec)


def _apart_from(flows: Sequence[Hosting], error: Invalid) -> list[Hosting]:
    """The flows but the one that the error is about; none when it does not say which."""
    path = (error.place or "").split(":")[0]
    rest = [one for one in flows if one.flow.path != path]
    return rest if len(rest) < len(flows) else []


def _with_line(place: str | None) -> str | None:
    """`agent.toml#/rules/intents/0` as `agent.toml:12: /rules/intents/0`, where the line can be found."""
    file, mark, pointer = (place or "").partition("#")
    path = Path(file)
    if not mark or path.suffix != ".toml" or not path.is_file():
        return place
    line = line_of(path.read_text(encoding="utf-8"), steps_of(pointer))
    return place if line is None else f"{file}:{line}: {pointer}"
