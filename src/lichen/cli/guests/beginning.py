"""A component begun: a folder with an example that builds, passes its tests, and is the same in every language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lichen.cli.guests.source import LANGUAGES, Language
from lichen.core.words.errors import Conflict, Invalid, LichenError

NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z][a-z0-9]*(-[a-z0-9]+)*)+")
NAME_CHARS_MAX: Final = 100
WRITTEN: Final[Mapping[Language, tuple[str, str]]] = {
    "python": ("Python", "src/app.py"),
    "javascript": ("JavaScript", "src/app.js"),
    "c": ("C", "src/component.c"),
}
ORGANISATION: Final = "local"


def begun(folder: Path, language: str, name: str = "", *, overwrite: bool = False) -> tuple[str, ...]:
    """The files of a component that was begun in a folder, by their paths below it.

    `name` is of the form `org.name`; without one it is called after the folder. With `overwrite` a folder that is not
    empty is taken, and files of these names are written over. Raises Invalid (`language_unknown`,
    `component_name_invalid`), Conflict (`folder_not_empty`).
    """
    known: Language | None = next((each for each in LANGUAGES if each == language), None)
    if known is None:
        step = f"Name one of {', '.join(LANGUAGES)}."
        raise Invalid(f"There is no template for {language!r}.", code="language_unknown", next_step=step)
    called = _called(folder, name)
    if folder.exists() and not overwrite and (not folder.is_dir() or any(folder.iterdir())):
        step = "Name an empty folder, or say `--force` to write over what is there."
        raise Conflict("The folder is not empty.", code="folder_not_empty", next_step=step, place=str(folder.resolve()))
    words = _words(called, known)
    for path, text in _texts(known).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_filled(text, words), encoding="utf-8")
    return tuple(sorted(_texts(known)))


def _called(folder: Path, name: str) -> str:
    called = name or f"{ORGANISATION}.{_plain(folder.resolve().name)}"
    if not NAME.fullmatch(called) or len(called) > NAME_CHARS_MAX:
        step = "Name it ORG.NAME in small letters, such as --name acme.tally."
        raise Invalid(f"{called!r} is no name of a component.", code="component_name_invalid", next_step=step)
    return called


def _plain(name: str) -> str:
    words = "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    return words if words[:1].isalpha() else f"component-{words}".strip("-")


def _words(called: str, language: Language) -> Mapping[str, str]:
    organisation, _, rest = called.partition(".")
    written, entry = WRITTEN[language]
    return {
        "name": called,
        "title": rest.replace("-", " ").replace(".", " ").capitalize(),
        "wit_name": f"{organisation}:{rest.replace('.', '-')}",
        "language": language,
        "written": written,
        "entry": entry,
    }


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace("{" + word + "}", value)
    return text


def _texts(language: Language) -> Mapping[str, str]:
    folders = (_template("shared"), _template(language))
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _template(name: str) -> Path:
    """A template's files: in an installed package beside its modules, in a clone beside the sources."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "template_files", package.parent.parent / "templates"):
        if (folder / "component" / name).is_dir():
            return folder / "component" / name
    step = "Install Lichen again."
    raise LichenError("The templates of components are not installed.", code="template_missing", next_step=step)
