"""What became of a run, in lines: what was asked, each call and what was decided of it, what came out, what failed."""

from __future__ import annotations

import json
from typing import Any

from lichen.cli.show.moments import moment
from lichen.cli.show.screen import MEANINGS, Screen

TEXT_CHARS = 400

Story = dict[str, Any]


def tell(screen: Screen, story: Story, *, unread: str = "(erased)") -> None:
    """The story of a run; `unread` stands for what cannot be read."""
    asked = unread if story["asked"] is None else " / ".join(story["asked"])
    if asked:
        screen.line(f"asked     {story['who']}: {_cut(asked)}")
    for file in story["files"]:
        screen.line(f"file      {file}")
    for prompt in story["prompts"]:
        screen.line(f"prompt    {prompt}")
    for call in story["calls"]:
        _tell_call(screen, call)
    for person in story["people"]:
        if person["kind"] not in ("approval", "confirmation"):
            _tell_person(screen, person)
    if story["answer"]:
        screen.line(f"answer    {_cut(story['answer'])}")
    if story["value"] is not None:
        screen.line(f"value     {_cut(_json(story['value']))}")
    if story["summary"]:
        screen.line(f"came out  {story['summary']}", MEANINGS.get(story["result"]))
    tell_failures(screen, story)
    screen.line()


def _tell_call(screen: Screen, call: dict[str, Any]) -> None:
    screen.line(f"call      {call['id']} {call['tool']}({_arguments(call)})")
    if call["verdict"]:
        by = f" by {', '.join(call['policies'])}" if call["policies"] else ""
        why = f": {call['reason']}" if call["reason"] else ""
        screen.line(f"  gate    {call['verdict']}{by}{why}", MEANINGS.get(call["verdict"]))
    for handed in call["secrets"]:
        screen.line(f"  secret  {handed['name']}, version {handed['version']}")
    if call["withheld"]:
        screen.line(f"  kept    {call['withheld']} times it said a secret, which was taken out", "yellow")
    for person in call["people"]:
        _tell_person(screen, person, "  ")
    result = "" if call["result"] is None else f": {_cut(_values(call['results']) or _json(call['result']))}"
    if call["outcome"]:
        code = f" {call['code']}" if call["code"] else ""
        screen.line(f"  result  {call['result_word']}{code}{result}", MEANINGS.get(call["result_word"]))
    if hint := call["result_hint"] or call["hint"]:
        screen.line(f"  told    {_cut(hint)}")
    for artifact in call["artifacts"]:
        screen.line(f"  beside  {artifact['kind']} ({artifact['audience']}): {_cut(_json(artifact['data']))}")


def _tell_person(screen: Screen, person: dict[str, Any], indent: str = "") -> None:
    note = f": {person['note']}" if person["note"] else ""
    own = ", their own request" if person["is_own"] else ""
    who = person["name"] or "nobody"
    line = f"{indent}person  {person['outcome']} by {who}{own} at {moment(person['at_us'])}{note}"
    screen.line(line, MEANINGS.get(person["outcome"]))


def tell_failures(screen: Screen, story: Story) -> None:
    """What failed, in its own words."""
    failed = [(call["tool"], call["failure"]) for call in story["calls"] if call["failure"]]
    failed += [("planner", failure) for failure in story["failures"][-1:]]
    for what, failure in failed:
        where = f" at {failure['file']}:{failure['line']}" if failure["file"] else ""
        screen.line(f"failed    {what}{where}: {failure['exception']}: {failure['message']}", "bold red")
        for line in failure["traceback"].rstrip().splitlines():
            screen.line(f"  {line}", "dim")


def _arguments(call: dict[str, Any]) -> str:
    """The arguments as people read them; as the model wrote them where they are none."""
    return _values(call["details"]) or ("" if call["arguments"] in (None, {}) else _json(call["arguments"]))


def _values(values: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each['name']}={each['text']}" for each in values)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_CHARS else f"{plain[: TEXT_CHARS - 1]}…"
