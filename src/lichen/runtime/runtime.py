"""The runtime: one data directory, its engine, its gate, and the agents it hosts.

What it is made of is imported when one is made, not when the name is: a worker process that runs a tool, and whoever
only declares agents, imports the class and never the engine.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from lichen.agents.agent import Agent
from lichen.core.speech.wording import DEFAULT, Texts, Wording
from lichen.core.words.scope import PRODUCTION, Scope
from lichen.runtime import interpreter

if TYPE_CHECKING:
    from lichen.core.ports.model import Model
    from lichen.core.ports.secrets import Secrets as SecretSource
    from lichen.core.remote.tools import Remote
    from lichen.core.words.ids import AgentName
    from lichen.engine.ports import Channel, Options
    from lichen.log.log import Log
    from lichen.log.volume import VolumeOptions
    from lichen.runtime.access.access import Access
    from lichen.runtime.access.changes import Changes
    from lichen.runtime.channels.channels import Channels
    from lichen.runtime.operations.admin import Health, StuckLetters, Tools, Totals, WaitingReplies
    from lichen.runtime.operations.channels.conversations import Conversations
    from lichen.runtime.operations.channels.health import ChannelHealths
    from lichen.runtime.operations.channels.platforms import Platforms
    from lichen.runtime.operations.channels.telling import Telling
    from lichen.runtime.operations.governing.evals import Evals
    from lichen.runtime.operations.talk.letters import Letters
    from lichen.runtime.operations.timing.schedules import Schedules
    from lichen.runtime.project.policies import PolicySource
    from lichen.runtime.project.project import Project
    from lichen.runtime.wiring import Wiring
    from lichen.settings.file import Settings

SHUT_MAX = 1_000  # tools that failed again and again, as they are shown


class Runtime:
    """Hosts agents over one data directory. Use it as an async context manager:

        async with Runtime.open("./data", agents=[support], policies="policies/") as runtime:
            session = await runtime.sessions.open(Scope("acme", "dev"), Customer("customer-7"))

    Entering raises Unavailable (`data_dir_in_use`) when another process owns the directory, Invalid when a policy
    does not load, Corrupt (`log_rolled_back`) when the log is older than the head that was remembered.

    Everything that may be asked of it names a scope and an actor: `sessions`, `runs`, `waits`, `replies`, `records`,
    `proofs`, `people`, `keys`, `secrets`, `stops`, `schedules`, `policies`, `agents`, `prompts`, `admin`. Programs that
    ask for nobody in particular are `SYSTEM`.
    """

    def __init__(
        self,
        home: Path,
        agents: Sequence[Agent],
        policies: PolicySource,
        *,
        scopes: Sequence[Scope] = (),
        channels: Mapping[str, Channel] | None = None,
        texts: Texts | None = None,
        options: Options | None = None,
        project: Project | None = None,
        secrets: SecretSource | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        interpreter.collect_rarely()
        from lichen.engine.ports import Options
        from lichen.runtime.wiring import Blueprint, Ids

        self.home = home
        self.project = project
        self.settings = settings = project.settings if project is not None else None
        self.notices: tuple[str, ...] = ()
        self._texts = texts
        self._blueprint = Blueprint(
            home=home,
            agents=tuple(agents),
            policies=policies,
            scopes=tuple(scopes),
            channels={} if channels is None else channels,
            options=options or Options(),
            wording=self.wording,
            environment=settings.environment if settings is not None else lambda scope: PRODUCTION,
            settings=settings,
            prompts=_prompts(settings),
            clock=clock,
            random=random,
            new_id=Ids(random).new,
            secrets=secrets,
            shares=home,
            packs=() if project is None else project.packs,
        )

    @classmethod
    def open(
        cls,
        home: str | Path,
        *,
        agents: Sequence[Agent],
        policies: str | Path | None = None,
        channels: Mapping[str, Channel] | None = None,
        texts: Texts | None = None,
        options: Options | None = None,
        secrets: SecretSource | None = None,
        prompts: str | Path | None = None,
        remote: Remote | None = None,
    ) -> Runtime:
        """A runtime over `home`. `policies` is a directory of Cedar files for every tenant, or one with a
        subdirectory per tenant; without it the starter policy applies and says so. `secrets` is where those of tools
        come from; without it, the encrypted files in the data directory. `prompts` is a directory of prompts that
        stand in the place of those of agents, `remote` what agents have of other people's servers."""
        from lichen.runtime.project.hosting import specs_of
        from lichen.runtime.project.policies import STARTER_NOTICE, FromDirectory, Starter

        specs = specs_of(agents)
        source = Starter(specs) if policies is None else FromDirectory(Path(policies), specs)
        runtime = cls(Path(home), agents, source, channels=channels, texts=texts, options=options, secrets=secrets)
        found = None if prompts is None else Path(prompts)
        runtime._blueprint = msgspec.structs.replace(runtime._blueprint, prompts=found, remote=remote)
        runtime.notices = (STARTER_NOTICE,) if policies is None else ()
        return runtime

    @classmethod
    def of(
        cls, project: Project, *, channels: Mapping[str, Channel] | None = None, secrets: SecretSource | None = None
    ) -> Runtime:
        """The runtime of a project: every tenant, environment and policy directory of its `lichen.toml`. With
        `secrets`, all secrets come from there."""
        from lichen.plugins.registry import used
        from lichen.runtime.project.hosting import specs_of
        from lichen.runtime.project.policies import STARTER_NOTICE, FromSettings

        settings = project.settings
        source = FromSettings(settings, specs_of(project.agents), project.policies)
        outlets = project.channels.outlets(channels or {})
        runtime = cls(
            settings.home,
            project.agents,
            source,
            scopes=settings.scopes,
            channels=outlets,
            project=project,
            secrets=secrets,
        )
        starters = (f"{name}: {STARTER_NOTICE}" for name, each in settings.tenants.items() if each.policies is None)
        runtime.notices = (*starters, *(each.notice for each in used() if each.error))
        return runtime

    @classmethod
    def looking(cls, home: Path) -> Runtime:
        """A runtime over data whose agents are elsewhere: it shows what is there, and takes over nothing of it."""
        from lichen.runtime.project.policies import Starter

        runtime = cls(home, (), Starter(()))
        runtime._blueprint = msgspec.structs.replace(runtime._blueprint, takes_over=False, shares=None)
        return runtime

    def simulated(
        self,
        *,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        volume: VolumeOptions,
        models: Mapping[AgentName, Model] = {},
        shares: Path | None = None,
    ) -> Runtime:
        """This runtime with a clock, chance and store of its logs that a test decides about, before it is entered.
        `models` answer in the place of those that the agents of these names ask. `shares` is the data directory with
        whose processes it shares what it learns of models, where their time is its own."""
        from lichen.runtime.wiring import Ids

        self._blueprint = msgspec.structs.replace(
            self._blueprint,
            clock=clock,
            random=random,
            new_id=Ids(random).new,
            volume=volume,
            stand_ins=models,
            shares=shares,
        )
        return self

    # -- life ----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        from lichen.runtime.access.access import Access
        from lichen.runtime.schedules.ticker import Ticker
        from lichen.runtime.schedules.ticking import Parts
        from lichen.runtime.wiring import wired

        async with AsyncExitStack() as stack:
            wiring = await stack.enter_async_context(wired(self._blueprint))
            access = Access(wiring.engine)
            stack.callback(access.close)
            self._hold(wiring)
            self.ticker = Ticker(self.settings, Parts(wiring.engine, access, wiring.services.sleep))
            stack.push_async_callback(self.ticker.close)
            self._offer(wiring, access)
            self._stack = stack.pop_all()
        return self

    def _hold(self, wiring: Wiring) -> None:
        """Keeps what the process itself needs, which asks nobody."""
        self._wiring = wiring
        self.keyring, self.volume, self.gate = wiring.keyring, wiring.volume, wiring.gate
        self.engine, self.register = wiring.engine, wiring.register
        self.servers, self.credentials = wiring.servers, wiring.credentials
        self.places, self.ways, self.breakers = wiring.services.places, wiring.ways, wiring.breakers
        self.ending = asyncio.Event()
        if self.project is not None:
            self.project.channels.begin(wiring.services, wiring.reach, wiring.engine.journal)
        if self.only_looks:
            from lichen.settings.bare import undeclared

            self.settings = undeclared(self.home, wiring.volume.scopes())

    def _offer(self, wiring: Wiring, access: Access) -> None:
        """Makes everything that may be asked: each operation asks `access` first."""
        from lichen.runtime.access.changes import Changes

        self._access, self._changes = access, Changes(wiring.engine, self._blueprint.new_id)
        changes = self._changes
        self._offer_work(wiring, access)
        self._offer_proofs(wiring, access, changes)
        self._offer_rules(wiring, access, changes)
        self._offer_tools(wiring, access, changes)
        self._offer_secrets(wiring, access, changes)

    def _offer_work(self, wiring: Wiring, access: Access) -> None:
        """Conversations, runs, and whoever they wait for."""
        from lichen.runtime.operations.replies import Replies
        from lichen.runtime.operations.runs import Runs
        from lichen.runtime.operations.setting import Known
        from lichen.runtime.operations.talk.handovers import Handovers
        from lichen.runtime.operations.talk.sessions import Sessions
        from lichen.runtime.operations.waits import Waits
        from lichen.runtime.state.waiting import WaitIndex

        known = Known(wiring.hosted, wiring.gate.meters_of)
        self.sessions = Sessions(wiring.engine, access, wiring.hosted)
        self.runs = Runs(wiring.engine, access, known)
        self.waits = Waits(wiring.engine, access, known)
        self.replies = Replies(wiring.engine, access, self.waits, WaitIndex(wiring.states))
        self.handovers = Handovers(wiring.engine, access, self.waits)

    def _offer_proofs(self, wiring: Wiring, access: Access, changes: Changes) -> None:
        """The log, the people in it, who may come, and what it cost."""
        from lichen.runtime.operations.admin import Admin
        from lichen.runtime.operations.governing.costs import CostBooks
        from lichen.runtime.operations.governing.keys import Keys
        from lichen.runtime.operations.governing.meters import MeterBooks
        from lichen.runtime.operations.people import People
        from lichen.runtime.operations.proofs import Proofs
        from lichen.runtime.operations.records import Records

        register, forget = wiring.register, wiring.servers.reach.forget
        self.records = Records(wiring.engine, access)
        self.proofs = Proofs(wiring.engine, access, home=self.home, volume=wiring.volume, keyring=wiring.keyring)
        self.people = People(wiring.engine, access, register=register, new_id=self._blueprint.new_id, forget=forget)
        self.keys = Keys(wiring.engine, wiring.keyring, access, changes, register=register)
        self.meters = MeterBooks(wiring.engine, wiring.gate, access)
        self.costs = CostBooks(wiring.engine, access)
        self.admin = Admin(wiring.engine, wiring.volume, access, self._health, self.ending.set)

    def _offer_rules(self, wiring: Wiring, access: Access, changes: Changes) -> None:
        """What is in force: policies, stops, agents, prompts, and all of it anew."""
        from lichen.runtime.operations.agents import Agents
        from lichen.runtime.operations.governing.policies import Policies
        from lichen.runtime.operations.governing.reload import Reload
        from lichen.runtime.operations.governing.stops import Stops
        from lichen.runtime.operations.prompts import PromptBook

        self.stops = Stops(wiring.engine, wiring.gate, access, changes, agents=wiring.hosted)
        self.policies = Policies(access, changes, wiring.in_force, gate=wiring.gate, project=self.project)
        self.reload = Reload(
            wiring.engine,
            access,
            changes,
            wiring.in_force,
            wiring.catalog,
            self.project,
            prompts=wiring.prompts,
            ticker=self.ticker,
        )
        self.agents = Agents(access, wiring.hosted)
        self.prompts = PromptBook(access, wiring.prompts)

    def _offer_tools(self, wiring: Wiring, access: Access, changes: Changes) -> None:
        """Tools of other people: looked for, submitted, judged, signed in to."""
        from lichen.runtime.operations.governing.search import ToolSearch
        from lichen.runtime.operations.governing.signins import SignIns
        from lichen.runtime.operations.governing.submissions import Submissions
        from lichen.runtime.operations.governing.tools import ServerTools
        from lichen.runtime.project.hosting import specs_of
        from lichen.runtime.servers.suspicions import Suspicions

        def own() -> Sequence[str]:
            return [spec.name for spec in specs_of(wiring.hosted())]

        suspicions = Suspicions(wiring.servers, own)
        self.tool_search = ToolSearch(access, wiring.servers, lambda: specs_of(wiring.hosted()))
        self.tools = ServerTools(wiring.engine, access, wiring.servers, wiring.in_force, suspicions)
        self.sign_ins = SignIns(access, changes, wiring.servers)
        self.submissions = Submissions(wiring.engine, access, wiring.servers, suspicions)

    def _offer_secrets(self, wiring: Wiring, access: Access, changes: Changes) -> None:
        """The secrets that tools and channels use."""
        from lichen.runtime.operations.governing.secrets import Secrets

        def known(scope: Scope) -> frozenset[str]:
            of_channels = frozenset[str]() if self.project is None else self.project.channels.secrets(scope)
            return wiring.secret_names(scope) | of_channels

        self.secrets = Secrets(
            wiring.engine, access, changes, sources=wiring.secrets, known=known, agents=wiring.hosted
        )
        wiring.tellers.made = lambda: self.telling

    # -- what is made when it is first asked for: most processes never do ----------------------------------------

    @cached_property
    def letters(self) -> Letters:
        """What got stuck on its way in or out."""
        from lichen.runtime.operations.talk.letters import Letters

        return Letters(self._wiring.engine, self._access, self.project, self.sessions, schedules=lambda: self.schedules)

    @cached_property
    def schedules(self) -> Schedules:
        """What begins by itself."""
        from lichen.runtime.operations.timing.schedules import Schedules

        return Schedules(self._wiring.engine, self._access, self.ticker)

    @cached_property
    def evals(self) -> Evals:
        """Results of evals."""
        from lichen.runtime.operations.governing.evals import Evals

        return Evals(self._access, home=self.home)

    @cached_property
    def platforms(self) -> Platforms:
        """The channels of a tenant, set up and looked at."""
        from lichen.runtime.operations.channels.platforms import Platforms

        return Platforms(
            self._access,
            self._changes,
            self._channels,
            folder=None if self.project is None else self.project.settings.root,
            clock=self._blueprint.clock,
            new_id=self._blueprint.new_id,
        )

    @cached_property
    def channel_health(self) -> ChannelHealths:
        """How the channels of a tenant are."""
        from lichen.runtime.operations.channels.health import ChannelHealths

        return ChannelHealths(self._wiring.engine, self.platforms, self._channels, self.settings)

    @cached_property
    def conversations(self) -> Conversations:
        """The conversations of a channel."""
        from lichen.runtime.operations.channels.conversations import Conversations

        return Conversations(self._wiring.engine, self._access)

    @cached_property
    def telling(self) -> Telling:
        """What is written to customers who did not ask."""
        from lichen.runtime.operations.channels.telling import Telling

        return Telling(self._wiring.engine, self._access, self.project, self.sessions)

    @property
    def _channels(self) -> Channels:
        from lichen.runtime.channels.channels import Channels

        return Channels() if self.project is None else self.project.channels

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(grace_s=0.0 if kind else 10.0)
        await self._stack.aclose()

    async def drain(self, *, grace_s: float = 10.0) -> None:
        """Starts nothing new and lets what is in flight end. Nothing is lost by leaving earlier."""
        await self.ticker.close()
        await self.engine.drain(grace_s)

    async def idle(self) -> None:
        """Returns once nothing is in flight: only waits and timers are left."""
        await self.engine.idle()

    @property
    def only_looks(self) -> bool:
        """Whether it shows what is there and begins nothing."""
        return not self._blueprint.takes_over

    @property
    def hosted(self) -> tuple[Agent, ...]:
        """The current agents, without those that only others call."""
        return self._wiring.catalog.agents

    def add(self, agent: Agent) -> None:
        """Hosts one agent more. Raises Conflict (`registration_closed`) once a run has begun or was taken over."""
        self._wiring.add(agent)

    # -- for the process itself ----------------------------------------------------------------------------------

    def wording(self, scope: Scope) -> Wording:
        """The languages of a tenant, and what the runtime itself says in them."""
        if self.settings is not None and scope.tenant in self.settings.tenants:
            return self.settings.wording(scope.tenant)
        return Wording() if self._texts is None else Wording(texts={DEFAULT: self._texts})

    @property
    def channels(self) -> Collection[str]:
        """The names of the channels that messages are pushed to."""
        return self._blueprint.channels

    def log(self, scope: Scope) -> Log:
        """The log of a scope, for the process that owns it: nobody is asked."""
        return self.volume.log(scope)

    def totals(self) -> Totals:
        """What the process carries for all tenants together, for whoever watches it: nobody is asked."""
        from lichen.runtime.operations.admin import Totals

        logs = [self.log(scope) for scope in self.engine.scopes]
        waits = Counter[str]()
        for log in logs:
            waits.update(log.wait_counts())
        durable = sum(log.durable_seq for log in logs)
        return Totals(self._health(), self.volume.queued_rows, durable, self.volume.commits, waits)

    def _health(self) -> Health:
        from lichen.plugins.registry import used
        from lichen.runtime.operations.admin import Health, Models, Room

        return Health(
            status="readonly" if self.volume.is_readonly else "ok",
            home=str(self.home),
            driven=self.engine.driven,
            timers=self.engine.timers,
            clock_jumps=len(self.volume.clock_jumps),
            agents=tuple(agent.name for agent in self.hosted),
            notices=self.notices,
            places=tuple(Room(kind, *figures) for kind, figures in self.places.figures().items()),
            clock_behind_s=max(0, self.volume.latest_us - self.volume.clock()) // 1_000_000,
            plugins=used(),
            models=Models(*self.ways.figures()),
            tools=self._tools(),
            letters=self._letters(),
            replies=self._waiting(),
        )

    def _waiting(self) -> tuple[WaitingReplies, ...]:
        from lichen.runtime.operations.admin import WaitingReplies

        own = () if self.project is None else self.project.channels.all
        kinds = {(each.scope, each.name): each.kind for each in own}
        groups = self.engine.services.held.groups(lambda scope, id: self.engine.journal(scope).unsent(id))
        return tuple(
            WaitingReplies(
                each.scope.tenant,
                each.scope.env,
                each.channel,
                kinds.get((each.scope, each.channel), ""),
                each.code,
                each.count,
                each.since_us,
                each.until_us,
            )
            for each in sorted(groups, key=lambda each: each.since_us)
        )

    def _letters(self) -> tuple[StuckLetters, ...]:
        from lichen.runtime.operations.admin import StuckLetters

        counts = [(scope, self.log(scope).letter_counts()) for scope in self.engine.scopes]
        return tuple(StuckLetters(scope.tenant, scope.env, **each) for scope, each in counts if any(each.values()))

    def _tools(self) -> Tools:
        from lichen.runtime.operations.admin import ShutTool, Tools

        shut = [
            ShutTool(each.scope.tenant, each.scope.env, each.tool, each.phase, each.left_s)
            for each in self.breakers.shut()
        ]
        phases = Counter(each.phase for each in shut)
        return Tools(phases["open"], phases["half_open"], tuple(shut[:SHUT_MAX]))


def _prompts(settings: Settings | None) -> Path | None:
    """The folder of prompts that the settings name."""
    named = settings.parts.prompts if settings is not None else None
    return None if settings is None or named is None else settings.root / named
