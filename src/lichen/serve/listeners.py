"""The ways in that a process has: the socket of whoever owns the data, and the port where strangers come in."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from lichen.runtime.runtime import Runtime
from lichen.serve.app import everything, make_app
from lichen.serve.http.auth import by_owner
from lichen.serve.http.state import Site, of_app
from lichen.serve.listen.socket import serving
from lichen.serve.listen.tcp import listening, listening_as
from lichen.serve.looking import check_reads
from lichen.serve.site import make_metrics_site, make_site

LOOPBACK = "127.0.0.1"


class OwnerSocket:
    """The API on a Unix socket that only the owner of the data directory can open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._doors = AsyncExitStack()
        self._site: Site | None = None

    async def start(self, runtime: Runtime) -> None:
        """Answers on the socket from now on. Raises Unavailable (`socket_unusable`, `socket_path_too_long`)."""
        admits = check_reads if runtime.only_looks else everything
        app = make_app(runtime, identify=by_owner(runtime), admits=admits)
        self._site = of_app(app)
        await self._doors.enter_async_context(serving(app, self.path))

    def drain(self) -> None:
        """Takes nothing new, and sends home whoever waits."""
        if self._site is not None:
            self._site.drain()

    async def stop(self) -> None:
        """Ends once what was begun is answered."""
        await self._doors.aclose()


class PublicPort:
    """The public site on a TCP port, and its figures on a port of their own where the project says so.

    `number` is the port; with 0 a free one is taken, and it is that one once it is started.
    """

    def __init__(self, host: str, number: int) -> None:
        self.host, self.number = host, number
        self._doors = AsyncExitStack()
        self._site: Site | None = None

    async def start(self, runtime: Runtime) -> None:
        """Lets strangers in from now on.

        Raises Unavailable (`port_in_use`, `port_unusable`), Invalid (`host_unknown`).
        """
        site, settings = make_site(runtime), runtime.settings
        self._site = of_app(site)
        if settings is not None and settings.serve.metrics_port is not None:
            figures = listening(make_metrics_site(site, runtime), LOOPBACK, settings.serve.metrics_port)
            await self._doors.enter_async_context(figures)
        try:
            self.number = await self._doors.enter_async_context(listening_as(site, self.host, self.number, settings))
        except BaseException:
            await self._doors.aclose()
            raise

    def drain(self) -> None:
        """Takes nothing new, says so to whoever watches (`/readyz`), and sends home whoever waits."""
        if self._site is not None:
            self._site.drain()

    async def stop(self) -> None:
        """Ends once what was begun is answered."""
        await self._doors.aclose()
