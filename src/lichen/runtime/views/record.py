"""Records as people and programs read them: control by field name, contents opened where the key still exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from lichen.core.deciders import events as e
from lichen.core.words.errors import ContentErased
from lichen.log.log import Log
from lichen.log.records.record import Blob, Place, Record, SealedPart
from lichen.runtime.names import name_of
from lichen.runtime.redaction import Hide, hiding, nothing_hidden
from lichen.runtime.views.summary import summary_of, typed

TAG_BYTES: Final = 16  # of AES-GCM, behind what is sealed

Held: TypeAlias = Literal["text", "json", "state", "bytes"]
"""What a part holds: words, JSON, what a planner or a model's provider keeps for itself, or the bytes of a file."""


Json: TypeAlias = Annotated[object, msgspec.Meta(extra_json_schema={"description": "Any JSON."})]
"""A value for whoever reads it as JSON: nothing inside takes it apart."""


class RecordView(msgspec.Struct, frozen=True):
    """One record: `seq` is where it is stored, `i` which of those stored there. `summary` says what it is about, in
    words no stranger wrote.

    `contents` is None when its key was destroyed, and where it `is_sealed` for its reader; each part is what its name
    says, text or decoded. `sizes` are the bytes of each, for everybody. `control` and
    `contents` are for whoever reads all of a record: what is worked out from records is a view of its own.
    """

    seq: int
    ts_us: int
    stream: str
    n: int
    type: str
    actor: str
    turn: str | None
    control: Mapping[str, Json]
    contents: Mapping[str, Json] | None
    sources: tuple[str, ...] = ()
    summary: str = ""
    i: int = 0
    sizes: Mapping[str, int] = {}
    is_sealed: bool = False

    @property
    def place(self) -> Place:
        """Where in the log it is."""
        return Place(self.seq, self.i)


class Opened(msgspec.Struct, frozen=True):
    """A record with what was sealed in it; `parts` is None once its key was destroyed, and where it
    `is_sealed` for whoever reads. `hide` takes out of a value what
    a flow says is shown to nobody."""

    record: Record
    parts: Mapping[str, bytes] | None
    hide: Hide = nothing_hidden
    is_sealed: bool = False

    def json(self, part: str) -> Any:
        """A part that holds JSON, as it may be shown; None where there is none."""
        data = (self.parts or {}).get(part)
        return None if data is None else self.hide(read_part(self.record.type, part, data))

    def text(self, part: str) -> str:
        """A part that holds words, as it may be shown; empty where there is none."""
        return self.hide((self.parts or {}).get(part, b"").decode("utf-8", "replace"))


def opened(log: Log, record: Record, hide: Hide = nothing_hidden) -> Opened:
    """A record of the log, its contents opened."""
    try:
        return Opened(record, dict(log.contents_of(record)) if record.contents else {}, hide)
    except ContentErased:
        return Opened(record, None, hide)


def sealed(log: Log, record: Record, hide: Hide = nothing_hidden) -> Opened:
    """The same for somebody who may not read contents: what happened, and nothing that was said."""
    return Opened(record, None, hide, is_sealed=True)


def nobody(log: Log, pseudonym: str) -> str:
    """The pseudonym itself, for whoever may not know who is behind it."""
    return pseudonym


class Sight(NamedTuple):
    """What somebody sees of records: how each is opened, and who is behind a pseudonym."""

    opened: Callable[[Log, Record, Hide], Opened]
    name_of: Callable[[Log, str], str]

    @property
    def is_sealed(self) -> bool:
        """Whether no words are seen."""
        return self is SEALED


WHOLE: Final = Sight(opened, name_of)
SEALED: Final = Sight(sealed, nobody)


def sight(sees: bool) -> Sight:
    """What somebody sees who may read contents, or may not."""
    return WHOLE if sees else SEALED


def record_view(log: Log, record: Record, sight: Sight = WHOLE) -> RecordView:
    """A record of the log as it may be shown."""
    hide = nothing_hidden if sight.is_sealed else hiding(log, record.stream)
    return view_of(sight.opened(log, record, hide))


def view_of(each: Opened) -> RecordView:
    """A record that was opened, as it may be shown."""
    record = each.record
    return RecordView(
        seq=record.seq,
        ts_us=record.ts_us,
        stream=str(record.stream),
        n=record.n,
        type=record.type,
        actor=record.actor,
        turn=record.turn,
        control=_fields(record.control),
        contents=None if each.parts is None else {part: each.json(part) for part in each.parts},
        sources=record.label.sources,
        summary=summary_of(typed(record.control)),
        i=record.i,
        sizes={part.part: _size(part) for part in record.contents},
        is_sealed=each.is_sealed,
    )


def _size(part: SealedPart) -> int:
    """How many bytes were sealed."""
    return (part.body.size if isinstance(part.body, Blob) else len(part.body)) - TAG_BYTES


def _fields(control: e.Control) -> dict[str, object]:
    return {name: _plain(getattr(control, name)) for name in control.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]  # type: ignore[misc]
    return value


# -- what a part holds -------------------------------------------------------------------------------------------


PARTS: Final[Mapping[str, Held]] = {
    **dict.fromkeys(
        ("address", "answer", "channel", "code", "format", "id", "key", "public", "reason", "resource", "say"), "text"
    ),
    **dict.fromkeys(("input", "actor", "attributes", "data", "suggestions", "value", "summary", "done"), "json"),
    **dict.fromkeys(("args", "terms", "redact", "notes", "failure", "issues", "result", "audit"), "json"),
    **dict.fromkeys(("facts", "origins", "meters", "schema", "overrides", "body"), "json"),
    **dict.fromkeys(("awaits", "card", "attachments", "artifacts", "definition", "letter"), "json"),
    **dict.fromkeys(("asked", "replied", "signature", "metadata", "warnings"), "json"),
    "attachment": "bytes",
    "operator": "text",
    "text": "text",
    "until": "text",
    "hint": "text",
    "recovery": "text",
    "foreign_code": "text",
    "tool": "text",
    "blocks": "state",
    "state": "state",
}
"""What each part holds, by its name: `say/0` is a `say`, `c1/args` are `args`, `answer/card` is a `card`. Nothing is
guessed from its bytes."""


def held(kind: str, part: str) -> Held:
    """What a part of a record of this type holds. One that nobody knows is words."""
    if kind == "wait_opened" and part == "operator":
        return "json"
    names = part.split("/")
    return PARTS.get(names[-1]) or PARTS.get(names[0], "text")


def read_part(kind: str, part: str, data: bytes) -> Any:
    """A part by what its name says it holds: a text stays a text whatever is written in it."""
    match held(kind, part):
        case "text":
            return data.decode("utf-8", "replace")
        case "json":
            return _json(data)
        case "state":
            return _state(data)
        case "bytes":
            return f"({len(data)} bytes)"


def _json(data: bytes) -> Any:
    """JSON; what a model wrote in place of it, such as arguments that are none, as it stands."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data.decode("utf-8", "replace")


def _state(data: bytes) -> Any:
    """What a planner kept for itself: rules and flows keep msgpack, own planners what they like."""
    for decode in (msgspec.msgpack.decode, msgspec.json.decode):
        try:
            return msgspec.to_builtins(decode(data), str_keys=True)
        except (msgspec.DecodeError, TypeError, RecursionError):
            continue
    return f"({len(data)} bytes)"
