"""The secrets of a tenant: which there are, and what tools are handed. No route answers with a value."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Literal

import msgspec

from lichen.core.ports.secrets import NAME_CHARS_MAX, SECRET_BYTES_MAX, Secret
from lichen.core.words.errors import Invalid
from lichen.runtime.operations.governing.secrets import Mark
from lichen.runtime.views.tenant import SecretView
from lichen.serve.api.route import ApiRoute
from lichen.serve.http.exchange import Body, Exchange, Nothing

SecretValue = Annotated[str, msgspec.Meta(min_length=1, max_length=2 * SECRET_BYTES_MAX)]
SecretName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]


class Replacing(Body, frozen=True):
    """The name of a secret and its value, a text; with the encoding `base64` any bytes."""

    name: SecretName
    value: SecretValue
    encoding: Literal["text", "base64"] = "text"


class Setting(Replacing, frozen=True):
    """The same for a first value; `wanted_by` says what will ask for it, where nothing does yet."""

    wanted_by: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Removing(Body, frozen=True):
    """Which secret."""

    name: SecretName


async def list_secrets(x: Exchange) -> tuple[SecretView, ...]:
    """Every secret that a tool asks for or that somebody named, without its value."""
    return await x.runtime.secrets.list(x.scope, x.actor)


async def set_secret(x: Exchange) -> SecretView:
    """Keeps the first value of a secret."""
    wanted = x.body(Setting)
    value = _value(wanted)
    return await x.runtime.secrets.set(x.scope, wanted.name, value, x.actor, wanted_by=wanted.wanted_by)


async def rotate(x: Exchange) -> SecretView:
    """Replaces the value of a secret; it counts at the next use."""
    wanted = x.body(Replacing)
    return await x.runtime.secrets.rotate(x.scope, wanted.name, _value(wanted), x.actor)


async def mark(x: Exchange) -> Mark:
    """What a version of a secret with this value ends with; nothing is kept."""
    wanted = x.body(Replacing)
    return await x.runtime.secrets.mark(x.scope, wanted.name, _value(wanted), x.actor)


async def remove(x: Exchange) -> Nothing:
    """Forgets a secret."""
    await x.runtime.secrets.remove(x.scope, x.body(Removing).name, x.actor)
    return Nothing()


def _value(wanted: Replacing) -> Secret:
    """The value. Raises Invalid (`secret_not_base64`, `secret_size`)."""
    if wanted.encoding == "text":
        return Secret(wanted.value)
    try:
        return Secret(b64decode(wanted.value, validate=True))
    except (binascii.Error, ValueError):
        step = "Encode it again, or send it as text."
        raise Invalid("The value is not base64.", code="secret_not_base64", next_step=step) from None


ROUTES = (
    ApiRoute("GET", "secrets", "secret.read", list_secrets),
    ApiRoute("POST", "secrets", "secret.set", set_secret, body=Setting, fails=(404, 409)),
    ApiRoute("POST", "secrets/rotate", "secret.set", rotate, body=Replacing, fails=(404, 409)),
    ApiRoute("POST", "secrets/mark", "secret.set", mark, body=Replacing),
    ApiRoute("POST", "secrets/remove", "secret.remove", remove, body=Removing, fails=(404, 409)),
)
