"""A run line by line as it happens, and what its models say as they say it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lichen.cli.show.moments import duration, usd
from lichen.cli.show.screen import MEANINGS, Screen

TEXT_CHARS: Final = 400
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
        self._tokens = self._micro_usd = 0
        self._spoken = ""  # what kind of piece the open line is made of
        self._has_said = False  # whether words of the plan to come were shown already
        self.outcome = ""

    def record(self, record: Record) -> None:
        """The next record of the run."""
        self._break()
        self._start_us = self._start_us or record["ts_us"]
        control = record["control"]
        after = f"+{duration(record['ts_us'] - self._start_us)}"
        word = WORDS.get(record["type"], record["type"].replace("_", " "))
        summary = _named(record)
        self._screen.line(f"{after:>10}  {word:<9} {summary}".rstrip(), _style(record))
        for line, style in self._beside(record, control):
            self._screen.line(f"{'':>10}  {'':<9} {line}", style)
        if record["type"] == "planned":
            self._has_said = False
        if record["type"] == "run_finished":
            self.outcome = control["outcome"]

    def piece(self, piece: Record) -> None:
        """The next piece of what a model says, thinks or calls; for terminals."""
        kind = piece["kind"]
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

    def _beside(self, record: Record, control: Record) -> Iterator[tuple[str, str | None]]:
        """What stands below the line of a record: words, where the reader may know them, and what it cost."""
        contents: Mapping[str, Any] = record["contents"] or {}
        match record["type"]:
            case "planned":
                yield from self._planned(control, contents)
            case "decided":
                if reason := contents.get("operator"):
                    yield _cut(reason), None
            case "wait_opened" if control["kind"] in ("approval", "reconcile"):
                id = f"{control['run']}.{control['wait']}"
                yield f"`lichen approvals show {id}` says what is asked", "yellow"
            case "call_finished":
                if (result := contents.get("result")) is not None:
                    yield _cut(_words(result)), "dim"
                if reason := contents.get("reason"):
                    yield _cut(str(reason)), "yellow"
            case _:
                return

    def _planned(self, control: Record, contents: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        for asked in control["requests"]:
            yield _asked(asked), "yellow" if asked["outcome"] != "ok" else "dim"
            self._tokens += asked["usage"]["input_tokens"] + asked["usage"]["output_tokens"]
            self._micro_usd += asked["usage"]["cost_micro_usd"]
        said = [str(contents[f"say/{i}"]) for i in range(control["says"]) if f"say/{i}" in contents]
        for text in (*said, *([str(contents["answer"])] if "answer" in contents else [])):
            if not self._has_said:
                yield f"“{_cut(text)}”", None
        for call in control["calls"]:
            args = contents.get(f"{call['id']}/args")
            yield f"{call['tool']}({_cut(_words(args)) if args else ''})", None
        if control["requests"]:
            yield f"{self._tokens:,} tokens, {usd(self._micro_usd)} so far", "dim"


def _named(record: Record) -> str:
    control = record["control"]
    if record["type"] == "plan_started" and control["model"]:
        return f"with {control['model']}" + (f", attempt {control['attempt']}" if control["attempt"] > 1 else "")
    return str(record["summary"])


def _style(record: Record) -> str:
    control = record["control"]
    meaning = control.get("outcome") or control.get("verdict") or ("failed" if control.get("error") else "")
    fallback = {"wait_opened": "yellow", "limit_reached": "yellow", "refused": "yellow", "plan_started": "blue"}
    return MEANINGS.get(meaning, fallback.get(record["type"], ""))


def _asked(asked: Record) -> str:
    """A request to a model in one line: sizes and costs, no words."""
    usage = asked["usage"]
    price = "no price" if asked["is_unpriced"] else usd(usage["cost_micro_usd"])
    more = [
        f"{usage['input_tokens']:,} tokens in, {usage['output_tokens']:,} out",
        price + (", an estimate" if asked["is_estimate"] else ""),
        duration(asked["duration_us"]),
        *([f"{asked['tries']} tries"] if asked["tries"] > 1 else []),
    ]
    return f"{asked['model']} {asked['outcome']}: {', '.join(more)}"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_CHARS else f"{plain[: TEXT_CHARS - 1]}…"
