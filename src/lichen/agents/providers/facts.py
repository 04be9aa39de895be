"""What each provider needs: an extra of ours, packages, variables, and which options it knows. Nothing is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

import msgspec

from lichen.agents.clouds.found import aws_address, found, may_have_role
from lichen.agents.clouds.hosts import home_of, host_of, is_vertex
from lichen.core.ports.model import Connection

PDF: Final = "application/pdf"
IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SOUNDS: Final = frozenset({"audio/wav", "audio/mpeg"})  # what Chat Completions know by a name
EVERY_SOUND: Final = SOUNDS | {"audio/mp4", "audio/ogg", "audio/webm"}
_THINKING: Final = re.compile(
    r"(^|[/.])(o[1-9]|gpt-oss|gpt-([5-9]|\d\d)|gemini-(2\.5|[3-9])|grok-(3-mini|[4-9])|magistral|qwq|qwen3"
    r"|deepseek-(r\d|reasoner|v[4-9])|claude-[a-z]+-([5-9]|\d\d)(?!\d))"
    r"|(?<!non-)(thinking|reasoning)"
)


def thinks(model: str) -> bool:
    """Whether a model of this name is of a family that thinks though nobody asks it to."""
    return _THINKING.search(model.lower()) is not None


class Facts(msgspec.Struct, frozen=True):
    """One provider. `keys` and `urls` are the variables that its client reads, the first that is set counts; `options`
    are what `[models.NAME.options]` may say beside key and address. `needs_key` is False where a server may do without.
    `takes` are the media types of the files that a request to it may have.
    """

    name: str
    extra: str
    package: str
    keys: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs_key: bool = True
    needs_url: bool = False
    takes: frozenset[str] = IMAGES | {PDF}

    @property
    def is_installed(self) -> bool:
        """Whether its libraries are there."""
        return all(_is_there(name) for name in ("pydantic_ai", self.package))

    def key_of(self, connection: Connection) -> str:
        """The key of a connection, or what the environment says; empty where neither does."""
        return "" if connection.is_keyless else connection.key or _first(self.keys)

    def url_of(self, connection: Connection) -> str:
        """The address of a connection, or what the environment says; empty for the provider's own."""
        url = connection.base_url or _first(self.url_variables(connection.options))
        return url or (aws_address(connection.options, os.environ).url if self.name == "bedrock" else "")

    def addressed_by(self, options: Mapping[str, str], environ: Mapping[str, str]) -> str:
        """The variable, or the file of a cloud's own, that says where the provider is; empty where none does."""
        variable = next((each for each in self.url_variables(options) if environ.get(each)), "")
        return variable or (aws_address(options, environ).told_by if self.name == "bedrock" else "")

    def url_variables(self, options: Mapping[str, str]) -> tuple[str, ...]:
        """The variables that say where the provider is, for a connection with these options."""
        return ("GOOGLE_VERTEX_BASE_URL",) if self.name == "google" and is_vertex(options) else self.urls

    def host_of(self, connection: Connection) -> str:
        """The host that a request over the connection goes to; empty where only the provider's library knows."""
        url = self.url_of(connection)
        return host_of(url) if url else home_of(self.name, connection.options, os.environ)

    def told_by(self, connection: Connection) -> str:
        """Who says where a request over the connection goes, in words; empty where that is the provider's own."""
        if connection.base_url:
            return f"`base_url` under [models.{self.name}] in lichen.toml"
        return self.addressed_by(connection.options, os.environ)

    def known_by(self, connection: Connection) -> str:
        """What of the environment, of its options or of this machine's files a connection without a key of its own is
        known by, as far as that can be seen here; empty where nothing is."""
        named = (
            "" if "profile" in connection.options else next((each for each in self.keys if os.environ.get(each)), "")
        )
        return named or found(self.name, connection.options, os.environ)

    def is_keyed(self, connection: Connection) -> bool:
        """Whether the connection may have what the provider wants to know its caller by. What only the machine itself
        can tell, such as its role, may be there."""
        if not self.needs_key or connection.is_keyless or self.key_of(connection):
            return True
        if self.name == "google":  # Vertex AI knows who asks by the machine's own credentials
            return "project" in connection.options or bool(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"))
        return bool(self.known_by(connection)) or (self.name == "bedrock" and may_have_role(os.environ))


_OPENAI: Final = ("organization", "project")


def _facts() -> Mapping[str, Facts]:
    every = (
        Facts("openai", "openai", "openai", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), (*_OPENAI, "store")),
        Facts(
            "openai-chat",
            "openai",
            "openai",
            ("OPENAI_API_KEY",),
            ("OPENAI_BASE_URL",),
            _OPENAI,
            takes=IMAGES | {PDF} | SOUNDS,
        ),
        Facts("anthropic", "anthropic", "anthropic", ("ANTHROPIC_API_KEY",), ("ANTHROPIC_BASE_URL",)),
        Facts(
            "google",
            "google",
            "google.genai",
            ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            ("GOOGLE_GEMINI_BASE_URL",),
            ("project", "location", "vertex"),
            takes=IMAGES | {PDF} | EVERY_SOUND,
        ),
        Facts(
            "bedrock",
            "bedrock",
            "boto3",
            ("AWS_BEARER_TOKEN_BEDROCK",),
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"),
            ("region", "profile"),
        ),
        Facts("mistral", "mistral", "mistralai", ("MISTRAL_API_KEY",), ("MISTRAL_BASE_URL",)),
        Facts(
            "azure",
            "azure",
            "openai",
            ("AZURE_OPENAI_API_KEY",),
            ("AZURE_OPENAI_ENDPOINT",),
            ("api_version", "auth"),
            needs_url=True,
            takes=IMAGES | SOUNDS,
        ),
        Facts(
            "ollama",
            "ollama",
            "openai",
            ("OLLAMA_API_KEY",),
            ("OLLAMA_BASE_URL",),
            ("tools",),
            needs_key=False,
            needs_url=True,
            takes=IMAGES | {PDF} | SOUNDS,
        ),
        Facts(
            "openai-compatible",
            "openai",
            "openai",
            ("OPENAI_COMPATIBLE_API_KEY",),
            ("OPENAI_COMPATIBLE_BASE_URL",),
            ("tools",),
            needs_key=False,
            needs_url=True,
            takes=IMAGES | {PDF} | SOUNDS,
        ),
    )
    return {each.name: each for each in every}


PROVIDERS: Final[Mapping[str, Facts]] = _facts()
"""The providers there are, by the word before the colon of a model's name."""


def _first(variables: tuple[str, ...]) -> str:
    return next((os.environ[each] for each in variables if os.environ.get(each)), "")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of `google.genai` where nothing of Google's is
        return False
