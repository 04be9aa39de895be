"""`lichen.toml` and the project it describes: `load` gives its `Settings`, `examine` every mistake in it."""

from lichen.settings.file import FILE, DeclaredActor, Serve, Settings, Tenant, WebChat
from lichen.settings.loading import Examined, examine, find, load

__all__ = [
    "FILE",
    "DeclaredActor",
    "Examined",
    "Serve",
    "Settings",
    "Tenant",
    "WebChat",
    "examine",
    "find",
    "load",
]
