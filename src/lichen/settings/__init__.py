"""What `lichen.toml` says, and nothing of what it names: `read` in `reading` gives its `Settings` and every mistake."""

from lichen.settings.file import FILE, DeclaredActor, Serve, Settings, Tenant, WebChat

__all__ = ["FILE", "DeclaredActor", "Serve", "Settings", "Tenant", "WebChat"]
