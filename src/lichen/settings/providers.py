"""How providers of models are reached, as `[models.NAME]` says it, or a tenant's own. No key stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import msgspec

from lichen.core.ports.secrets import checked_secret_name
from lichen.core.words.errors import Invalid
from lichen.settings.secrets import Steps, Wrong

PROVIDERS: Final = "<providers>"  # stands for the tables that are named for their provider
NO_PROVIDERS: Final = ("prices", "tags")  # tables under [models] that are something else
NO_KEY: Final = "none"  # for a server that wants none

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_URL: Final = re.compile(r"https?://[^\s/@]+(/[^\s]*)?")
_HINT: Final = (
    "If this is the key itself, take it out of the file, and of the file's history, change it at the provider, and "
    "keep the new one with `lichen secrets set NAME`. A key is env:VARIABLE, secret:NAME, or none."
)


class ProviderTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one provider is reached. What is left out is as its client finds it in the environment.

    `key` is `env:VARIABLE`, `secret:NAME` or `none`. `tries` is how often one request is sent at most, `timeout_s` how
    long one try may take.
    """

    key: str | None = None
    base_url: str | None = None
    options: Mapping[str, str] = {}
    tries: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3_600)] | None = None

    @property
    def secret(self) -> str:
        """The name of the secret that its key is; empty where it is none."""
        kind, _, name = (self.key or "").partition(":")
        return name if kind == "secret" else ""

    def over(self, below: ProviderTable) -> ProviderTable:
        """This table, with what it leaves out from the one below."""
        fields = ("key", "base_url", "tries", "timeout_s")
        said = {name: value for name in fields if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(below, options={**below.options, **self.options}, **said)


Providers = Mapping[str, ProviderTable]


def wrong_with_providers(tables: Providers, below: Providers) -> Iterator[Wrong]:
    """What is wrong with the tables of a tenant, or with those of all, by themselves. It repeats no key."""
    for name, table in tables.items():
        yield from _key((name, "key"), table.key)
        if table.base_url is not None and not _URL.fullmatch(table.base_url):
            step = "Write it as https://HOST/PATH, without a key or a password in it."
            yield Wrong((name, "base_url"), "This is no address.", "provider_url_invalid", step)
        shared = below.get(name)
        if table.base_url is not None and table.key is None and shared is not None and shared.key is not None:
            message = "A key that is for another address would be sent to this one."
            step = "Say `key` beside `base_url`: env:VARIABLE, secret:NAME, or none."
            yield Wrong((name, "base_url"), message, "provider_key_elsewhere", step)


def _key(at: Steps, key: str | None) -> Iterator[Wrong]:
    kind, _, detail = (key or NO_KEY).partition(":")
    match kind:
        case "none" if not detail:
            return
        case "env" if _VARIABLE.fullmatch(detail):
            return
        case "secret" if _is_secret_name(detail):
            return
        case _:
            yield Wrong(at, "This names no key.", "provider_key_invalid", _HINT)


def _is_secret_name(name: str) -> bool:
    try:
        return checked_secret_name(name) == name
    except Invalid:
        return False
