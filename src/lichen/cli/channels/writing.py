"""`lichen.toml` changed by a program: one table of it, and not a letter of anything else.

The new text is read again before it takes the place of the old one, at once; whatever it would say besides what was
meant, it does not take its place.
"""

from __future__ import annotations

import fcntl
import os
import re
import tomllib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, cast

from lichen.core.words.errors import Conflict, Invalid, LichenError, Unavailable

_HEADER: Final = re.compile(r"^\s*\[")

Steps = tuple[str, ...]
Check = Callable[[Path], Sequence[LichenError]]


def with_table(text: str, steps: Steps, table: Mapping[str, Any]) -> str:
    """The text with a table more, after the last of those beside it."""
    import tomlkit

    written = tomlkit.document()
    for key, value in table.items():
        written.add(key, value)
    head = f"[{'.'.join(map(_key, steps))}]"
    before, after = _parted(text if not text or text.endswith("\n") else f"{text}\n", steps[:-1])
    return _meant(text, f"{before}\n{head}\n{_nested(tomlkit.dumps(written), steps)}{after}", steps, table)


def with_values(text: str, steps: Steps, table: Mapping[str, Any]) -> str:
    """The text in which the table at `steps` says this."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        found: Any = document
        for step in steps:
            found = found[step]
        for key in [key for key in found if key not in table]:
            del found[key]
        plain: dict[str, Any] = found.unwrap()
        for key, value in table.items():
            if plain.get(key) != value or key not in plain:
                found[key] = value
        written = tomlkit.dumps(document)
    except (TOMLKitError, KeyError, TypeError) as error:
        raise _by_hand(steps) from error
    return _meant(text, written, steps, table)


def without_table(text: str, steps: Steps) -> str:
    """The text without the table at `steps` and those in it. What stands before the next table stays."""
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    dropped: list[str] = []
    is_inside = False
    for line in lines:
        if _HEADER.match(line):
            kept += _remarks(dropped, kept) if is_inside else []
            dropped = []
            is_inside = _steps_of(line)[: len(steps)] == steps
        (dropped if is_inside else kept).append(line)
    kept += _remarks(dropped, kept) if is_inside else []
    left = "".join(kept)
    return _meant(text, f"{left.rstrip()}\n" if is_inside else left, steps, None)


class Draft:
    """A changed text that lies beside the file, checked, and takes its place at once, or not at all."""

    def __init__(self, path: Path, before: bytes, after: bytes) -> None:
        self.beside = beside_of(path)
        self.is_change = after != before
        self._path, self._before, self._after = path, before, after

    def lay(self, check: Check) -> None:
        """Writes it. Raises Invalid where it has a mistake that the file does not have."""
        mode = self._path.stat().st_mode & 0o777
        self.beside.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.beside, flags, 0o600), "wb") as file:
            file.write(self._after)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        known = {(each.code, each.message) for each in check(self._path)}
        for each in check(self.beside):
            if (each.code, each.message) not in known:
                each.place = (each.place or "").replace(str(self.beside), str(self._path)) or None
                raise each

    def put(self) -> bool:
        """Puts it in the place of the file, durably. Tells whether that changed it.

        Raises Conflict (`file_changed`) where somebody else changed it meanwhile.
        """
        if not self.is_change:
            return False
        with _writable(self._path):
            if self._path.read_bytes() != self._before:
                message = f"{self._path.name} was changed meanwhile."
                raise Conflict(message, code="file_changed", next_step="Run this again.")
            self.beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return True


def beside_of(path: Path) -> Path:
    """Where the new text of a file lies before it takes its place."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def draft(path: Path, change: Callable[[str], str], check: Check) -> Generator[Draft]:
    """The changed text beside the file, for as long as this lasts; one command after the other.

    Raises Invalid where the new text has a mistake that the old one does not have, Unavailable (`file_unwritable`).
    """
    real = path.resolve()
    with ExitStack() as held:
        with _writable(real):
            held.enter_context(_alone(real.parent))
            before = real.read_bytes()
            made = Draft(real, before, change(before.decode()).encode())
            held.callback(made.beside.unlink, missing_ok=True)
            made.lay(check)
        yield made


def replace(path: Path, change: Callable[[str], str], check: Check) -> bool:
    """Puts the changed text in the place of the file, durably and at once. Tells whether there was a change. Raises as
    `draft` and its `put`; the file is as it was then."""
    with draft(path, change, check) as made:
        return made.put()


@contextmanager
def _writable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        step = "Make it and its folder writable for whoever runs this."
        raise Unavailable(
            f"{path.name} cannot be written: {error.strerror}.", code="file_unwritable", next_step=step
        ) from None


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """One command after the other."""
    held = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _parted(text: str, above: Steps) -> tuple[str, str]:
    """The text up to the end of the last table within `above`, and what follows with its remarks."""
    lines = text.splitlines(keepends=True)
    heads = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    own = [n for n in heads if _steps_of(lines[n])[: len(above)] == above]
    if not own:
        return text, ""
    end = next((n for n in heads if n > own[-1]), len(lines))
    while end < len(lines) and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return "".join(lines[:end]), "".join(lines[end:])


def _meant(before: str, after: str, steps: Steps, table: Mapping[str, Any] | None) -> str:
    """The new text, once it says what the old one says and this of the table. Raises Conflict (`file_by_hand`)."""
    try:
        expected, found = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise _by_hand(steps) from error
    above: Any = expected
    for step in steps[:-1]:
        above = above.setdefault(step, {})
    above.pop(steps[-1], None)
    if table is not None:
        above[steps[-1]] = dict(table)
    if found != expected:
        raise _by_hand(steps)
    return after


def _by_hand(steps: Steps) -> Invalid:
    step = f"Change [{'.'.join(steps)}] with an editor."
    return Invalid("The file is written in a way that no program changes.", code="file_by_hand", next_step=step)


def _remarks(lines: list[str], kept: list[str]) -> list[str]:
    """Remarks and empty lines at the end of a table that is dropped: they belong to what follows."""
    at = len(lines)
    while at > 1 and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    while at < len(lines) and not lines[at].strip() and kept and not kept[-1].strip():
        at += 1  # there is an empty line already
    return lines[at:]


def _steps_of(header: str) -> Steps:
    """Where the table of a header is; nowhere for a line that only looks like one."""
    try:
        found: Any = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return ()
    steps: list[str] = []
    while isinstance(found, (dict, list)) and found:
        if isinstance(found, list):
            found = cast("list[Any]", found)[0]
            continue
        name, found = next(iter(cast("dict[str, Any]", found).items()))
        steps.append(name)
    return tuple(steps)


def _key(name: str) -> str:
    import tomlkit

    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else tomlkit.key(name).as_string()


def _nested(text: str, steps: Steps) -> str:
    """Tables within the table under their whole names."""
    above = ".".join(map(_key, steps))
    return re.sub(r"^\[(?=[^\]]*\]$)", f"[{above}.", text, flags=re.MULTILINE)
