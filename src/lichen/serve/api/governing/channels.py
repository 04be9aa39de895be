"""The channels of a tenant: what each lacks, whether its settings are right, and what its platform knows of us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from lichen.core.ports.secrets import Secret
from lichen.core.speech.saying import Saying
from lichen.engine.intake.sessions import Told
from lichen.runtime.operations.channels.health import ChannelHealth
from lichen.runtime.operations.channels.platforms import Asked, PlatformView, Tried
from lichen.serve.api.governing.secrets import SecretName, SecretValue
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange


class Registration(Body, frozen=True):
    """The https address that the world reaches this server by."""

    public_url: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class Candidate(Body, frozen=True):
    """Values of secrets, by name, that are tried before they are kept."""

    secrets: Annotated[Mapping[SecretName, SecretValue], msgspec.Meta(max_length=20)] = {}


class Trying(Body, frozen=True):
    """Where a test message goes, in the channel's own form."""

    to: Annotated[str, msgspec.Meta(max_length=1_024)] = ""


class Beginning(Body, frozen=True):
    """Whom to write to, as the platform calls them, and what they read; `subject` for channels that show one."""

    to: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    text: str
    card: dict[str, Any] | None = None
    subject: Annotated[str, msgspec.Meta(max_length=200)] = ""


async def list_channels(x: Exchange) -> tuple[PlatformView, ...]:
    """Every channel, with what it lacks."""
    return await x.runtime.platforms.list(x.scope, x.actor)


async def health(x: Exchange) -> tuple[ChannelHealth, ...]:
    """How every channel is: what came and went last, what waits, what is amiss. No platform is asked."""
    return await x.runtime.channel_health.list(x.scope, x.actor)


async def check(x: Exchange) -> Asked:
    """Asks its platform who we are there."""
    return await x.runtime.platforms.check(x.scope, x.part("name"), x.actor)


async def check_candidate(x: Exchange) -> Asked:
    """Asks its platform who we would be there with settings and secrets that are not in force yet."""
    secrets = {name: Secret(value) for name, value in x.body(Candidate).secrets.items()}
    return await x.runtime.platforms.check_candidate(x.scope, x.part("name"), x.actor, secrets=secrets)


async def register(x: Exchange) -> Asked:
    """Has its platform send to us."""
    url = x.body(Registration).public_url
    return await x.runtime.platforms.register(x.scope, x.part("name"), x.actor, public_url=url)


async def unregister(x: Exchange) -> Asked:
    """Has its platform send nothing more."""
    return await x.runtime.platforms.unregister(x.scope, x.part("name"), x.actor)


async def test(x: Exchange) -> Tried:
    """Sends a test message."""
    return await x.runtime.platforms.test(x.scope, x.part("name"), x.actor, to=x.body(Trying).to)


async def tell(x: Exchange) -> Told:
    """Writes to somebody who did not ask, in the conversation that they and the channel have alone; a repeated
    idempotency key is the same message."""
    said = x.body(Beginning)
    who, saying = f"{x.part('name')}:{said.to}", Saying(said.text, said.card)
    return await x.runtime.telling.begin(x.scope, who, saying, x.actor, key=x.key, subject=said.subject)


ROUTES = (
    ApiRoute("GET", "channels", "channel.read", list_channels),
    ApiRoute("GET", "channels/health", "channel.read", health),
    ApiRoute("POST", "channels/{name}/check", "channel.check", check, fails=(404,)),
    ApiRoute("POST", "channels/{name}/candidate", "channel.check", check_candidate, body=Candidate, fails=(404,)),
    ApiRoute("POST", "channels/{name}/register", "channel.register", register, body=Registration, fails=(404, 409)),
    ApiRoute("POST", "channels/{name}/unregister", "channel.register", unregister, fails=(404, 409)),
    ApiRoute("POST", "channels/{name}/test", "channel.test", test, body=Trying, fails=(404,)),
    ApiRoute(
        "POST", "channels/{name}/tell", "session.tell", tell, body=Beginning, fails=(404, 409, 503), takes_key=True
    ),
)
