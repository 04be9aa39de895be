"""What a component says that it wants of whoever runs it, and what it was granted of that.

Source: `capabilities` of component.manifest.json (greentic-component, schema v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

NAMES_MAX: Final = 64
NAME_CHARS_MAX: Final = 256
_SILENT: Final = ("env", "random", "clocks")


class Capabilities(msgspec.Struct, frozen=True):
    """What is wanted, or what is granted of it. `secrets` and `hosts` are names; the rest is there or it is not.

    `http` without `hosts` wants to reach whatever it is granted, `env` without `variables` whatever it is told.
    `filesystem` is known and never granted. `unsaid` are those of WASI that a manifest says nothing of.
    """

    filesystem: bool = False
    env: bool = False
    variables: tuple[str, ...] = ()
    random: bool = False
    clocks: bool = False
    secrets: tuple[str, ...] = ()
    state_read: bool = False
    state_write: bool = False
    state_delete: bool = False
    http: bool = False
    hosts: tuple[str, ...] = ()
    messaging: bool = False
    events: bool = False
    telemetry: bool = False
    unsaid: tuple[str, ...] = ()

    @property
    def changes_world(self) -> bool:
        """Whether a call that has these may have done something that stays."""
        return self.state_write or self.state_delete or self.http or self.messaging or self.events

    def besides(self, imported: Capabilities) -> Capabilities:
        """This, and of what nothing is said what is imported."""
        found = {name: getattr(imported, name) for name in self.unsaid}
        return msgspec.structs.replace(self, **found, unsaid=())


NOTHING: Final = Capabilities()


def capabilities_of(tree: object) -> Capabilities:
    """The `capabilities` of a manifest. What is not understood wants nothing."""
    said = _table(tree)
    wasi, host = _table(said.get("wasi")), _table(said.get("host"))
    state, http = _table(host.get("state")), _table(host.get("http"))
    return Capabilities(
        filesystem=_table(wasi.get("filesystem")).get("mode", "none") != "none",
        env=wasi.get("env") is True or bool(_allowed(wasi.get("env"))),
        variables=_allowed(wasi.get("env")),
        random=_is_there(wasi.get("random")),
        clocks=_is_there(wasi.get("clocks")),
        secrets=_secrets(host.get("secrets")),
        state_read=state.get("read") is True,
        state_write=state.get("write") is True,
        state_delete=state.get("delete") is True,
        http=_is_there(http.get("client")) or bool(_names(http.get("hosts"))),
        hosts=_names(http.get("hosts")),
        messaging=any(each is True for each in _table(host.get("messaging")).values()),
        events=any(each is True for each in _table(host.get("events")).values()),
        telemetry=_is_there(host.get("telemetry")),
        unsaid=tuple(name for name in _SILENT if name not in wasi),
    )


def _secrets(said: Any) -> tuple[str, ...]:
    """Names, as a list or under `required`, each a string or a table with a `key`."""
    entries = cast("Any", said if isinstance(said, list) else _table(said).get("required"))
    found: list[str] = []
    for entry in cast("list[Any]", entries) if isinstance(entries, list) else []:
        key: Any = entry if isinstance(entry, str) else _table(entry).get("key", _table(entry).get("name"))
        if isinstance(key, str) and 0 < len(key) <= NAME_CHARS_MAX:
            found.append(key)
    return tuple(dict.fromkeys(found))[:NAMES_MAX]


def _allowed(said: Any) -> tuple[str, ...]:
    """The variables that are wanted: names, as a list or under `allow`."""
    return _names(cast("Any", said) if isinstance(said, list) else _table(said).get("allow"))


def _names(said: object) -> tuple[str, ...]:
    found = cast("list[object]", said) if isinstance(said, list) else []
    return tuple(each for each in found if isinstance(each, str) and 0 < len(each) <= NAME_CHARS_MAX)[:NAMES_MAX]


def _is_there(said: object) -> bool:
    """A wish is written as `true`, or as a table that says more of it."""
    return said is True or (isinstance(said, dict | list) and bool(cast("Any", said)))


def _table(said: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", said) if isinstance(said, dict) else {}
