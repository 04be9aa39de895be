"""Models by name, `provider:model`, and the ones that need no provider: an echo, and a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from lichen.agents.models.cassette import RecordedModel, lines
from lichen.core.ports.plan import Model, ModelCall, ModelError, ModelReply, ModelRequest
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName

ScriptLine = str | ModelReply | ModelError | Callable[[ModelRequest], str | ModelReply]
"""One reply of a script: a text, a whole reply, an error to raise, or a function of the request."""


class EchoModel:
    """Says what it was told: the text of the newest user message."""

    @property
    def name(self) -> str:
        """`echo:`."""
        return "echo:"

    async def generate(self, request: ModelRequest, deltas: Callable[[str], None] | None = None) -> ModelReply:
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

    async def generate(self, request: ModelRequest, deltas: Callable[[str], None] | None = None) -> ModelReply:
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


def _told(reply: ModelReply, deltas: Callable[[str], None] | None) -> ModelReply:
    """`reply`, after its text went to `deltas` word by word."""
    if deltas is not None:
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            deltas(word)
    return reply


# -- by name -----------------------------------------------------------------------------------------------------

Provider = Callable[[str], Model]
"""Makes the model of a name: what follows `provider:`."""

_PROVIDERS: Mapping[str, Provider] = {
    "echo": lambda name: EchoModel(),
    "recorded": RecordedModel,
    "scripted": ScriptedModel.read,
}
_NAME = re.compile(r"([a-z][a-z0-9_-]{0,31}):(.*)", re.DOTALL)


def resolve(name: str) -> Model:
    """The model called `provider:model`: `echo:`, `scripted:<file>`, `recorded:<file>`.

    Raises Invalid (`model_unknown`) for a provider that is not here, and what reading the file raises.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        step = "Write it as provider:model, such as scripted:replies.jsonl."
        raise Invalid(f"{name[:80]!r} is not a model name.", code="model_unknown", next_step=step)
    provider = _PROVIDERS.get(found[1])
    if provider is None:
        raise Invalid(
            f"There is no model provider {found[1]!r}.",
            code="model_unknown",
            next_step=f"Use one of {', '.join(sorted(_PROVIDERS))}, or hand over a Model of your own in Python.",
        )
    return provider(found[2])
