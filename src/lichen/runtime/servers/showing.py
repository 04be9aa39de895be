"""How an agent of ours shows itself at a server: its key from a secret, and in a run for somebody else's agent the
chain by which that one delegated to ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lichen.core.remote.server import Server
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Actor
from lichen.runtime.servers.vouching import https

if TYPE_CHECKING:
    import httpx2

Reveal = Callable[[str], Awaitable[str]]


def lent_to_us(server: Server, by: Actor | None) -> tuple[str, ...]:
    """The chain with which a server is asked for whoever `by` acts for: empty for our own people. For somebody else's
    agent that delegates nothing to ours, ours asks nobody: it would lend its own rights to a stranger.

    Raises Unavailable (`delegation_refused`).
    """
    if server.agentpin is None or by is None:
        return ()
    who = by.subject
    if who.auth.startswith("agentpin:") and not who.delegated:
        message = "The agent that this is for does not delegate to ours, so nothing is asked in its name."
        step = "It has to send `AgentPin-Attestation`, and not to be three deep already."
        raise Unavailable(message, code="delegation_refused", place=f"mcp.{server.name}", next_step=step)
    return who.delegated


async def showing(
    server: Server, lent: tuple[str, ...], reveal: Reveal, clock: Callable[[], int], new_id: Callable[[str], str]
) -> httpx2.Auth:
    """What puts credentials on requests to a server. Raises NotFound (`secret_unknown`), Invalid for no key,
    Unavailable (`credential_refused`, `delegation_refused`, `server_unproved`)."""
    from lichen.tools.agentpin.delegation import Attestation
    from lichen.tools.agentpin.directory import place_of
    from lichen.tools.mcp.oauth.showing import Showing
    from lichen.tools.pins.keys import private_key

    shown = server.agentpin
    assert shown is not None, "only a server that wants credentials is shown any"
    chain = tuple(msgspec.json.decode(each, type=Attestation) for each in lent)
    places = place_of(Path(shown.known) if shown.known else None, https)
    key = private_key(await reveal(shown.key))
    made = Showing(server, shown, key, chain, places, lambda: datetime.fromtimestamp(clock() / 1e6, UTC), new_id)
    await made.ready()
    return made
