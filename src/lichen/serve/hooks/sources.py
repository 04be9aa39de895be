"""Channels that listen by themselves, as listeners of the process."""

from __future__ import annotations

from lichen.channels.port import ChannelPort, Source
from lichen.core.words.scope import Scope
from lichen.runtime.runtime import Runtime
from lichen.serve.hooks.composing import Composing
from lichen.serve.hooks.gateway import Mailroom
from lichen.serve.http.lines import broken
from lichen.serve.http.messages import Messages


class ChannelSources:
    """The sources among the channels of a project. One that cannot start, or end, is told and leaves the others."""

    def __init__(self) -> None:
        self._started: list[tuple[str, Source]] = []

    async def start(self, runtime: Runtime) -> None:
        """Starts each."""
        if runtime.project is None:
            return
        messages, composing = Messages(runtime.settings), Composing(runtime.engine.services.sleep)
        for scope, channel in runtime.project.channels.working:
            if isinstance(channel, Source):
                await self._start(runtime, channel, Mailroom(runtime, scope, channel, messages, composing), scope)

    async def _start(self, runtime: Runtime, channel: ChannelPort, mailroom: Mailroom, scope: Scope) -> None:
        assert isinstance(channel, Source)
        try:
            await channel.start(mailroom)
        except Exception as error:  # noqa: BLE001 - a package may raise anything; the log has its place
            broken(f"start of channel {channel.name} of {scope.tenant}", error)
            notice = (
                f"{scope.tenant}: The channel {channel.name!r} could not start; nothing comes by it until a restart."
            )
            runtime.notices = (*runtime.notices, notice)
        else:
            self._started.append((channel.name, channel))

    def drain(self) -> None:
        """Lets each take nothing new."""
        for name, source in self._started:
            try:
                source.drain()
            except Exception as error:  # noqa: BLE001 - as above
                broken(f"drain of channel {name}", error)

    async def stop(self) -> None:
        """Ends each, the last one first."""
        while self._started:
            name, source = self._started.pop()
            try:
                await source.stop()
            except Exception as error:  # noqa: BLE001 - as above
                broken(f"stop of channel {name}", error)
