"""Prompts: instructions as files, each with a name and a version, that say what differs between runs in braces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.agents import document
from lichen.core.memory.events import TYPES, MemoryType
from lichen.core.speech.template import Reference, Template, TemplateError, parse, pick, shown
from lichen.core.words.errors import Invalid

CODE = "prompt_invalid"
PROMPT_CHARS_MAX: Final = 64 * 1024
PROMPT_BYTES_MAX: Final = 256 * 1024
FACTS: Final = frozenset(
    {"tenant", "environment", "team", "agent", "actor", "language", "channel", "attributes", "memory", "now", "today"}
)

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_FRONT = re.compile(r"\A---\r?\n(.*?)^---\r?\n", re.DOTALL | re.MULTILINE)
_SPACE = re.compile(r"\s+")


class _Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand between two lines of `---` at the head of a prompt's file."""

    name: str = ""
    version: str | int | float = ""
    description: str = ""


class Prompt:
    """Instructions with references in braces to the facts of a run: `You help the customers of {tenant}.`

    `{tenant}`, `{environment}`, `{team}`, `{agent}`, `{actor}` (the kind of whoever it is for), `{language}`,
    `{channel}`, `{now}`, `{today}` and `{attributes.NAME}` are there, and `{memory.TYPE}`: what the latest event of a
    type (`message`, `plan`, `call`, `result`, `wait`, `answer`) before the run says. What a run has no value for is
    left empty. There is nothing else in a prompt: no code, no conditions. `{{` and `}}` stand for braces.

    `reference` names exactly these words in records: `support@3#1f0c…`, the name, the version and a digest. Raises
    Invalid (`prompt_invalid`).
    """

    def __init__(self, text: str, *, name: str = "prompt", version: str = "", description: str = "") -> None:
        if not _NAME.fullmatch(name) or not (version == "" or _VERSION.fullmatch(version)):
            step = "Use letters, digits, dots, hyphens and underscores: support@3."
            raise Invalid("The name or version of a prompt is none.", code=CODE, next_step=step, place=name[:64])
        self.name = name
        self.version = version
        self.description = description
        self.text = text
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._template = _parsed(text, name)

    @classmethod
    def read(cls, path: str | Path) -> Prompt:
        """The prompt in a file, which is called like the file, `support.md` or `support@3.md`, unless it begins with
        `---`, `name: …`, `version: …`, `---`. Raises Invalid (`prompt_invalid`) with the path."""
        return cls.parse(document.load(path, PROMPT_BYTES_MAX, code=CODE), path)

    @classmethod
    def parse(cls, data: bytes, path: str | Path) -> Prompt:
        """The prompt in the bytes of the file at `path`, as `read` reads it."""
        try:
            front, text = _divided(data.decode().replace("\r\n", "\n"))
            named, _, version = Path(path).stem.partition("@")
            return cls(
                text.strip(),
                name=front.name or named,
                version=str(front.version) or version,
                description=front.description,
            )
        except UnicodeDecodeError:
            raise Invalid("The file is not UTF-8.", code=CODE, next_step="Save it as UTF-8.", place=str(path)) from None
        except Invalid as error:
            raise Invalid(error.message, code=CODE, next_step=error.next_step, place=str(path)) from None

    @property
    def reference(self) -> str:
        """What names exactly these words: `support@3#1f0c8a…`."""
        return f"{self.name}{f'@{self.version}' if self.version else ''}#{self.digest[:12]}"

    @property
    def names(self) -> tuple[str, ...]:
        """The facts that it refers to, each once."""
        return tuple(dict.fromkeys(reference.name for reference in self._template.references))

    @property
    def remembers(self) -> tuple[MemoryType, ...]:
        """The types of past events that it refers to."""
        named = {r.path[0] for r in self._template.references if r.name == "memory"}
        return tuple([each for each in TYPES if each in named])

    def render(self, facts: Mapping[str, Any]) -> str:
        """The words for a run with these facts. A value is one line, whatever was in it."""
        return "".join(part if isinstance(part, str) else _value(part, facts) for part in self._template.parts)

    def __repr__(self) -> str:
        return f"Prompt({self.reference!r})"


def _divided(text: str) -> tuple[_Front, str]:
    """What a file says of its prompt, and the prompt. Raises Invalid."""
    found = _FRONT.match(text)
    if found is None:
        return _Front(), text
    from yaml import YAMLError, safe_load  # a quarter of the time that loading an agent takes, and seldom needed

    try:
        front = document.read(safe_load(found[1]) or {}, _Front, code=CODE)
    except YAMLError:
        step = "Write name, version and description there, one a line."
        raise Invalid("The head between the lines of --- is not YAML.", code=CODE, next_step=step) from None
    return front, text[found.end() :]


def _parsed(text: str, name: str) -> Template:
    step = f"Refer to one of {', '.join(sorted(FACTS))}; write {{{{ for a brace."
    try:
        template = parse(text, chars_max=PROMPT_CHARS_MAX)
    except TemplateError as error:
        raise Invalid(f"The prompt is wrong: {error}.", code=CODE, next_step=step, place=name) from None
    unknown = next((r.key for r in template.references if not _is_fact(r)), None)
    if unknown is not None or not text.strip():
        said = f"There is no fact {unknown!r}." if unknown is not None else "It says nothing."
        raise Invalid(said, code=CODE, next_step=step, place=name)
    return template


def _is_fact(reference: Reference) -> bool:
    """Whether there may be something that this refers to: attributes have names of their own, memory has types."""
    if reference.name == "memory":
        return len(reference.path) == 1 and reference.path[0] in TYPES
    return reference.name in FACTS and len(reference.path) == (reference.name == "attributes")


def _value(reference: Reference, facts: Mapping[str, Any]) -> str:
    found = shown(reference, pick(facts.get(reference.name), reference.path))
    return _SPACE.sub(" ", found or "").strip()
