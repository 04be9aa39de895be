"""One plan of a rule planner: what was said, where the conversation stands, and what the rulebook makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lichen.agents.rules.answer import answer_text
from lichen.agents.rules.progress import Progress, decode
from lichen.agents.rules.rulebook import CallRule, IntentRule, Rulebook, SlotRule, filled
from lichen.agents.rules.rules import Slot
from lichen.agents.rules.slots import SlotValue, Unclear, search
from lichen.core.patterns.pattern import TEXT_CHARS_MAX
from lichen.core.ports.handover import handover, reply_of
from lichen.core.ports.plan import CallRequest, CallResult, Plan, PlanInput, WaitRequest
from lichen.core.reading.numbers import clipped
from lichen.core.speech.saying import Saying
from lichen.core.speech.template import Reference, Template
from lichen.core.speech.which import which
from lichen.core.words.ids import ToolName

QUESTIONS_MAX = 32  # of one run, over all intents
RECALLED_MAX = 20  # earlier messages searched for remembered slots
_LATER_CHARS_MAX = 1_000
_BLAMED = ("failed", "unknown")  # outcomes worth telling even where a limit ended the run


class Dialogue:
    """Used for one plan and thrown away. `books` are the rules by language, their own first; `asks_max` and
    `ask_expires_s` are the planner's."""

    def __init__(
        self, books: Mapping[str, Rulebook], input: PlanInput, *, asks_max: int, ask_expires_s: float | None
    ) -> None:
        self._books = books
        self._input = input
        self._asks_max = asks_max
        self._ask_expires_s = ask_expires_s
        self._progress = decode(input.state) or Progress()
        wanted = self._progress.language or input.run.language
        self._language = wanted if wanted in books else next(iter(books))
        self._intent = self._book.by_name.get(self._progress.intent)
        self._texts = heard(input)
        self._says: tuple[str | Saying, ...] = ()
        self._extras: dict[str, str] = {}

    async def plan(self) -> Plan:
        """What follows."""
        if self._intent is None:
            return await self._open()
        if self._progress.is_handed_over:
            return self._return(self._intent)
        if self._input.reason == "finalize":
            return self._finalize(self._intent)
        if self._progress.asked:
            return await self._hear(self._intent)
        return await self._settle(self._intent)

    # -- what came -----------------------------------------------------------------------------------------------

    async def _open(self) -> Plan:
        """The first message, which states an intent or does not."""
        text = "\n".join(self._texts)
        if self._input.reason == "finalize":
            return self._end("limit")
        if not text.strip():
            return Plan(answer=self._book.greeting or self._book.fallback)
        intent = self._wish(text)
        return Plan(answer=self._book.fallback) if intent is None else await self._begin(intent)

    async def _hear(self, intent: IntentRule) -> Plan:
        """The answer to the open question: a value, or another wish."""
        ended = next((a.outcome for a in self._input.answers if a.outcome in ("expired", "cancelled")), None)
        if ended is not None and not self._texts:
            return self._end(ended)
        said = self._said(intent, self._progress.asked)
        wish = self._wish("\n".join(self._texts))
        if wish is not None and wish is not intent and self._is_meant(wish, intent, said):
            return await self._begin(wish)
        self._fill(intent, said)
        return await self._advance(intent)

    def _is_meant(self, wish: IntentRule, intent: IntentRule, said: Mapping[str, SlotValue | Unclear]) -> bool:
        """Whether an answer that states another wish means it. Where it also answers the question, the wish may not
        have a lower priority; where any text would be an answer, it must have a higher one."""
        asked = intent.slots.get(self._progress.asked)
        if asked is not None and asked.finder.is_free:
            return wish.rule.priority > intent.rule.priority
        return wish.rule.priority >= intent.rule.priority or self._progress.asked not in said

    async def _settle(self, intent: IntentRule) -> Plan:
        """The result of the last call."""
        self._progress.later = "\n".join([self._progress.later, *self._texts]).strip()[:_LATER_CHARS_MAX]
        call, result = self._last(intent)
        if call is None or result is None:
            return await self._conclude(self._end("unknown"))  # calling again could repeat an effect
        if result.outcome != "ok":
            return await self._conclude(self._blame(call, result))
        self._progress.keep(intent, call.name, result.data)
        return await self._advance(intent)

    def _finalize(self, intent: IntentRule) -> Plan:
        """The run may do no more: the answer, if all calls are done, else what kept it."""
        call, result = self._last(intent)
        if call is not None and result is not None and not self._progress.asked:
            if result.outcome in _BLAMED:
                return self._blame(call, result)
            if result.outcome == "ok":
                self._progress.keep(intent, call.name, result.data)
                if self._next_call(intent, early=False) is None and intent.handover is None:
                    return self._answer(intent)
        return self._end("limit")

    # -- what follows --------------------------------------------------------------------------------------------

    async def _begin(self, intent: IntentRule) -> Plan:
        """Starts `intent` with what was said; of what the intent before knew, remembered slots are taken over."""
        said = self._said(intent)
        carried = {name: value for name, value in self._carried(intent).items() if name not in said}
        self._intent = intent
        self._language = intent.language
        self._extras = {}
        questions = self._progress.questions
        self._progress = Progress(intent.rule.name, carried, questions=questions, language=intent.language)
        self._fill(intent, said)
        await self._recall(intent)
        return await self._advance(intent)

    async def _advance(self, intent: IntentRule) -> Plan:
        """Asks for what is missing or unclear, else makes the next call, else answers."""
        missing = next((slot for name, slot in intent.slots.items() if self._is_missing(name, slot)), None)
        call = self._next_call(intent, early=missing is not None)
        if missing is not None and call is None:
            return await self._ask(missing)
        self._progress.asked = ""
        if call is None and intent.handover is not None:
            return self._hand_over(intent.handover)
        if call is None:
            return await self._conclude(self._answer(intent))
        args = filled(call, self._lookup)
        if args is None:
            return await self._conclude(self._end("incomplete", call))
        request = CallRequest(ToolName(call.rule.tool), args)
        return Plan(calls=(request,), says=self._says, state=self._progress.encode())

    def _is_missing(self, name: str, slot: SlotRule) -> bool:
        known = name in self._progress.slots or slot.slot.optional
        return not known or name in self._progress.unclear

    async def _ask(self, slot: SlotRule) -> Plan:
        progress, name = self._progress, slot.slot.name
        progress.asks = progress.asks + 1 if progress.asked == name else 1
        progress.asked = name
        progress.questions += 1
        if progress.asks > self._asks_max or progress.questions > QUESTIONS_MAX:
            return await self._conclude(self._end("gave_up"))
        options = progress.unclear.get(name, ())
        asked = (slot.ask if progress.asks == 1 else slot.ask_again).render(self._lookup) or self._book.fallback
        text = which(options, self._language) if options else asked
        if self._input.run.session is None:
            return Plan(answer=text, says=self._says)  # nobody is there to answer: the question is all there is
        schema: dict[str, Any] = {"type": "string"}  # of long words the first are searched
        if examples := options or tuple(slot.slot.choices):
            schema["examples"] = list(examples)
        wait = WaitRequest("clarification", text, expires_s=self._ask_expires_s, answer_schema=schema)
        return Plan(waits=(wait,), says=self._says, state=progress.encode())

    # -- a person takes over -------------------------------------------------------------------------------------

    def _hand_over(self, told: Template) -> Plan:
        """Asks for a person, with what was said."""
        said = "\n".join(self._texts)
        if self._input.run.session is None:
            return self._end("incomplete")  # there is no conversation that they could take over
        self._progress.is_handed_over = True
        wait = handover(said, told=told.render(self._lookup) or self._book.fallback, expires_s=self._ask_expires_s)
        return Plan(waits=(wait,), says=self._says, state=self._progress.encode())

    def _return(self, intent: IntentRule) -> Plan:
        """The end of the hand-over, of which the customer was told; where the person closed it without a word, the
        words of the rules."""
        ended = self._input.answers[-1] if self._input.answers else None
        if self._input.reason == "finalize" or ended is None or ended.outcome == "cancelled":
            return self._end(ended.outcome if ended is not None else "limit")
        reply = reply_of(ended.body)
        if ended.outcome == "answered" and reply.is_closed and not reply.text and intent.answers:
            return self._answer(intent)
        return Plan(answer="")

    async def _conclude(self, plan: Plan) -> Plan:
        """Ends with `plan`, unless the customer stated another wish meanwhile: then that is next."""
        wish = self._wish(self._progress.later) if self._progress.later else None
        if wish is None or plan.answer is None:
            return plan
        self._says = (*self._says, plan.answer)
        self._texts = (self._progress.later,)
        return await self._begin(wish)

    def _answer(self, intent: IntentRule) -> Plan:
        for answer in intent.answers:
            if all(condition.holds(self._lookup) for condition in answer.conditions):
                text = answer.text.render(self._lookup)
                if text:
                    return Plan(answer=text, says=self._says)
        return self._end("incomplete")

    def _blame(self, call: CallRule, result: CallResult) -> Plan:
        self._extras = {"reason": result.reason, "code": result.code}
        return self._end(result.outcome, call)

    def _end(self, kind: str, call: CallRule | None = None) -> Plan:
        """Says how it ended: in the words of the call, else of the intent, else of the planner."""
        self._extras["limit"] = self._input.limit or ""
        levels = [level.ends for level in (call, self._intent, self._book) if level is not None]
        keys = (f"code:{self._extras.get('code', '')}", kind)
        texts = (ends[key].render(self._lookup) for ends in levels for key in keys if key in ends)
        return Plan(answer=next((text.strip() for text in texts if text), self._book.fallback), says=self._says)

    # -- what is meant -------------------------------------------------------------------------------------------

    @property
    def _book(self) -> Rulebook:
        """The rules in the language that is spoken."""
        return self._books[self._language]

    def _wish(self, text: str) -> IntentRule | None:
        """The intent that `text` states, in the language that is spoken before any other."""
        others = (book for language, book in self._books.items() if language != self._language)
        return next(filter(None, (book.match(text) for book in (self._book, *others))), None)

    # -- what is known -------------------------------------------------------------------------------------------

    def _said(self, intent: IntentRule, asked: str = "") -> dict[str, SlotValue | Unclear]:
        """The slots in what was just said; of several messages the newest wins."""
        found: dict[str, SlotValue | Unclear] = {}
        for text in self._texts:
            found |= search(text, intent.finders, asked, language=self._spoken)
        return found

    @property
    def _spoken(self) -> str:
        """The language of the session, by which the gate reads numbers too; empty where nobody knows it."""
        return self._input.run.language

    def _fill(self, intent: IntentRule, said: Mapping[str, SlotValue | Unclear]) -> None:
        """Adds what was said. A required slot that was known otherwise is asked for again, rather than guessed, and so
        is a number that could be two."""
        slots, unclear = self._progress.slots, self._progress.unclear
        for name, value in said.items():
            unclear.pop(name, None)
            if isinstance(value, Unclear):
                slots.pop(name, None)
                unclear[name] = value.options
            elif (
                name != self._progress.asked
                and slots.get(name, value) != value
                and not intent.slots[name].slot.optional
            ):
                del slots[name]
            else:
                slots[name] = value

    def _carried(self, intent: IntentRule) -> dict[str, SlotValue]:
        """What the intent before knew of the same remembered slots."""
        if self._intent is None:
            return {}
        before = {rule.slot.name: rule.slot for rule in self._intent.slots.values() if rule.slot.remember}
        both = before.keys() & intent.slots.keys()
        same = {name for name in both if _is_same(intent.slots[name].slot, before[name])}
        return {name: value for name, value in self._progress.slots.items() if name in same}

    async def _recall(self, intent: IntentRule) -> None:
        """Looks for remembered slots in the customer's earlier messages, the newest first."""
        slots, unclear = self._progress.slots, self._progress.unclear
        wanted = [
            name
            for name, slot in intent.slots.items()
            if slot.slot.remember and name not in slots and name not in unclear
        ]
        if not wanted:
            return
        history = await self._input.history()
        earlier = [message.text for message in history.messages if message.role == "customer"]
        for text in reversed(earlier[-RECALLED_MAX:]):
            found = search(clipped(text, TEXT_CHARS_MAX), intent.finders, language=self._spoken)
            for name in wanted:
                value = found.get(name)
                if value is not None and not isinstance(value, Unclear):
                    slots.setdefault(name, value)

    def _lookup(self, reference: Reference) -> object:
        if not reference.path and reference.name in self._extras:
            return self._extras[reference.name]
        return self._progress.lookup(reference)

    def _last(self, intent: IntentRule) -> tuple[CallRule | None, CallResult | None]:
        """The call that was made last, and its result."""
        made = self._progress.made
        call = intent.calls[made - 1] if 0 < made <= len(intent.calls) else None
        return call, self._input.results[-1] if self._input.results else None

    def _next_call(self, intent: IntentRule, *, early: bool) -> CallRule | None:
        """The next call whose conditions hold; those before it count as made. While something is missing only `early`
        ones are made, and without anything missing none of them."""
        while self._progress.made < len(intent.calls):
            call = intent.calls[self._progress.made]
            if early and not call.rule.early:
                return None
            self._progress.made += 1
            if call.rule.early == early and all(condition.holds(self._lookup) for condition in call.conditions):
                return call
        return None


def _is_same(one: Slot, other: Slot) -> bool:
    """Whether two slots of one name ask for the same, in whatever language."""
    return (one.kind, one.currency, set(one.choices)) == (other.kind, other.currency, set(other.choices))


def heard(input: PlanInput) -> tuple[str, ...]:
    """What was said since the last plan: answers, then messages, oldest first; TEXT_CHARS_MAX characters of the newest.

    A child run's messages come from the agent that called it.
    """
    texts = [answer_text(answer.body) for answer in input.answers if answer.outcome == "answered"]
    texts += [message.text for message in input.input if message.role in ("customer", "agent")]
    found: list[str] = []
    left = TEXT_CHARS_MAX
    for text in reversed(texts):
        text = clipped(text, left).encode("utf-8", "replace").decode()  # a lone surrogate could not be written again
        left -= len(text)
        if text.strip():
            found.append(text)
    return tuple(reversed(found))
