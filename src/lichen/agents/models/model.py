"""Models by name, `provider:model`, and the ones that need no provider: an echo, and a script.

Those of providers are in `agents.providers`; packages may bring more: see `PROVIDERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeGuard

import msgspec

from lichen.agents.models.cassette import RecordedModel, lines
from lichen.agents.providers.facts import PROVIDERS as REMOTE
from lichen.agents.providers.remote import RemoteModel
from lichen.core.ports.model import Delta, Deltas, Model, ModelCall, ModelError, ModelReply, ModelRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.plugins.registry import Registry

ScriptLine = str | ModelReply | ModelError | Callable[[ModelRequest], str | ModelReply]
"""One reply of a script: a text, a whole reply, an error to raise, or a function of the request."""


class EchoModel:
    """Says what it was told: the text of the newest user message."""

    @property
    def name(self) -> str:
        """`echo:`."""
        return "echo:"

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The newest user message as the reply. Costs nothing."""
        texts = [message.text for message in request.messages if message.role == "user"]
        return _told(ModelReply(texts[-1] if texts else "…", model=self.name), deltas)


class ScriptedModel:
    """Gives prepared replies in order, and fails loudly when there are none left.

    `requests` holds what it was asked. One script serves one conversation: its position is not part of any log.
    """

    def __init__(self, replies: Sequence[ScriptLine], *, name: str = "scripted:") -> None:
        self._replies = tuple(replies)
        self._name = name
        self.requests: list[ModelRequest] = []

    @property
    def name(self) -> str:
        """`scripted:` and the path it was read from."""
        return self._name

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The next reply. Raises ModelError: the scripted one, or `script_exhausted`."""
        position = len(self.requests)
        if position >= len(self._replies):
            message = f"The script has {position} replies and was asked for another one."
            raise ModelError(message, code="script_exhausted", retryable=False)
        self.requests.append(request)
        line = self._replies[position]
        if isinstance(line, ModelError):
            raise line
        reply = line(request) if callable(line) else line
        return _told(ModelReply(reply, model=self.name) if isinstance(reply, str) else reply, deltas)

    @classmethod
    def read(cls, path: str) -> ScriptedModel:
        """A script from a JSON-lines file of `{"text": "…", "calls": [{"tool": "…", "args": {…}}]}`.

        Raises Invalid (`script_invalid`) with file and line.
        """
        replies = [_reply(line) for line in lines(path, _Line, code="script_invalid")]
        return cls(replies, name=f"scripted:{Path(path).name}")


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tool: str
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str = ""
    calls: tuple[_Call, ...] = ()


def _reply(line: _Line) -> ModelReply:
    calls = [ModelCall(f"call_{i}", ToolName(call.tool), bytes(call.args)) for i, call in enumerate(line.calls)]
    return ModelReply(line.text, tuple(calls), model="scripted:")


def _told(reply: ModelReply, deltas: Deltas | None) -> ModelReply:
    """`reply`, after its text went to `deltas` word by word."""
    if deltas is not None:
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            deltas(Delta(word))
    return reply


# -- by name -----------------------------------------------------------------------------------------------------

Provider = Callable[[str], Model]
"""Makes the model of a name: what follows `provider:`. The model's own name begins with the provider's."""

_NAME = re.compile(r"([a-z][a-z0-9_-]{0,31}):(.*)", re.DOTALL)


class UnusableModel:
    """Stands for a model whose plug-in does not work, so that the agents without it go on: asking it says why."""

    def __init__(self, name: str, why: Invalid) -> None:
        self.name = name
        self._why = why

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """Raises ModelError (`plugin_broken`)."""
        raise ModelError(self._why.message, code=self._why.code, retryable=False)


def resolve(name: str) -> Model:
    """The model called `provider:model`: `echo:`, `scripted:<file>`, `recorded:<file>`, one of a provider, such as
    `openai:gpt-5`, or of an installed package that declares its provider as an entry point of `lichen.models`.

    A package that does not work makes a model that says so when it is asked. Raises Invalid (`model_unknown`) for a
    provider that is not here, `model_extra_missing` for one whose libraries are not, `plugin_ambiguous` for one that is
    here twice, and what the provider raises as Invalid.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        step = "Write it as provider:model, such as scripted:replies.jsonl."
        raise Invalid(f"{name[:80]!r} is not a model name.", code="model_unknown", next_step=step)
    provider, model = found[1], found[2]
    try:
        made = PROVIDERS.make(provider, lambda make: _checked(make(model), provider))
    except Invalid as error:
        if error.code != "plugin_broken":
            raise
        return UnusableModel(name, error)
    if made is None:
        step = f"Use one of {', '.join(PROVIDERS.names)}, install a package that brings it, or hand over a Model."
        raise Invalid(f"There is no model provider {provider!r}.", code="model_unknown", next_step=step)
    return made


def _is_provider(value: object) -> TypeGuard[Provider]:
    return callable(value)


def _checked(model: Model, provider: str) -> Model:
    """The model, if it is one: policies name it, so nobody may call theirs as another provider's is called."""
    name: object = getattr(model, "name", None)
    if not callable(getattr(model, "generate", None)) or not isinstance(name, str):
        raise TypeError(f"what {provider} makes is no Model")
    if not name.startswith(f"{provider}:"):
        raise ValueError(f"the name of the model does not begin with {provider}:")
    return model


PROVIDERS: Registry[Provider] = Registry(
    "lichen.models",
    {
        "echo": lambda name: EchoModel(),
        "recorded": RecordedModel,
        "scripted": ScriptedModel.read,
        **{provider: partial(RemoteModel, provider) for provider in REMOTE},
    },
    fits=_is_provider,
    shape="function or class that makes a Model of a name",
)
"""The model providers there are."""
