"""A model of a provider by name, which is reached over the connection of whoever asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from lichen.agents.providers.facts import PROVIDERS, Facts, thinks
from lichen.core.ports.model import Connection, Connections, Deltas, Media, Model, ModelReply, ModelRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.scope import Scope

if TYPE_CHECKING:
    from lichen.agents.providers.clients import Clients


class Held:
    """The clients of one event loop. The libraries they are of are imported with the first of them."""

    def __init__(self) -> None:
        self._clients: Clients | None = None
        self.holders = 0

    async def opened(self) -> Clients:
        """The clients, in the running loop."""
        if self._clients is None:
            # Read from disk beside the loop, which would stand still meanwhile.
            await asyncio.to_thread(import_module, "lichen.agents.providers.wire")
        if self._clients is None:
            from lichen.agents.providers.clients import Clients

            self._clients = Clients()
        return self._clients

    async def close(self) -> None:
        """Closes them all."""
        clients, self._clients = self._clients, None
        if clients is not None:
            await clients.close()


class RemoteModel:
    """The model called `provider:model`. Without a runtime it is reached as the environment says.

    Raises Invalid (`model_unknown` for no name, `model_extra_missing` for a provider whose libraries are not here).
    """

    def __init__(self, provider: str, model: str) -> None:
        self._facts = PROVIDERS[provider]
        if not model.strip() or len(model) > 256:
            step = f"Write it as {provider}:NAME, as the provider names it."
            raise Invalid("This names no model.", code="model_unknown", next_step=step)
        if not self._facts.is_installed:
            raise extra_missing(self._facts)
        self._model = model
        self.name = f"{provider}:{model}"

    @property
    def provider(self) -> str:
        """The word before the colon."""
        return self._facts.name

    @property
    def thinks(self) -> bool:
        """Whether it thinks though nobody asks it to, as far as its name tells."""
        return thinks(self._model)

    def takes(self, media: Media) -> bool:
        """Whether the provider takes files of this media type."""
        return media.media_type in self._facts.takes

    def over(self, connections: Connections, scope: Scope) -> Model:
        """The same model, reached as this scope reaches it."""
        return _Reached(self, connections, scope)

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """One reply over the connection that the environment says. Raises ModelError."""
        return await self.asked(Connection(identity="environment"), _of_loop(), request, deltas)

    async def asked(
        self, connection: Connection, held: Held, request: ModelRequest, deltas: Deltas | None
    ) -> ModelReply:
        """One reply over a connection: one try. Raises ModelError."""
        clients = await held.opened()
        from lichen.agents.providers.wire import Asking

        return await Asking(self._facts, self._model, connection, clients).generate(request, deltas)


class _Reached:
    """A model on behalf of a scope."""

    def __init__(self, model: RemoteModel, connections: Connections, scope: Scope) -> None:
        self._model, self._connections, self._scope = model, connections, scope
        self.name = model.name

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """One reply. Raises ModelError."""
        connection = await self._connections.of(self._model.provider, self._scope)
        return await self._model.asked(connection, _of_loop(), request, deltas)


def load_ahead(models: Iterable[str]) -> threading.Thread | None:
    """Reads the libraries of these models' providers from disk, in a thread of its own, so that their first answer does
    not wait for that. None where there are none. What cannot be read is told when a model is asked."""
    named = dict.fromkeys(name.partition(":")[0] for name in models)
    wanted = [name for name in named if (facts := PROVIDERS.get(name)) is not None and facts.is_installed]
    if not wanted:
        return None
    thread = threading.Thread(target=_load, args=(wanted,), name="lichen-libraries", daemon=True)
    thread.start()
    return thread


def _load(providers: Sequence[str]) -> None:
    with suppress(Exception):
        import_module("lichen.agents.providers.wire")
        from lichen.agents.providers.makers import libraries

        for module in dict.fromkeys(module for name in providers for module in libraries(name)):
            import_module(module)


def extra_missing(facts: Facts) -> Invalid:
    """The error for a provider whose libraries are not installed."""
    step = f"Install Lichen with its extra `{facts.extra}`, in a clone with `pip install '.[{facts.extra}]'`."
    return Invalid(f"The libraries of {facts.name} are not installed.", code="model_extra_missing", next_step=step)


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Held] = WeakKeyDictionary()


def _of_loop() -> Held:
    return _OF_LOOPS.setdefault(asyncio.get_running_loop(), Held())


@asynccontextmanager
async def clients_held() -> AsyncGenerator[Held]:
    """The clients of the running loop, which are closed when the last who held them lets go."""
    held = _of_loop()
    held.holders += 1
    try:
        yield held
    finally:
        held.holders -= 1
        if not held.holders:
            await held.close()
