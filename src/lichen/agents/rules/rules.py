"""The words of a rule table: intents with slots, the calls they make, and what is said for every outcome.

Python and files (`agents/files.py`) write the same structs. They only hold what was written; `rulebook` checks it.
Texts are templates (`core/speech/template.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

SlotKind = Literal["text", "integer", "money", "choice"]


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    r"""Something an intent must know. It is taken from the customer's words where they say it, else asked for.

    `pattern`: the first group, or the whole match, is the value. Without one, a `choice` is found by its words and
    `money` where a currency is named with it; a bare number, and any other text, counts only as the answer to `ask`.
    `kind`: `text` (at most 500 characters), `integer` (at most 18 digits), `money` (minor units; with `currency`, an
    ISO code, other currencies are not taken), `choice` of `choices` (a list, or a table from value to its words).
    Numbers are read as they are written in the session's language; what could be two (`1.234 EUR`) is asked about.
    `remember`: earlier messages of the session, and what an intent that was left knew, count too.
    `ask_again` is asked from the second time on.
    """

    name: str
    kind: SlotKind = "text"
    pattern: str = ""
    choices: Sequence[str] | Mapping[str, Sequence[str]] = ()
    currency: str = ""
    ask: str = ""
    ask_again: str = ""
    optional: bool = False
    remember: bool = False


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on a slot or a result: `When("lookup.status", equals="shipped")`. All tests given must hold.

    Nothing (a missing slot, field or skipped call) passes no test but `exists=False`. `at_least` and `at_most` take
    numbers only.
    """

    value: str
    equals: str | bool | int | float | None = None
    one_of: Sequence[str | bool | int | float] = ()
    at_least: int | float | None = None
    at_most: int | float | None = None
    exists: bool | None = None


class Outcomes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said when a call does not end well. `{reason}` is the public reason, `{code}` the stable code.

    `on_code` is by failure code and comes first. An empty text means: whatever the level above says.
    """

    on_denied: str = ""
    on_failed: str = ""
    on_cancelled: str = ""
    on_timed_out: str = ""
    on_unknown: str = ""
    on_code: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


class Endings(Outcomes, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said when a conversation does not come to its answer.

    `on_expired`: the question was not answered in time. `on_gave_up`: it was asked `asks_max` times. `on_limit`: the
    run reached `{limit}`. `on_incomplete`: a call or answer needs something that a result did not hold.
    """

    on_expired: str = ""
    on_gave_up: str = ""
    on_limit: str = ""
    on_incomplete: str = ""


class Call(Outcomes, frozen=True, forbid_unknown_fields=True):
    """One call of a tool: `Call("orders.lookup", {"order_id": "{order_id}"})`.

    A lone reference keeps its type; an argument that is a missing optional slot is left out. The result is known to
    later calls and answers as `name` (the last part of the tool's name by default) and, until the next call, as
    `result`. `when`: the call is skipped unless all conditions hold. `early`: it is made before anything is asked, and
    only if something has to be, so that nobody is asked for what policy refuses anyway; such calls come first.
    """

    tool: str
    args: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])
    name: str = ""
    when: When | Sequence[When] = ()
    early: bool = False

    @property
    def called(self) -> str:
        """The name its result is known under."""
        return self.name or self.tool.rpartition(".")[2]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said when the calls are done, if `when` holds and every reference stands for something."""

    text: str
    when: When | Sequence[When] = ()


class Intent(Endings, frozen=True, forbid_unknown_fields=True):
    """Something a customer may want, recognized by `phrases` or `patterns`.

    `phrases`: words in a row, `where is ... order` with up to eight words between. `patterns`: regular expressions.
    Case does not matter. Of several intents that fit, the highest `priority` wins, then the one listed first.
    `examples`: messages that this intent must win; checked when the rules are made.
    `calls` run one after the other. Of `answers` the first that fits is given, else `answer`.
    `handover`: what the customer is told while a person is asked to take over, once the calls are done. They have the
    conversation until they give it back; `answer` follows when they close it without a word.
    """

    name: str
    phrases: Sequence[str] = ()
    patterns: Sequence[str] = ()
    examples: Sequence[str] = ()
    priority: int = 0
    slots: Sequence[Slot] = ()
    calls: Sequence[Call] = ()
    answers: Sequence[Answer] = ()
    answer: str = ""
    handover: str = ""
