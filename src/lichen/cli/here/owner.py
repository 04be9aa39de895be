"""This process as the owner of the data directory: engine, socket and perhaps a port in a thread of their own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from lichen.cli.here.entrance import entrance
from lichen.cli.here.workspace import Workspace

if TYPE_CHECKING:
    from lichen.runtime.project.project import Project
    from lichen.runtime.runtime import Runtime
    from lichen.serve.apart.runner import BusRunner
    from lichen.serve.host import Endings

JOIN_S = 60.0


class Port(NamedTuple):
    """Where strangers are let in. Port 0 stands for a free one."""

    host: str
    number: int


class Owner:
    """Owns a project's data from `start` to `finish`, or to `leave`, which is quicker and loses nothing either.

    Others reach it through the socket, and so does this process: there is one way in. With a `port`, strangers reach
    the public site there; `port` is then the one that was found. One that `stays` begins what comes due by itself; one
    `on_bus` takes what a gateway puts there, and sends over an egress.
    Without a project the data is only looked at.
    """

    def __init__(
        self,
        workspace: Workspace,
        project: Project | None,
        *,
        port: Port | None = None,
        stays: bool = False,
        on_bus: bool = False,
    ) -> None:
        self._workspace, self._project = workspace, project
        self.port, self._stays, self._on_bus = port, stays, on_bus
        self._thread = threading.Thread(target=self._run, name="lichen-owner", daemon=True)
        self._begun = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._endings: Endings | None = None
        self.gone = threading.Event()
        self.was_stopped = False  # an operation ended it
        self.notices: tuple[str, ...] = ()

    def start(self) -> None:
        """Returns once the doors are open. Raises Unavailable (`data_dir_in_use`, `port_in_use`), as opening does."""
        self._thread.start()
        self._begun.wait()
        self.check()

    def check(self) -> None:
        """Raises what ended the owner's thread, if anything did."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Drives everything owed until nothing is in flight, then lets go of the directory."""
        self._tell("finish")
        self._thread.join()
        self.check()

    def leave(self) -> None:
        """Lets what is in flight end, starts nothing new, and lets go; what is left is taken up by the next owner."""
        self._tell("leave")
        self._thread.join(JOIN_S)
        self.check()

    def _tell(self, ending: Literal["finish", "leave"]) -> None:
        if self._loop is not None and self._endings is not None and not self.gone.is_set():
            try:
                self._loop.call_soon_threadsafe(self._endings.of(ending).set)
            except RuntimeError:  # the loop ended between the two lines
                return

    def _run(self) -> None:
        try:
            with entrance(self._workspace.home), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._own())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that asked
            self._error = error
        finally:
            self.gone.set()
            self._begun.set()

    def _made(self) -> Runtime:
        from lichen.runtime.runtime import Runtime

        return Runtime.looking(self._workspace.home) if self._project is None else Runtime.of(self._project)

    def _bus(self) -> BusRunner | None:
        """What takes from the bus; the ways out lead over it from now on. Raises Invalid (`bus_unset`)."""
        if not self._on_bus or self._project is None:
            return None
        from lichen.serve.apart.processes import bus_of, check_ways
        from lichen.serve.apart.runner import BusRunner

        check_ways(self._project.channels)
        runner = BusRunner(bus_of(self._project.settings, os.environ))
        self._project.channels.send_over(runner.outlet(self._project.channels))
        return runner

    async def _own(self) -> None:
        from lichen.serve.hooks.sources import ChannelSources
        from lichen.serve.host import Endings, Listener, host
        from lichen.serve.listeners import OwnerSocket, PublicPort

        self._loop = asyncio.get_running_loop()
        self._endings = Endings()
        public = None if self.port is None else PublicPort(*self.port)
        bus = self._bus()
        listeners: list[Listener] = [OwnerSocket(self._workspace.socket)]
        if public is not None:
            listeners += (public, ChannelSources() if bus is None else bus)

        def opened() -> None:
            if public is not None:
                self.port = Port(public.host, public.number)
            self.notices = runtime.notices
            self._begun.set()

        async with self._made() as runtime:
            if self._project is not None:
                self._workspace.remember()
            if public is not None:
                runtime.servers.begin(runtime.engine.scopes)
            if self._stays:
                runtime.ticker.begin()
            self.was_stopped = await host(runtime, listeners, self._endings, opened=opened) == "stopped"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop when it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
