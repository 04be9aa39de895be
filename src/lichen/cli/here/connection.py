"""The local socket of a data directory, and what happens when nobody answers on it.

A process that runs the engine owns the data directory and answers. When nobody does, this process becomes the owner
and answers itself. When an owner dies in the middle of a request, the request goes once more, with the same
idempotency key, to whoever owns the directory then.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lichen.cli.errors import of_response
from lichen.cli.here.stream import Frame, StreamCut, frames
from lichen.cli.here.workspace import Workspace
from lichen.core.words.errors import LichenError, Unavailable
from lichen.serve.listen.address import address

if TYPE_CHECKING:
    from lichen.cli.here.owner import Owner, Port
    from lichen.runtime.project.project import Project

PREFIX = "/api/v1"
DYING_S = 0.5  # a process that was killed may still take connections for a moment, to drop them
PAUSE_S = (0.05, 0.06, 0.07, 0.09, 0.1, 0.12, 0.15, 0.18, 0.2, 0.25, 0.3, 0.4, *[0.5] * 16)
"""How long to wait each time, about ten seconds in all, while the directory is owned and nobody answers yet."""

ASKING_S = 5.0
SILENT_S = 60.0  # so long a stream of events may be silent: it beats every quarter of that

Headers = Mapping[str, str]


class _NobodyAnswers(Exception):
    """There is no socket, or nobody listens on it: the request did not leave."""


class _OwnerDied(Exception):
    """The connection broke before the answer: whether the request arrived is not known."""


class Connection:
    """The way to the runtime of a project. May be used by several threads. End with `finish` or `leave`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._owner: Owner | None = None
        self._project: Project | None = None
        self._owning = threading.Lock()
        self._expects_models = False

    @property
    def project(self) -> Project:
        """The project as loaded once. Raises NotFound (`project_unknown`), Invalid."""
        if self._project is None:
            self._project = self.workspace.load()
        return self._project

    @property
    def owner(self) -> Owner | None:
        """This process as the owner, if it had to become it."""
        return self._owner

    def expect_models(self) -> None:
        """Should this process become the owner, it is about to ask models: it reads their libraries meanwhile."""
        self._expects_models = True

    def own(self, port: Port | None = None, *, stays: bool = False, on_bus: bool = False) -> Owner:
        """Makes this process the owner, with a port for strangers if one is named; of bare data, to look at it. Where
        it `stays`, what comes due begins; `on_bus`, it is the runner between gateway and egress.

        Raises Unavailable (`data_dir_in_use`) if another process is it, or (`port_in_use`).
        """
        from lichen.cli.here.owner import Owner

        project = None if self.workspace.is_bare else self.project
        owner = Owner(self.workspace, project, port=port, stays=stays, on_bus=on_bus)
        owner.start()
        self._owner = owner
        if self._expects_models and not self.workspace.is_bare:
            from lichen.agents.providers.remote import load_ahead

            planners = [agent.planner for agent in self.project.agents]
            load_ahead([name for planner in planners for name in getattr(planner, "models", ())])
        return owner

    def finish(self) -> None:
        """Drives everything owed until nothing is in flight, if this process is the owner."""
        if self._owner is not None:
            self._owner.finish()

    def leave(self) -> None:
        """Lets go of the directory without waiting for what is owed."""
        if self._owner is not None:
            self._owner.leave()

    def is_answered(self) -> bool:
        """Whether somebody owns the directory and answers now."""
        try:
            self._send("GET", "health", None, {}, ASKING_S)
        except (_NobodyAnswers, _OwnerDied):
            return False
        return True

    def _own_or_wait(self) -> Unavailable | None:
        """Somebody owns the directory after this: we, or another process; then why we cannot."""
        with self._owning:
            try:
                if self._owner is None:
                    self.own()
                    return None
            except Unavailable as error:
                if error.code != "data_dir_in_use":
                    raise
                return error
            self._owner.check()
            if self._owner.gone.is_set():
                raise Unavailable("The runtime of this process has ended.", code="owner_gone")
            return None

    # -- requests ------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: bytes | None, *, headers: Headers, answer_s: float) -> Any:
        """The content of the answer: decoded JSON, or bytes. Raises the error that the answer tells of, Unavailable
        when the owner died twice, does not answer within `answer_s`, or cannot be reached."""
        has_died, refused = False, None
        for pause_s in PAUSE_S:
            try:
                return self._send(method, path, body, headers, answer_s)
            except _NobodyAnswers:
                if refused := self._own_or_wait():
                    threading.Event().wait(pause_s)  # its owner is about to answer, or to let go
            except _OwnerDied:
                if has_died:
                    raise Unavailable("The owner of the data directory died twice.", code="owner_died") from None
                has_died = True
                threading.Event().wait(DYING_S)
            except Unavailable as error:
                if error.code != "draining":
                    raise
                refused = error
                threading.Event().wait(pause_s)  # nothing was taken: it goes to the next owner
        raise refused or Unavailable("Nobody answers on the socket of the data directory.", code="owner_silent")

    def _send(self, method: str, path: str, body: bytes | None, headers: Headers, answer_s: float) -> Any:
        import http.client

        connection = http.client.HTTPConnection("localhost", timeout=answer_s)
        connection.sock = self._connected(answer_s)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # the answer may be there before all was sent
                connection.request(method, f"{PREFIX}/{path}", body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            data, media = response.read(), response.headers.get_content_type()
        except TimeoutError:
            raise Unavailable("The runtime did not answer in time.", code="answer_late") from None
        except (ConnectionError, http.client.HTTPException):
            raise _OwnerDied from None
        finally:
            connection.close()
        return _content(response.status, media, data)

    def stream(self, path: str, *, headers: Headers) -> Iterator[Frame]:
        """The events at a path as they come, until their stream ends. Raises the error that is answered instead, and
        StreamCut when the connection breaks, is silent for long, or there is nobody."""
        import http.client

        connection = http.client.HTTPConnection("localhost", timeout=SILENT_S)
        try:
            connection.sock = self._connected(SILENT_S)
            connection.request("GET", f"{PREFIX}/{path}", headers={**headers, "Connection": "close"})
            response = connection.getresponse()
            if response.status >= 400:
                _content(response.status, response.headers.get_content_type(), response.read())
            yield from frames(response)
        except (_NobodyAnswers, TimeoutError, ConnectionError, http.client.HTTPException):
            raise StreamCut from None
        finally:
            connection.close()

    def channel(self) -> socket.socket:
        """The socket of whoever owns the directory now, connected. Raises Unavailable (`owner_silent`)."""
        try:
            found = self._connected(ASKING_S)
        except _NobodyAnswers:
            raise Unavailable("Nobody answers on the socket of the data directory.", code="owner_silent") from None
        found.settimeout(None)
        return found

    def _connected(self, answer_s: float) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.settimeout(answer_s)
        try:
            with address(self.workspace.socket) as name:
                channel.connect(name)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            channel.close()
            raise _NobodyAnswers from None
        except OSError as error:
            channel.close()
            raise _unreachable(error, self.workspace) from None
        return channel


def _content(status: int, media: str, data: bytes) -> Any:
    content: Any = json.loads(data) if media == "application/json" else data
    if status >= 400:
        raise of_response(status, content)
    return content


def _unreachable(error: OSError, workspace: Workspace) -> LichenError:
    return Unavailable(
        f"The socket of the runtime cannot be opened ({error.strerror}).",
        code="socket_unreachable",
        next_step="Run `lichen doctor`.",
        place=str(workspace.socket),
    )
