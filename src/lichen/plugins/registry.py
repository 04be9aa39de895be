"""Parts by name: our own, and those that installed packages declare as entry points of a group.

A package is found without importing it. It is imported once a project names its part, and is inside the trust boundary
from then on. Source: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from traceback import extract_tb
from typing import TYPE_CHECKING, Generic, TypeGuard, TypeVar

import msgspec

from lichen.core.words.errors import Invalid, LichenError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

TEXT_CHARACTERS_MAX = 300  # of what a plug-in's own error says

T = TypeVar("T")
R = TypeVar("R")


class Plugin(msgspec.Struct, frozen=True):
    """A part as its package declares it. `reference` is the `module:name` that is imported when it is needed."""

    group: str
    name: str
    package: str
    version: str
    reference: str


class Used(msgspec.Struct, frozen=True):
    """A plug-in that this process was asked for, and why it does not work; empty where it does."""

    group: str
    name: str
    package: str
    version: str
    error: str = ""

    @property
    def notice(self) -> str:
        """That it does not work, without what its own code said of that."""
        return (
            f"The plug-in {self.name!r} of {self.package} {self.version} does not work; the rest goes on without it. "
            "`lichen doctor` says why."
        )


class Registry(Generic[T]):
    """The parts of one group by name. `fits` says whether what a package brings is one, `shape` what one is, and
    `taken` which names are ours in another way."""

    def __init__(
        self,
        group: str,
        own: Mapping[str, T],
        *,
        fits: Callable[[object], TypeGuard[T]],
        shape: str,
        taken: Sequence[str] = (),
    ) -> None:
        self._group, self._own, self._fits, self._shape = group, own, fits, shape
        self._taken = {*own, *taken}

    @property
    def names(self) -> tuple[str, ...]:
        """What there is."""
        return tuple(sorted({*self._taken, *(plugin.name for plugin in installed(self._group))}))

    def make(self, name: str, build: Callable[[T], R]) -> R | None:
        """What `build` makes of the part of this name; None where there is no such part.

        Raises Invalid: `plugin_ambiguous` when two packages have it, `plugin_broken` when a package cannot be imported,
        brings something else, or raises what is no LichenError.
        """
        plugin = self.find(name)
        if plugin is not None:
            return self._made(plugin, build)
        own = self._own.get(name)
        return None if own is None else build(own)

    def find(self, name: str) -> Plugin | None:
        """The plug-in of this name, not imported; None for a part of ours, or of nobody.

        Raises Invalid (`plugin_ambiguous`) when there are two.
        """
        found = [plugin for plugin in installed(self._group) if plugin.name == name]
        is_own = name in self._taken
        if len(found) + is_own > 1:
            raise _ambiguous(name, self._group, found, is_own=is_own)
        return found[0] if found else None

    def _made(self, plugin: Plugin, build: Callable[[T], R]) -> R:
        """What `build` makes of a plug-in, and a note of how that went."""
        _note(plugin)
        try:
            return build(self._loaded(plugin))
        except LichenError:  # it says itself what is wrong with what it was asked for
            raise
        except (Exception, SystemExit) as error:  # strangers' code may raise anything
            failure = broken(plugin, error)
            _note(plugin, failure.message)
            raise failure from error

    def _loaded(self, plugin: Plugin) -> T:
        module, _, attribute = plugin.reference.partition(":")
        __import__(module)
        part: object = sys.modules[module]
        for step in attribute.split(".") if attribute else ():
            part = getattr(part, step)
        if not self._fits(part):
            raise TypeError(f"{plugin.reference} is no {self._shape}")
        return part


def installed(group: str) -> tuple[Plugin, ...]:
    """What the installed packages declare in a group, by name. Nothing is imported."""
    return _installed(group, tuple(sys.path))


@lru_cache(16)
def _installed(group: str, path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Of a package that lies on the path twice the first counts, as it does for `import`."""
    from importlib.metadata import distributions  # takes its time, and most programs name nobody's part

    found: dict[str, tuple[Plugin, ...]] = {}
    for package in distributions(path=list(path)):
        if declared := _declared(package, group):
            found.setdefault(declared[0].package.casefold(), declared)
    return tuple(sorted((each for declared in found.values() for each in declared), key=lambda plugin: plugin.name))


def _declared(package: Distribution, group: str) -> tuple[Plugin, ...]:
    try:
        points = package.entry_points.select(group=group)
        return tuple(Plugin(group, each.name, str(package.name), str(package.version), each.value) for each in points)
    except Exception:  # noqa: BLE001 - a package whose files are damaged declares nothing, and hides no other
        return ()


def broken(plugin: Plugin, error: BaseException) -> Invalid:
    """The error for a plug-in whose own code failed, at the line that did."""
    said = " ".join(f"{type(error).__name__}: {error}".split())[:TEXT_CHARACTERS_MAX].rstrip(" .")
    return Invalid(
        f"The plug-in {plugin.name!r} of {plugin.package} {plugin.version} ({plugin.group}) fails: {said}.",
        code="plugin_broken",
        next_step=f"Install a version of {plugin.package} that works, or name another part.",
        place=_line(error),
    )


def _line(error: BaseException) -> str | None:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    last = frames[-1] if frames else None
    return None if last is None or last.filename == __file__ else f"{last.filename}:{last.lineno}"


def _ambiguous(name: str, group: str, found: list[Plugin], *, is_own: bool) -> Invalid:
    packages = [*(["lichen itself"] if is_own else []), *(f"{each.package} {each.version}" for each in found)]
    return Invalid(
        f"{' and '.join(packages)} each bring a part called {name!r} ({group}).",
        code="plugin_ambiguous",
        next_step=f"Uninstall one of them: {', '.join(each.package for each in found)}.",
    )


# -- what this process was asked for -----------------------------------------------------------------------------

_used: dict[Plugin, str] = {}
"""With the first thing that was wrong. As `sys.modules` does: what was imported is, whichever project named it."""


def _note(plugin: Plugin, error: str = "") -> None:
    _used[plugin] = _used.get(plugin) or error


def used() -> tuple[Used, ...]:
    """The installed plug-ins that this process was asked for, in the order of group and name."""
    found = (plugin for plugin in _used if plugin in installed(plugin.group))
    ordered = sorted(found, key=lambda each: (each.group, each.name))
    return tuple(Used(each.group, each.name, each.package, each.version, _used[each]) for each in ordered)
