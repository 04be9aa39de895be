"""The variables of the environment that Lichen reads: those that say a setting, and those that say something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from lichen.core.reading.misfits import Steps
from lichen.settings.layers.layers import Layer
from lichen.settings.places import spelt

HOME: Final = "LICHEN_HOME"
BUNDLE: Final = "LICHEN_BUNDLE"


class Variable(NamedTuple):
    """A variable, and the setting that it says, if it does; `is_list` are texts with commas between."""

    name: str
    steps: tuple[str, ...]
    meaning: str
    is_list: bool = False

    @property
    def key(self) -> str:
        """The setting, as `serve.port`; empty for none."""
        return spelt(self.steps)


VARIABLES: Final = (
    Variable(HOME, ("lichen", "home"), "Where data lies, from the folder it is said in; `--home` comes before it."),
    Variable(BUNDLE, ("lichen", "bundle"), "The bundle that is served; `--bundle` comes before it."),
    Variable("LICHEN_HOST", ("serve", "host"), "The address that `lichen serve` listens on."),
    Variable("LICHEN_PORT", ("serve", "port"), "Its port; 0 takes a free one."),
    Variable("LICHEN_CONNECTIONS", ("serve", "connections"), "How many connections are open at once."),
    Variable("LICHEN_SOCKETS", ("serve", "sockets"), "How many WebSockets are open at once."),
    Variable("LICHEN_METRICS_PORT", ("serve", "metrics_port"), "A port of the loopback for `/metrics`."),
    Variable("LICHEN_DISK_RESERVE_MIB", ("serve", "disk_reserve_mib"), "How much of the disk is kept for operators."),
    Variable(
        "LICHEN_TRUSTED_PROXIES",
        ("serve", "trusted_proxies"),
        "Proxies that may say for whom they speak.",
        is_list=True,
    ),
    Variable("LICHEN_TOOLS_FLOOR", ("tools", "floor"), "How well code of others has to be shut in."),
    Variable("LICHEN_TRUST", (), "Folders of others whose projects count nevertheless, with `:` between."),
    Variable("LICHEN_DEBUG", (), "Errors are shown with the place in the code that raised them."),
    Variable("LICHEN_URL", (), "The address of a runtime that commands ask instead of the data here."),
    Variable("LICHEN_KEY", (), "The key they ask it with; for one tenant of several `LICHEN_KEY_<TENANT>`."),
    Variable("LICHEN_TENANT", (), "The tenant of a command that names none."),
    Variable("LICHEN_ENV", (), "Its environment."),
    Variable("LICHEN_MODEL", (), "The model of agent files that say `model_from`."),
    Variable("LICHEN_PUBLIC_URL", (), "Where the world reaches us, for `lichen channel`."),
    Variable("LICHEN_CACHE", (), "Where packs that were fetched are kept."),
    Variable("LICHEN_PINS", (), "Where the pins of schemas are kept for `lichen schemapin`."),
    Variable("GREENTIC_ENV", (), "The environment of a bundle's tenants; else `local`."),
    Variable("GREENTIC_PACK_STRICT_EXTENSIONS", (), "Unknown extensions of a pack are errors of `lichen pack doctor`."),
    Variable("GREENTIC_PACK_CACHE_DIR", (), "Where packs that were fetched are kept; it comes before `LICHEN_CACHE`."),
    Variable("GREENTIC_HOME", (), "Its folder `cache/packs`, where the account has no home of its own."),
    Variable("GREENTIC_CACHE_MAX_BYTES", (), "How much of them is kept."),
    Variable("GREENTIC_DIST_OFFLINE", (), "Nothing is fetched; what is kept has to do."),
    Variable("GREENTIC_DIST_ALLOW_INSECURE_LOCAL_HTTP", (), "A registry of the loopback may be asked without TLS."),
    Variable("GREENTIC_REPO_REGISTRY_BASE", (), "The registry that `repo://` stands for."),
    Variable("GREENTIC_STORE_REGISTRY_BASE", (), "The registry that `store://` stands for."),
    Variable("XDG_CONFIG_HOME", (), "Where the user's own `lichen/config.toml` lies; else in `~/.config`."),
)
"""Every one that is read, in the order in which they are shown."""


def variable_layer(environ: Mapping[str, str]) -> Layer:
    """What variables say. `LICHEN_HOME`, which is a path from another folder, is left to whoever reads the settings."""
    document: dict[str, Any] = {}
    for each in VARIABLES:
        given = environ.get(each.name, "").strip()
        if not given or not each.steps or each.name == HOME:
            continue
        table, name = each.steps
        value: Any = [part.strip() for part in given.split(",")] if each.is_list else given
        if each.name == BUNDLE:
            value = str(Path(given).absolute())  # of the working directory, as paths of variables are
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        document.setdefault(table, {})[name] = value
    return Layer("variable", document, _named)


def _named(steps: Steps) -> str:
    return next((each.name for each in VARIABLES if each.steps and each.steps == steps[: len(each.steps)]), "")
