"""`lichen component qa`: what a component has to know when it is set up, asked or read from a file, as its `config`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
import typer

from lichen.cli.show.screen import Screen
from lichen.core.components.limits import CallLimits
from lichen.core.words.errors import Invalid

if TYPE_CHECKING:
    from lichen.tools.wasm.documents.forms import Form, Question
    from lichen.tools.wasm.families.setup import Mode
    from lichen.tools.wasm.port import Instance
    from lichen.tools.wasm.running.program import Program

T = TypeVar("T")
SCHEMA: Final = "lichen.component.qa"
VERSION: Final = "1"
BYTES_MAX: Final = 1024 * 1024
LIMITS: Final = CallLimits()
_YES: Final = ("y", "yes", "true", "1")
_NO: Final = ("n", "no", "false", "0")


class Document(msgspec.Struct, frozen=True):
    """Answers as they are kept: of which component (its digest), in which mode, and what was said."""

    answers: Mapping[str, Any]
    schema_id: str = SCHEMA
    schema_version: str = VERSION
    mode: str = "setup"
    component: str = ""
    locale: str = ""


class Asked(NamedTuple):
    """A component that is set up. Each question to it has an instance of its own, with nothing granted."""

    program: Program
    mode: Mode
    language: str

    def form(self) -> Form:
        """What it asks. Raises Invalid (`component_…`)."""
        from lichen.tools.wasm.families.setup import form, words

        exports = self.program.exports
        texts = self._asked(lambda instance: words(instance, exports, self.language))
        return self._asked(lambda instance: form(instance, exports, self.mode, texts))

    def config(self, answers: Mapping[str, Any], current: Any) -> Mapping[str, Any]:
        """What the answers come to. Raises Invalid (`qa_refused`, `component_…`)."""
        from lichen.tools.wasm.families.setup import applied
        from lichen.tools.wasm.port import Reported

        exports = self.program.exports
        found = self._asked(lambda instance: applied(instance, exports, self.mode, answers, current))
        if isinstance(found, Reported):
            message = f"The component does not take these answers: {found.code}: {found.message}"
            raise Invalid(message, code="qa_refused", next_step="Answer otherwise.")
        return found

    def _asked(self, ask: Callable[[Instance], T]) -> T:
        from lichen.tools.wasm.imports.host import ungranted
        from lichen.tools.wasm.port import Trapped

        instance = self.program.instance(LIMITS, ungranted(LIMITS))
        try:
            return ask(instance)
        except Trapped as trapped:
            message = f"The component was stopped while it was set up: {trapped}."
            step = "Have whoever made it mend that, or write its `config` by hand."
            raise Invalid(message, code="component_setup_failed", next_step=step) from None


def qa(
    file: Annotated[Path, typer.Argument(help="The component's .wasm file.", metavar="FILE")],
    mode: Annotated[str, typer.Option("--mode", help="`setup`, `default`, `update` or `remove`.")] = "setup",
    answers: Annotated[
        Path | None, typer.Option("--answers", help="A JSON file of answers; nobody is asked then.", metavar="FILE")
    ] = None,
    emit_answers: Annotated[
        Path | None, typer.Option("--emit-answers", help="Write the answers to this file.", metavar="FILE")
    ] = None,
    current: Annotated[
        Path | None, typer.Option("--current", help="A JSON file of the configuration there is.", metavar="FILE")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What the project calls it, else the name of the file.")] = "",
    language: Annotated[str, typer.Option("--language", help="In which language it is to ask.")] = "en",
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the answers, and ask nobody.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else.")] = False,
) -> None:
    """Asks what a component has to know when it is set up, and prints its `[[component]]` with the `config`."""
    from lichen.cli.components.looking import opened, read
    from lichen.tools.wasm.documents.forms import completed, schema_of

    data = read(file)
    asked = Asked(opened(data, file)[0], _mode(mode), language)
    form = asked.form()
    if schema:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema_of(form)), indent=2).decode() + "\n")
        return
    given = _answered(form) if answers is None else _document(answers).answers
    said = completed(form, given)
    config = asked.config(said, None if current is None else _json(current, object))
    if emit_answers is not None:
        kept = Document(said, mode=mode, component=_digest(data), locale=language)
        _write(emit_answers, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    screen = Screen(as_json=as_json)
    if not screen.data({"ok": True, "answers": said, "config": config}):
        sys.stdout.write(_table(name or file.stem, file, config))


def _mode(text: str) -> Mode:
    from lichen.tools.wasm.families.setup import MODES

    wanted = "update" if text == "upgrade" else text
    found: Mode | None = next((each for each in MODES if each == wanted), None)
    if found is None:
        step = f"Say one of {', '.join(MODES)}."
        raise Invalid(f"There is no mode {text!r}.", code="qa_mode_unknown", place="--mode", next_step=step)
    return found


def _answered(form: Form) -> dict[str, Any]:
    """What somebody says at the terminal, question after question. Raises Invalid (`qa_answer_missing`)."""
    from lichen.tools.wasm.documents.forms import is_skipped

    found: dict[str, Any] = {}
    if form.title:
        typer.echo(form.title, err=True)
    if form.description:
        typer.echo(form.description, err=True)
    for question in form.questions:
        if not is_skipped(question, found) and (value := _said(question)) is not None:
            found[question.id] = value
    return found


def _said(question: Question) -> Any:
    """The answer to one question, asked until it is one; None where there is none and none is needed."""
    from lichen.tools.wasm.documents.forms import check

    if question.help:
        typer.echo(f"  {question.help}", err=True)
    for value, label in question.options.items():
        typer.echo(f"  {value}: {label}" if label != value else f"  {value}", err=True)
    while True:
        text = _line(question)
        if not text:
            if question.default is not None or not question.required:
                return question.default
            typer.echo("  This has to be said.", err=True)
            continue
        try:
            value = _value(question, text)
            check(question, value)
        except Invalid as error:
            typer.echo(f"  {error.message}", err=True)
        else:
            return value


def _line(question: Question) -> str:
    shown = "" if question.default is None else f" [{_shown(question.default)}]"
    typer.echo(f"{question.label}{'' if question.required else ' (may be left out)'}{shown}: ", nl=False, err=True)
    text = sys.stdin.readline()
    if not text and question.required and question.default is None:
        step = "Answer in the terminal, or give --answers FILE; `--schema` says what that holds."
        raise Invalid("Nobody answers.", code="qa_answer_missing", place=f"/{question.id}", next_step=step)
    return text.strip()


def _value(question: Question, text: str) -> Any:
    """What a line says. Raises Invalid (`qa_answer_invalid`)."""
    match question.kind:
        case "bool":
            if text.lower() in (*_YES, *_NO):
                return text.lower() in _YES
            raise _no_answer(question, "it is neither yes nor no")
        case "number" | "inline_json":
            try:
                return msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                raise _no_answer(
                    question, "it is no JSON" if question.kind == "inline_json" else "it is no number"
                ) from None
        case _:
            return text


def _no_answer(question: Question, why: str) -> Invalid:
    message = f"This is no answer to it: {why}."
    return Invalid(message, code="qa_answer_invalid", place=f"/{question.id}", next_step="Say it again.")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _document(path: Path) -> Document:
    """Answers of a file: a document as `--emit-answers` writes it, or the answers alone."""
    said: dict[str, Any] = _json(path, dict[str, Any])
    if "answers" not in said or "schema_id" not in said:
        return Document(said)
    try:
        found = msgspec.convert(said, Document)
    except msgspec.ValidationError as error:
        raise _unreadable(path, str(error)) from None
    if (found.schema_id, found.schema_version) != (SCHEMA, VERSION):
        raise _unreadable(path, f"they are of {found.schema_id!r}, version {found.schema_version!r}")
    return found


def _json(path: Path, kind: type[T]) -> Any:
    """The JSON of a file. Raises Invalid (`qa_file_invalid`), NotFound (`file_missing`)."""
    from lichen.cli.signing.files import read as read_file

    data = read_file(path)
    if len(data) > BYTES_MAX:
        raise _unreadable(path, f"it has more than {BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, why: str) -> Invalid:
    step = "`--schema` says what answers hold, and `--emit-answers FILE` writes some."
    return Invalid(f"These are no answers: {why}.", code="qa_file_invalid", place=str(path), next_step=step)


def _digest(data: bytes) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _write(path: Path, data: bytes) -> None:
    """Writes a file whole, or not at all: answers may be for nobody else's eyes."""
    import os

    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _table(name: str, file: Path, config: Mapping[str, Any]) -> str:
    """The table of the component for `lichen.toml`. Raises Invalid (`qa_config_unwritable`)."""
    table = {"component": [{"name": name, "file": str(file), "config": _without_null(config)}]}
    try:
        return msgspec.toml.encode(table).decode()
    except (TypeError, ValueError, OverflowError) as error:
        step = "Take it with `--json`, and write what TOML can say."
        raise Invalid("TOML cannot say this configuration.", code="qa_config_unwritable", next_step=step) from error


def _without_null(value: Any) -> Any:
    """The value without what is null: TOML has no word for it, and left out it means the same."""
    match value:
        case dict():
            return {key: _without_null(each) for key, each in value.items() if each is not None}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_without_null(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
