"""What became of a run, told once for everybody who shows it: who asked for what, what was decided by which gate or
person, what came out, and what went wrong in whose words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.call import UNAVAILABLE
from lichen.log.log import Log
from lichen.log.records.record import Record
from lichen.runtime.redaction import may_hide, nothing_hidden, shown_struct
from lichen.runtime.views.asked import Setting
from lichen.runtime.views.record import Opened, Sight
from lichen.runtime.views.story.teller import Story, Teller

ASKED_CHARS_MAX = 160  # of what was asked, in a row of a list


def story(records: Iterable[Opened], status: str, setting: Setting) -> Story:
    """The story of a run, contents opened."""
    teller = Teller(setting)
    for record in records:
        teller.take(record)
    return teller.told(status)


class Brief(msgspec.Struct, frozen=True):
    """What a row of a list says of a run. `waits_for` are the kinds of its open waits, `code` what ended it or brings
    it to its end."""

    result: str
    summary: str
    who: str
    asked: str | None
    code: str
    waits_for: tuple[str, ...]


def brief(log: Log, records: Sequence[Record], status: str, sight: Sight) -> Brief:
    """The same in a line: of contents only what was asked is opened, and what a summary names."""
    teller = Teller(Setting("", "own", lambda tool: None, lambda tool: (), lambda name: sight.name_of(log, name)))
    for record in records:
        teller.take(sight.opened(log, record, nothing_hidden) if _is_named(record.control) else Opened(record, {}))
    told = teller.told(status)
    asked = None if told.asked is None else " ".join(" ".join(told.asked).split())
    words = asked if asked is None else asked[:ASKED_CHARS_MAX]
    found = Brief(told.result, told.summary, told.who, words, teller.code, teller.waits_for)
    return shown_struct(log, records[0].stream, found) if may_hide(records) and not sight.is_sealed else found


def _is_named(control: e.Control) -> bool:
    """Whether a summary needs the contents: what was asked, a tool that is none of ours, a reason without a policy."""
    match control:
        case e.RunStarted() | e.Signal(kind="input"):
            return True
        case e.Planned():
            return any(call.tool == UNAVAILABLE for call in control.calls)
        case e.Decided():
            return control.verdict == "deny" and not control.policies
        case _:
            return False
