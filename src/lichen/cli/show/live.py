"""A run line by line as it happens, and what its models say as they say it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lichen.cli.show.moments import duration, usd
from lichen.cli.show.screen import MEANINGS, Screen

TEXT_CHARS: Final = 400
_SAID: Final = re.compile(r"say/\d+")
EXITS: Final[Mapping[str, int]] = {"completed": 0, "failed": 1, "cancelled": 3}
WORDS: Final[Mapping[str, str]] = {
    "run_started": "begins",
    "plan_started": "thinks",
    "planned": "plans",
    "decided": "gate",
    "wait_opened": "waits",
    "wait_closed": "answered",
    "owned": "moves",
    "call_started": "calls",
    "call_progressed": "call",
    "call_finished": "result",
    "limit_reached": "limit",
    "run_finished": "ends",
    "refused": "refused",
}
"""What a record is called where it happens; others by their type."""

Record = dict[str, Any]


class Live:
    """Shows one run. `outcome` is how it ended, empty until then."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._start_us = 0
        self._requests = 0  # to models, that were shown
        self._spoken = ""  # what kind of piece the open line is made of
        self._has_said = False  # whether words of the plan to come were shown already
        self.outcome = ""

    def record(self, record: Record) -> None:
        """The next record of the run."""
        self._break()
        self._start_us = self._start_us or record["ts_us"]
        after = f"+{duration(record['ts_us'] - self._start_us)}"
        word, summary = WORDS.get(record["type"], record["type"].replace("_", " ")), str(record["summary"])
        self._screen.line(f"{after:>10}  {word:<9} {summary}".rstrip(), _style(record))
        for line, style in self._beside(record, summary.split()):
            self._screen.line(f"{'':>10}  {'':<9} {line}", style)
        if record["type"] == "planned":
            self._has_said = False
        if record["type"] == "run_finished":
            self.outcome = summary.split()[0]

    def requests(self, models: Sequence[Record]) -> None:
        """All requests to models by now: those that were not shown yet, and what all of them cost."""
        for asked in models[self._requests :]:
            self._screen.line(f"{'':>10}  {'':<9} {_asked(asked)}", "yellow" if asked["outcome"] != "ok" else "dim")
        if len(models) > self._requests:
            tokens = sum(asked["input_tokens"] + asked["output_tokens"] for asked in models)
            money = sum(asked["micro_usd"] for asked in models)
            self._screen.line(f"{'':>10}  {'':<9} {tokens:,} tokens, {usd(money)} so far", "dim")
        self._requests = len(models)

    def piece(self, piece: Record) -> None:
        """The next piece of what a model says, thinks or calls; for terminals."""
        kind = piece["kind"]
        if kind == "progress":
            self._break()
            self._screen.line(f"{'':>10}  {'at work':<9} {_far(piece)}", "dim")
            return
        if kind == "again":
            self._break()
            self._screen.line(f"{'':>10}  {'again':<9} what was said came to nothing", "dim")
            return
        spoken = f"{kind}/{piece.get('call', 0)}"
        if spoken != self._spoken:
            self._break()
            word = {"text": "says", "thinking": "thinks", "args": "wants"}[kind]
            tool = f"{piece['tool']} " if piece.get("tool") else ""
            self._screen.piece(f"{'':>10}  {word:<9} {tool}", "dim")
            self._spoken = spoken
        self._has_said = self._has_said or kind == "text"
        self._screen.piece(piece["text"].replace("\n", " "), "" if kind == "text" else "dim")

    def cost(self, tree: Record) -> None:
        """What all of it cost, once it is over."""
        self._break()
        if not tree["all_tokens"]:
            return
        own = f", {usd(tree['micro_usd'])} of it itself" if tree["children"] else ""
        self._screen.line(f"{tree['all_tokens']:,} tokens, {usd(tree['all_micro_usd'])}{own}", "dim")

    def _break(self) -> None:
        """Ends the line that pieces were put into."""
        if self._spoken:
            self._screen.piece("\n")
        self._spoken = ""

    def _beside(self, record: Record, words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
        """What stands below the line of a record: words, where the reader may know them."""
        contents: Mapping[str, Any] = record["contents"] or {}
        match record["type"]:
            case "planned":
                said = [str(text) for part, text in contents.items() if part == "answer" or _SAID.fullmatch(part)]
                yield from ((f"“{_cut(text)}”", None) for text in said if not self._has_said)
                args = [(part, value) for part, value in contents.items() if part.endswith("/args")]
                yield from ((f"{part.removesuffix('/args')} {_cut(_words(value))}", None) for part, value in args)
            case "decided" if reason := contents.get("operator"):
                yield _cut(str(reason)), None
            case "wait_opened" if words[1] in ("approval", "reconcile"):
                id = f"{record['stream'].partition(':')[2]}.{words[0]}"
                yield f"`lichen approvals show {id}` says what is asked", "yellow"
            case "call_finished":
                if (result := contents.get("result")) is not None:
                    yield _cut(_words(result)), "dim"
                if reason := contents.get("reason"):
                    yield _cut(str(reason)), "yellow"
            case _:
                return


def _style(record: Record) -> str:
    meaning = next((MEANINGS[word] for word in str(record["summary"]).split() if word in MEANINGS), "")
    fallback = {"wait_opened": "yellow", "limit_reached": "yellow", "refused": "yellow", "plan_started": "blue"}
    return meaning or fallback.get(record["type"], "")


def _asked(asked: Record) -> str:
    """A request to a model in one line: sizes and costs, no words."""
    price = "no price" if asked["is_unpriced"] else usd(asked["micro_usd"])
    more = [
        f"{asked['input_tokens']:,} tokens in, {asked['output_tokens']:,} out",
        price + (", an estimate" if asked["is_estimate"] else ""),
        duration(asked["duration_us"]),
        *([f"{asked['tries']} tries"] if asked["tries"] > 1 else []),
    ]
    return f"{asked['model']} {asked['outcome']}: {', '.join(more)}"


def _far(piece: Record) -> str:
    """How far a call is, in the words of its tool, which are somebody else's."""
    if "tool" not in piece:
        return f"{piece['by']} says how far it is"
    of = f" of {piece['total']:g}" if "total" in piece else ""
    words = f": “{_cut(piece['text'])}”" if piece["text"] else ""
    return f"{piece['by']} {piece['tool']} says {piece['done']:g}{of}{words}"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_CHARS else f"{plain[: TEXT_CHARS - 1]}…"
