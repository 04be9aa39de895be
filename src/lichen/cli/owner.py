"""This process as the owner of the data directory: engine, socket and perhaps a port in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from lichen.cli.entrance import entrance
from lichen.cli.project import Project

if TYPE_CHECKING:
    from lichen.runtime.runtime import Runtime
    from lichen.settings import Settings

JOIN_S = 60.0


class Port(NamedTuple):
    """Where strangers are let in. Port 0 stands for a free one."""

    host: str
    number: int


class Owner:
    """Owns a project's data from `start` to `finish`, or to `leave`, which is quicker and loses nothing either.

    Others reach it through the socket, and so does this process: there is one way in. With a `port`, strangers reach
    the public site there; `port` is then the one that was found.
    """

    def __init__(self, project: Project, settings: Settings, *, port: Port | None = None) -> None:
        self._project, self._settings = project, settings
        self.port = port
        self._thread = threading.Thread(target=self._run, name="lichen-owner", daemon=True)
        self._begun = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._finishing: asyncio.Event | None = None
        self._leaving: asyncio.Event | None = None
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
        self._tell(self._finishing)
        self._thread.join()
        self.check()

    def leave(self) -> None:
        """Lets what is in flight end, starts nothing new, and lets go; what is left is taken up by the next owner."""
        self._tell(self._leaving)
        self._thread.join(JOIN_S)
        self.check()

    def _tell(self, event: asyncio.Event | None) -> None:
        if self._loop is not None and event is not None and not self.gone.is_set():
            try:
                self._loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # the loop ended between the two lines
                return

    def _run(self) -> None:
        try:
            with entrance(self._project.home), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._own())
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that asked
            self._error = error
        finally:
            self.gone.set()
            self._begun.set()

    async def _own(self) -> None:
        from lichen.runtime.runtime import Runtime
        from lichen.serve.app import make_app
        from lichen.serve.auth import by_owner
        from lichen.serve.socket import serving

        self._loop = asyncio.get_running_loop()
        self._finishing, self._leaving = asyncio.Event(), asyncio.Event()
        async with Runtime.of(self._settings) as runtime:
            self._project.remember()
            self.notices = runtime.notices
            async with AsyncExitStack() as doors:
                await doors.enter_async_context(
                    serving(make_app(runtime, identify=by_owner(runtime)), self._project.socket)
                )
                if self.port is not None:
                    self.port = await _opened(doors, runtime, self.port)
                self._begun.set()
                await _first(self._finishing.wait(), self._leaving.wait(), runtime.ending.wait())
                if runtime.ending.is_set():
                    self.was_stopped = True
                    self._leaving.set()
                await _first(runtime.idle(), self._leaving.wait())
            await _first(runtime.idle(), self._leaving.wait())  # what came in while the door closed


async def _opened(doors: AsyncExitStack, runtime: Runtime, port: Port) -> Port:
    from lichen.serve.site import make_metrics_site, make_site
    from lichen.serve.tcp import listening, listening_as

    site, settings = make_site(runtime), runtime.settings
    if settings is not None and settings.serve.metrics_port is not None:
        figures = listening(make_metrics_site(site, runtime), "127.0.0.1", settings.serve.metrics_port)
        await doors.enter_async_context(figures)
    number = await doors.enter_async_context(listening_as(site, port.host, port.number, settings))
    return Port(port.host, number)


async def _first(*events: Any) -> None:
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop when it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
