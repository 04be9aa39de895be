"""How a project reaches registries of packs: `[[packs.registries]]`. Of passwords there are references only."""

from __future__ import annotations

from typing import Annotated

import msgspec

Host = Annotated[str, msgspec.Meta(max_length=260, pattern=r"^[a-z0-9.\[\]:-]+\Z")]
Kept = Annotated[str, msgspec.Meta(pattern=r"^(env:[A-Z][A-Z0-9_]{0,127}|mounted:/[^\x00-\x1f]{1,1024})?\Z")]
"""A variable or a file that holds a secret; never the secret itself."""


class RegistryHost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A registry: its `host` with its port, and as whom we come to it: a `username` with its `password`, or a `token`.

    `ca` is a file of certificates that count for it; `insecure` lets a registry of this machine be asked without TLS.
    `realms` are other hosts that it may send us to for a token.
    """

    host: Host
    username: Annotated[str, msgspec.Meta(max_length=256, pattern=r"^[^:\x00-\x1f]*\Z")] = ""
    password: Kept = ""
    token: Kept = ""
    insecure: bool = False
    ca: str = ""
    realms: Annotated[tuple[Host, ...], msgspec.Meta(max_length=16)] = ()

    def __post_init__(self) -> None:
        if bool(self.username) != bool(self.password) or (self.username and self.token):
            raise ValueError(f"{self.host} needs a `username` and its `password`, or a `token`, or none of them")
