"""A project as loaded from its `lichen.toml`: its parts one after the other, so that no mistake hides another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, TypeVar

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.document import check_within
from lichen.agents.files import load_agent
from lichen.agents.models.model import PROVIDERS as MODELS
from lichen.agents.providers.facts import PROVIDERS as FACTS
from lichen.agents.toolset import Toolset, flattened
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.words.errors import Invalid, LichenError
from lichen.runtime.channels.opening import open_channels
from lichen.runtime.entries.files import rules_wrong
from lichen.runtime.project.modules import own_modules, referred
from lichen.runtime.project.project import Project
from lichen.runtime.project.secretkinds import kinds
from lichen.settings.bundles.finding import is_of_bundle
from lichen.settings.components.table import ComponentTable
from lichen.settings.file import FILE, FlowFile, Settings
from lichen.settings.packs.table import PackFile
from lichen.settings.places import with_line
from lichen.settings.providers import Providers
from lichen.settings.reading import Read, read
from lichen.settings.secrets import sources_in
from lichen.settings.servers import OpenApiTable

if TYPE_CHECKING:
    from lichen.runtime.packs.brought import Brought
    from lichen.runtime.packs.opening import Opened
    from lichen.runtime.project.policies import Packs

AGENT_FILES = (".toml", ".json", ".yaml", ".yml")

T = TypeVar("T")


class Examined(NamedTuple):
    """A project with everything that is wrong with it. `project` holds what could be loaded, None for nothing."""

    project: Project | None
    errors: tuple[LichenError, ...]


class Assembled(NamedTuple):
    """All tools, the agents of packs, the flows as agents, and the packs that brought some of it."""

    tools: tuple[Tool, ...]
    packed: tuple[Agent, ...]
    flows: tuple[Agent, ...]
    packs: tuple[Brought, ...]


def load(path: Path, *, environ: Mapping[str, str]) -> Project:
    """The project of a `lichen.toml`. Raises the first of what `examine` finds."""
    project, errors = examine(path, environ=environ)
    if errors:
        first = errors[0]
        if len(errors) > 1:
            first.next_step += f" `lichen doctor` names {len(errors) - 1} more."
        raise first
    assert project is not None, "a project without a mistake is loaded"
    return project


def examine(path: Path, *, environ: Mapping[str, str]) -> Examined:
    """The project of a `lichen.toml`, and every mistake in what it says and names, each with its place."""
    file = read(path, environ=environ)
    if file.settings is None:
        return Examined(None, file.errors)
    loading = Loading(file, file.settings)
    project = loading.project()
    return Examined(project, (*file.errors, *loading.errors))


class Loading:
    """Loads the parts that settings name, and collects what is wrong with them in `errors`."""

    def __init__(self, file: Read, settings: Settings) -> None:
        self.errors: list[LichenError] = []
        self._file, self._settings, self._root = file, settings, settings.root

    def project(self) -> Project:
        """What could be loaded."""
        settings, parts = self._settings, self._settings.parts
        own = [tool for i, name in enumerate(parts.tools) for tool in self._tools(i, name)]
        apis = [tool for i, table in enumerate(settings.openapi) for tool in self._operations(i, table)]
        tools = (
            *own,
            *apis,
            *(tool for i, each in enumerate(settings.components) for tool in self._component(i, each)),
        )
        own_agents = tuple(agent for i, name in enumerate(parts.agents) for agent in self._agents(i, name, tools))
        found = self.assembled(own_agents, tools, self.packs())
        tools, agents, flows = found.tools, (*own_agents, *found.packed), found.flows
        assert settings.file is not None, "what is loaded is named by a file"
        modules = own_modules(self._root, settings.file)
        self._prompts()
        self._check([agent.name for agent in (*agents, *flows)])
        channels, errors = open_channels(self._file, settings)
        self.errors += errors
        return Project(
            settings,
            (*agents, *flows),
            tuple(flow.name for flow in flows),
            tools,
            modules,
            channels,
            tuple(agent.name for agent in found.packed),
            (*self._file.warnings, *(warning for each in found.packs for warning in each.pack.warnings)),
            self.policies(found.packs),
            found.packs,
        )

    def _guarded(self, make: Callable[[], T], otherwise: T, at: str) -> T:
        try:
            return make()
        except LichenError as error:
            error.place = with_line(error.place) or at
            self.errors.append(error)
            return otherwise

    def _tools(self, i: int, reference: str) -> tuple[Tool, ...]:
        def found() -> tuple[Tool, ...]:
            return tuple(flattened(referred(self._root, reference, _is_tool, what="tool")))

        return self._guarded(found, (), self._file.place("lichen", "tools", i))

    def _operations(self, i: int, table: OpenApiTable) -> tuple[Tool, ...]:
        """The operations of an API as tools."""
        from lichen.tools.openapi.document import read as read_document  # for projects with APIs only
        from lichen.tools.openapi.toolset import listed

        def found() -> tuple[Tool, ...]:
            return listed(read_document(self._inside(table.document, place)), table.api).tools

        place = self._file.place("openapi", i, "document")
        return self._guarded(found, (), place)

    def _component(self, i: int, table: ComponentTable) -> tuple[Tool, ...]:
        """The operations of a component as tools."""
        from lichen.runtime.packs.naming import is_far  # for projects with components only
        from lichen.runtime.project.components import component_tools, far_component_tools

        place = self._file.place("component", i, "file")
        home = self._settings.home
        if is_far(table.file):
            return self._guarded(lambda: far_component_tools(self._settings, table), (), place)
        return self._guarded(lambda: component_tools(self._inside(table.file, place), table.terms, home), (), place)

    def _agents(self, i: int, reference: str, tools: Sequence[Tool]) -> tuple[Agent, ...]:
        def found() -> tuple[Agent, ...]:
            if Path(reference).suffix in AGENT_FILES:
                path = self._inside(reference, place)
                return (load_agent(path, [Toolset("tools", tools)], root=self._root),)
            return referred(self._root, reference, _is_agent, what="agent")

        place = self._file.place("lichen", "agents", i)
        return self._guarded(found, (), place)

    def _prompts(self) -> None:
        """Notes a folder of prompts that lies elsewhere. What is in it is read when a runtime opens."""
        named = self._settings.parts.prompts
        if named is not None:
            place = self._file.place("lichen", "prompts")
            self._guarded(lambda: self._inside(named, place), None, place)

    def _inside(self, named: str, place: str) -> Path:
        """The path that the settings name, in the project's folder. Raises Invalid (`path_outside`)."""
        check_within(self._root / named, self._root, place=place)
        return self._root / named

    # -- packs ---------------------------------------------------------------------------------------------------

    def packs(self, old: Sequence[Brought] = ()) -> tuple[Opened, ...]:
        """The packs that the settings name. Of those that may not be loaded, the `old` one; else none."""
        if not self._settings.parts.packs:
            return ()
        from lichen.runtime.packs.naming import is_far, lies_at, packs_named  # for projects with packs only
        from lichen.runtime.packs.opening import open_pack

        found: list[Opened] = []
        kept = {each.place: each.pack for each in old}
        for i, said in packs_named(self._settings):
            place = self._file.place("lichen", "packs", i)

            def opened(said: PackFile = said, place: str = place) -> Opened:
                if not is_far(said.file):
                    self._packed_inside(said.file, place)
                return open_pack(self._settings, said)

            pack = self._guarded(opened, None, place)
            with suppress(LichenError):
                pack = pack or kept.get(f"{lies_at(self._settings, said)}!")
            found += [] if pack is None else [pack]
        return tuple(found)

    def _packed_inside(self, named: str, place: str) -> None:
        """Refuses a pack that lies neither in the project's folder nor in its bundle's. Raises Invalid
        (`path_outside`)."""
        settings = self._settings
        if not is_of_bundle(self._root / named, self._root, settings.parts.bundle, settings.home):
            self._inside(named, place)

    def assembled(
        self, agents: Sequence[Agent], tools: Sequence[Tool], packs: Sequence[Opened], old: Sequence[Brought] = ()
    ) -> Assembled:
        """What packs bring to these agents and tools, and the flows of all, without what is wrong."""
        brought: list[Brought] = []
        if packs:
            from lichen.runtime.packs.brought import Brought, with_components  # for projects with packs only

            for pack in packs:
                place = str(pack.root)
                made = self._guarded(
                    lambda pack=pack: with_components(pack, self._settings.home, brought, old), Brought(pack), place
                )
                brought.append(self._apart(made, [*tools, *(tool for each in brought for tool in each.tools)]))
        every = (*tools, *(tool for each in brought for tool in each.tools))
        brought = [self._with_agents(each, every) for each in brought]
        packed = tuple(agent for each in brought for agent in each.agents)
        return Assembled(every, packed, self.flows((*agents, *packed), every, brought), tuple(brought))

    def _apart(self, made: Brought, tools: Sequence[Tool]) -> Brought:
        """The pack, unless a tool of it has the name of another one, which is never taken over: then without them."""
        taken, found = {tool.spec.name for tool in tools}, made
        for tool in made.tools:
            if tool.spec.name in taken:
                message = f"There is a tool {tool.spec.name} already."
                step = "Rename the other one, or leave the pack out."
                self.errors.append(Invalid(message, code="tool_twice", next_step=step, place=made.place))
                found = msgspec.structs.replace(made, made=None)
        return found

    def _with_agents(self, brought: Brought, tools: Sequence[Tool]) -> Brought:
        from lichen.runtime.packs.agents import agents_of  # for projects with packs only

        found = self._guarded(lambda: tuple(agents_of(brought.pack, tools)), (), brought.place)
        return msgspec.structs.replace(brought, agents=found)

    def policies(self, packs: Sequence[Brought]) -> Packs:
        """What packs bring that is in force, with their agents and tools."""
        if not any(each.pack.has_policies for each in packs):
            return ()
        from lichen.runtime.packs.policies import policies_of  # for projects with policies of packs only

        agents = {each.place: each.agents for each in packs}
        tools = {each.place: [tool.spec.name for tool in each.all_tools] for each in packs}
        place = self._file.place("lichen", "packs")
        return self._guarded(lambda: tuple(policies_of([each.pack for each in packs], agents, tools)), (), place)

    # -- flows ---------------------------------------------------------------------------------------------------

    def flows(self, agents: Sequence[Agent], tools: Sequence[Tool], packs: Sequence[Brought] = ()) -> tuple[Agent, ...]:
        """The flows that the settings' paths and globs name, and those of packs, as agents; without those in which
        something is wrong."""
        named = self._settings.parts.flows
        brought = {path: text for each in packs for path, text in each.pack.flows.items()}
        if not named and not brought:
            return ()
        from lichen.runtime.project.flowfiles import (
            FlowFiles,
            check_mapped,
            flows_of,
            text_in,
            without_broken,
        )  # for projects with flows only

        lie_in = {path: flows_of(each) for each in packs for path in each.pack.flows}
        files = FlowFiles(self._root, self._said(named), agents, tools, lie_in)
        read = {path: self._guarded(lambda path=path: text_in(path), None, path) for path in files.said}
        texts = {path: text for path, text in read.items() if text is not None} | brought
        hosted = [
            self._guarded(lambda path=path, text=text: files.hosting(path, text), None, path)
            for path, text in texts.items()
        ]
        flows = [flow for flow in hosted if flow is not None]
        for each in packs:
            self._guarded(lambda each=each: check_mapped(each, flows), None, each.place)
        while flows:
            try:
                return files.made(flows, texts)
            except Invalid as error:
                self.errors.append(error)
                flows = without_broken(flows, error)
        return ()

    def _said(self, named: Sequence[str | FlowFile]) -> dict[str, FlowFile]:
        """Every flow file, with what is said of it. What a table says of a file comes before a glob."""
        files: dict[str, FlowFile] = {}
        for i, one in enumerate(named):
            said = FlowFile(one) if isinstance(one, str) else one
            found = [str(file) for file in self._matching(i, said)]
            files |= {file: said for file in found if file not in files or not isinstance(one, str)}
        return files

    def _matching(self, i: int, said: FlowFile) -> list[Path]:
        """The files that an entry names."""
        place = self._file.place("lichen", "flows", i)
        found = sorted(self._root.glob(said.file))
        if not found:
            step = f"Name a .ygtc file, relative to {FILE}."
            self.errors.append(
                Invalid(f"No file fits {said.file!r}.", code="flows_missing", next_step=step, place=place)
            )
        if said.name and len(found) > 1:
            message = f"{len(found)} files fit {said.file!r}, and only one can be called {said.name!r}."
            self.errors.append(Invalid(message, code="flows_several", next_step="Name one file.", place=place))
            return []
        inside = [self._guarded(lambda file=file: self._inside(str(file), place), None, place) for file in found]
        return [file for file in inside if file is not None]

    # -- what the words name -------------------------------------------------------------------------------------

    def _check(self, names: Sequence[str]) -> None:
        for name in sorted({name for name in names if names.count(name) > 1}):
            message, place = f"Two agents have the same name, {name}.", self._file.place("lichen", "agents")
            self.errors.append(Invalid(message, code="settings_invalid", next_step="Rename one of them.", place=place))
        self.errors += rules_wrong(self._settings)
        for tenant in self._settings.tenants:
            self.errors += self._met(tenant, names)
            self.errors += self._sources(tenant)
            self.errors += self._providers(self._settings.tenants[tenant].models, "tenants", tenant, "models")
        self.errors += self._providers(self._settings.providers, "models")

    def _sources(self, name: str) -> Iterator[LichenError]:
        """Sources of a tenant's secrets that nobody is. What stands there is not repeated: it may be a secret."""
        for steps, source in sources_in(self._settings.tenants[name].secrets):
            if source.kind not in (known := kinds()):
                step = f"Name one of: {', '.join(known)}. A secret itself stands in no file: `lichen secrets set NAME`."
                place = self._file.place("tenants", name, "secrets", *steps)
                yield Invalid(
                    "There is no such source of secrets.", code="secret_source_unknown", next_step=step, place=place
                )

    def _providers(self, tables: Providers, *above: str) -> Iterator[LichenError]:
        """Tables under `models` for providers, and options of theirs, that there are not."""
        for name, table in tables.items():
            if name not in MODELS.names:
                known = ", ".join(MODELS.names)
                yield self._file.unknown("model provider", name, *above, name, code="model_unknown", known=known)
                continue
            facts = FACTS.get(name)
            for option in table.options if facts is not None else ():
                if facts is not None and option not in facts.options:
                    steps, known = (*above, name, "options", option), ", ".join(facts.options) or "none"
                    yield self._file.unknown("option", option, *steps, code="option_unknown", known=known)

    def _met(self, name: str, names: Sequence[str]) -> Iterator[LichenError]:
        """Agents and flows that a tenant's customers should meet and that are not there."""
        tenant, unknown, what = self._settings.tenants[name], self._file.unknown, "agent or flow"
        known = ", ".join(sorted(names)) or "none loads"
        if tenant.agent is not None and tenant.agent not in names:
            yield unknown(what, tenant.agent, "tenants", name, "agent", code="agent_unknown", known=known)
        for i, route in enumerate(tenant.routes):
            if route.target not in names:
                yield unknown(what, route.target, "tenants", name, "routes", i, code="route_unknown", known=known)
        for i, each in enumerate(tenant.schedules):
            if each.target not in names:
                at = ("tenants", name, "schedules", i, "flow" if each.agent is None else "agent")
                yield unknown(what, each.target, *at, code="schedule_target_unknown", known=known)


def _is_agent(value: object) -> TypeGuard[Agent]:
    return isinstance(value, Agent)


def _is_tool(value: object) -> TypeGuard[Tool | Toolset]:
    return isinstance(value, Toolset) or isinstance(getattr(value, "spec", None), ToolSpec)
