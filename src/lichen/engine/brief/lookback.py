"""The past as it is read from the log: events of conversations and of the runs of one agent in them.

Nothing is copied, so what was erased is gone. It is what was said, and what this agent's own runs did; never what
another agent read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.memory.events import EVENTS_MAX, RECALLS, TEXT_CHARS_MAX, MemoryEvent, MemoryType
from lichen.core.ports.call import UNAVAILABLE, ToolSpec
from lichen.core.ports.plan import REDACT
from lichen.core.words.ids import (
    AgentName,
    CallId,
    RunId,
    SessionId,
    StreamId,
    ToolName,
    WaitId,
    run_stream,
    session_stream,
)
from lichen.core.words.label import EMPTY, Label, join, without
from lichen.core.words.wait import HALTING
from lichen.engine.brief.pages import shown_args, shown_result
from lichen.log.records.record import Place, Record
from lichen.log.views.durable import Durable, Moment, moment_of

UNTOLD: Final = frozenset((*RECALLS.values(), UNAVAILABLE))  # what memory gave is not remembered a second time

SESSIONS_MAX: Final = 8  # of a person, the latest
RUNS_MAX: Final = 64  # that are looked through, the latest
STORED_MAX: Final = 256  # records of one stream, the latest

Specs = Callable[[ToolName], ToolSpec | None]


class Whose(NamedTuple):
    """Whose past: that of `agent` in this conversation, or in those that a person had with `partner`, up to a moment.
    `but` is the run at whose beginning is stopped: what opened its turn is left out."""

    agent: AgentName
    session: SessionId | None
    subject: str = ""
    partner: AgentName = AgentName("")
    before: Moment | None = None
    but: RunId | None = None


class Wanted(NamedTuple):
    """Which events: of these types, or of all; from a moment on; with these words in them; so many at most."""

    types: tuple[MemoryType, ...] = ()
    limit: int = 20
    since_us: int = 0
    containing: str = ""

    def has(self, what: MemoryType) -> bool:
        """Whether events of this type are."""
        return not self.types or what in self.types


class Seen(NamedTuple):
    """Events, the newest first, and the label of all that they say. `is_all`: there are no others."""

    events: tuple[MemoryEvent, ...]
    label: Label
    is_all: bool


def look_back(past: Whose, wanted: Wanted, specs: Specs, disk: Durable) -> Seen:
    """The latest of the wanted events. Reads much, so it is for a thread of its own."""
    found: list[MemoryEvent] = []
    label, limit, words = EMPTY, min(wanted.limit, EVENTS_MAX), wanted.containing.casefold()
    looked = _Looked(past, specs, disk)
    for glimpse in sorted(looked.glimpses(wanted), key=lambda each: moment_of(each.record), reverse=True):
        if glimpse.record.ts_us < wanted.since_us:
            break
        events = [event for event in looked.events(glimpse) if wanted.has(event.type) and words in _folded(event)]
        for event in reversed(events):
            if len(found) >= limit:
                return Seen(tuple(found), label, is_all=False)
            found.append(event)
            label = join(label, glimpse.label)
    return Seen(tuple(found), label, is_all=True)


def _folded(event: MemoryEvent) -> str:
    return f"{event.text} {event.tool or ''}".casefold()


class _Glimpse(NamedTuple):
    """A record that may tell something, unread: whose stream it is in, and the label of what it says by now."""

    record: Record
    stream: _Stream
    label: Label


class _Stream:
    """The last records of a conversation or a run, with what they say of each other."""

    def __init__(self, records: Sequence[Record], session: SessionId | None, run: RunId | None) -> None:
        self.records, self.session, self.run = records, session, run
        self.vouched = [(r.n, r.control.sources) for r in records if isinstance(r.control, e.Declassified)]
        self.planned: dict[CallId, tuple[Record, ToolName]] = {}
        self.waits: dict[WaitId, str] = {}
        for record in records if run is not None else ():
            if isinstance(record.control, e.Planned):
                self.planned.update({call.id: (record, call.tool) for call in record.control.calls})
            elif isinstance(record.control, e.WaitOpened):
                self.waits[record.control.wait] = record.control.kind

    def label_of(self, record: Record) -> Label:
        """The label of a record's words, without sources that somebody vouched for since."""
        label = record.label
        for n, sources in self.vouched:
            label = without(label, sources) if record.n < n else label
        return label


class _Looked:
    """One look at what is on disk."""

    def __init__(self, past: Whose, specs: Specs, disk: Durable) -> None:
        self._past, self._specs, self._disk = past, specs, disk
        self._opened: dict[Place, Mapping[str, bytes] | None] = {}

    def glimpses(self, wanted: Wanted) -> Iterator[_Glimpse]:
        """The records that may tell of what is wanted."""
        runs: list[tuple[RunId, SessionId]] = []
        for session in self._sessions():
            stream = self._stream(session_stream(session), session, None)
            yield from self._messages(stream, wanted)
            opened = [record.control for record in stream.records if isinstance(record.control, e.TurnOpened)]
            runs += [(each.run, session) for each in reversed(opened)]
        if wanted.types == ("message",):
            return
        for looked, (run, session) in enumerate(runs):  # which grows by the children that are found
            if looked >= RUNS_MAX:
                return
            stream = self._stream(run_stream(run), session, run)
            started = [r.control.child for r in stream.records if isinstance(r.control, e.CallStarted)]
            runs += [(child, session) for child in started if child is not None]
            if self._disk.agent_of(run_stream(run)) == self._past.agent:
                yield from _acts(stream)

    def _sessions(self) -> Sequence[SessionId]:
        past = self._past
        own = () if past.session is None else (past.session,)
        if not past.subject:
            return own
        theirs = self._disk.sessions_of(past.subject, past.partner, SESSIONS_MAX)
        return tuple(dict.fromkeys((*own, *theirs)))

    def _stream(self, id: StreamId, session: SessionId, run: RunId | None) -> _Stream:
        return _Stream(self._disk.last_of(id, self._past.before, STORED_MAX), session, run)

    def _messages(self, stream: _Stream, wanted: Wanted) -> Iterator[_Glimpse]:
        if not wanted.has("message"):
            return
        opened = (r.control for r in stream.records if isinstance(r.control, e.TurnOpened))
        own = {id for turn in opened if turn.run == self._past.but for id in turn.messages}
        for record in stream.records:
            match record.control:
                case e.MessageReceived(disposition=disposition, message=id) if disposition != "rejected":
                    if id not in own:
                        yield _Glimpse(record, stream, stream.label_of(record))
                case e.MessageQueued():
                    yield _Glimpse(record, stream, stream.label_of(record))
                case _:
                    pass

    # -- one record ----------------------------------------------------------------------------------------------

    def events(self, glimpse: _Glimpse) -> list[MemoryEvent]:
        """What a record tells, in order; nothing where its words are gone."""
        record, stream = glimpse.record, glimpse.stream
        contents = self._contents(record)
        if contents is None:
            return []
        match record.control:
            case e.MessageReceived(role=role):
                return [_said(glimpse, contents, by=role)]
            case e.MessageQueued(kind=kind):
                return [_said(glimpse, contents, by="operator" if kind == "reply" else "agent")]
            case e.Planned(calls=calls):
                called = [self._call(glimpse, call, contents) for call in calls if call.tool not in UNTOLD]
                return [*_plan(glimpse, contents), *called]
            case e.CallFinished(call=call) if call in stream.planned:
                return self._result(glimpse, record.control, contents)
            case e.WaitOpened(kind=kind):
                return [_event(glimpse, "wait", contents.get("public", b""), kind=kind)]
            case e.WaitClosed(wait=wait, outcome=outcome):
                body = contents.get("body", b"") if outcome == "answered" else b""
                return [_event(glimpse, "answer", _words(body), kind=stream.waits[wait], outcome=outcome)]
            case _:
                return []

    def _contents(self, record: Record) -> Mapping[str, bytes] | None:
        if not record.contents:
            return {}
        if record.place not in self._opened:
            self._opened[record.place] = self._disk.contents(record)
        return self._opened[record.place]

    def _call(self, glimpse: _Glimpse, call: e.PlannedCall, contents: Mapping[str, bytes]) -> MemoryEvent:
        spec, args = self._specs(call.tool), contents.get(f"{call.id}/args", b"{}")
        args = args if spec is None else shown_args(spec, args)
        return _event(glimpse, "call", args, tool=call.tool, call=call.id)

    def _result(self, glimpse: _Glimpse, finished: e.CallFinished, contents: Mapping[str, bytes]) -> list[MemoryEvent]:
        planned, tool = glimpse.stream.planned[finished.call]
        asked = self._contents(planned)
        if tool in UNTOLD or asked is None:
            return []
        spec, text = self._specs(tool), contents.get("result", b"") or contents.get("reason", b"")
        if finished.outcome == "ok":
            text = _hidden(text if spec is None else shown_result(spec, text), asked.get(f"{finished.call}{REDACT}"))
        return [_event(glimpse, "result", text, tool=tool, call=finished.call, outcome=finished.outcome)]


def _acts(stream: _Stream) -> Iterator[_Glimpse]:
    """The records of a run that tell what it did."""
    for record in stream.records:
        match record.control:
            case e.Planned(error=""):
                pass
            case e.CallFinished(outcome=outcome) if outcome != "unknown":
                pass
            case e.WaitOpened(kind=kind) if kind not in HALTING:
                pass
            case e.WaitClosed(wait=wait) if stream.waits.get(wait, HALTING[0]) not in HALTING:
                pass
            case _:
                continue
        yield _Glimpse(record, stream, stream.label_of(record))


def _said(glimpse: _Glimpse, contents: Mapping[str, bytes], *, by: str) -> MemoryEvent:
    return _event(glimpse, "message", contents.get("text", b""), by=by)


def _plan(glimpse: _Glimpse, contents: Mapping[str, bytes]) -> list[MemoryEvent]:
    """What a planner said beside its calls, and its notes; nothing where it said nothing."""
    said = [contents[part].decode() for part in contents if part.startswith("say/") and part.count("/") == 1]
    notes = msgspec.json.decode(contents["notes"], type=list[str]) if "notes" in contents else []
    words = "\n".join((*said, *notes))
    return [_event(glimpse, "plan", words.encode())] if words else []


def _event(glimpse: _Glimpse, what: MemoryType, text: bytes, **more: Any) -> MemoryEvent:
    words, record = text.decode(errors="replace"), glimpse.record
    return MemoryEvent(
        type=what,
        at_us=record.ts_us,
        place=str(record.place),
        session=glimpse.stream.session,
        run=glimpse.stream.run or getattr(record.control, "run", None),
        text=words[:TEXT_CHARS_MAX],
        cut=max(0, len(words) - TEXT_CHARS_MAX),
        **more,
    )


def _words(body: bytes) -> bytes:
    """The words of an answer, else its JSON."""
    try:
        value: Any = msgspec.json.decode(body) if body else ""
    except msgspec.DecodeError:
        return body
    text = cast("dict[str, Any]", value).get("text") if isinstance(value, dict) else value
    return text.encode() if isinstance(text, str) else body


def _hidden(data: bytes, fields: bytes | None) -> bytes:
    """A result without the fields that no view of its run shows."""
    value: Any = msgspec.json.decode(data) if fields else None
    if not fields or not isinstance(value, dict):
        return data
    hidden = set(msgspec.json.decode(fields, type=list[str]))
    shown = cast("dict[str, Any]", value).items()
    return msgspec.json.encode({name: "[redacted]" if name in hidden else each for name, each in shown})
