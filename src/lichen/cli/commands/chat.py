"""`lichen chat`: a conversation with the agent that a tenant's customers meet."""

from __future__ import annotations

import base64
import os
import stat
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lichen.cli.here.caller import Caller, calling
from lichen.cli.here.client import Client, segment
from lichen.cli.here.narrowing import narrowing
from lichen.cli.show.lines import Verbose, log_lines
from lichen.cli.show.screen import Screen, note, safe
from lichen.core.speech.attached import FILES_BYTES_MAX, FilesTooLarge
from lichen.core.words.errors import Invalid

WAIT_S = 20.0
PROMPT = "you › "


@calling
@narrowing
def talk(
    caller: Caller,
    agent: Annotated[str | None, typer.Option(help="Another agent than the tenant's own.", metavar="NAME")] = None,
    conversation: Annotated[str, typer.Option(help="Which of your conversations goes on.", metavar="NAME")] = "chat",
    attach: Annotated[
        list[Path] | None, typer.Option(help="A file that goes with the first line; may be repeated.", metavar="FILE")
    ] = None,
    verbose: Verbose = False,
    *,
    overrides: dict[str, Any] | None = None,
) -> None:
    """Talks to an agent.

    Reads lines and prints replies, also those that arrived since last time.

    In a pipe each line waits for its reply, and the command ends when nothing more is owed to you. What waits for
    somebody else is not owed; its answer is printed next time. The exit code is then 1 when a run failed whose answer
    was printed, else 0. In a terminal replies come as they come; Ctrl-D ends, with 0.

    What a message may use and take can be narrowed, for each alike.

    Who names nobody is, where a project is developed, the customer that its `lichen.toml` declares first.
    """
    log_lines(verbose=verbose)
    files = [attachment(path) for path in attach or ()]
    developer = caller.as_some_customer()
    caller.client.connection.expect_models()
    opened = caller.client.post("sessions", {"agent": agent, "channel": "cli", "key": conversation})
    chat = Chat(caller.client, caller.screen, opened["id"], developer, overrides=overrides, files=files)
    if sys.stdin.isatty() and caller.screen.is_terminal:
        chat.live()
    else:
        chat.piped()


class Chat:
    """One conversation of one actor, here and now."""

    def __init__(
        self,
        client: Client,
        screen: Screen,
        session: str,
        developer: Client | None = None,
        *,
        overrides: dict[str, Any] | None = None,
        files: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._overrides, self._files = overrides, list(files)
        self._client = client
        self._screen = screen
        self._developer = developer
        self._path = f"sessions/{segment(session)}/messages"
        self._is_live = False
        self._has_failed = False  # a run whose answer was printed
        self._is_over = threading.Event()
        self._error: BaseException | None = None

    def piped(self) -> None:
        """Each line waits for its reply; ends with the input, with 1 where a run failed whose answer was printed."""
        self._catch_up()
        for line in sys.stdin:
            if line.strip():
                self.say(line)
                self._catch_up()
        if self._has_failed:
            raise typer.Exit(1)

    def live(self) -> None:
        """Reads from a terminal while replies are printed as they come."""
        _typed()  # editing and history for `input`
        self._is_live = True
        self._screen.line("Ctrl-D ends; the conversation goes on where it was next time.", "dim")
        listener = threading.Thread(target=self._listen, name="lichen-replies", daemon=True)
        listener.start()
        try:
            while not self._is_over.is_set():
                line = input(PROMPT)
                if line.strip():
                    self.say(line)
        except EOFError:
            self._screen.line()
        finally:
            self._is_over.set()
        if self._error is not None:
            raise self._error

    def say(self, text: str) -> None:
        """Sends one message; the first one with the files."""
        files, self._files = self._files, []
        fields = {"text": text.rstrip("\n"), "overrides": self._overrides, "attachments": files or None}
        self._client.post(self._path, fields)

    def _catch_up(self) -> None:
        """Prints replies until nothing is owed."""
        is_owing = self._receive(0)
        while is_owing:
            is_owing = self._receive(WAIT_S)

    def _receive(self, wait_s: float) -> bool:
        """Prints and confirms what there is. Tells whether more is owed."""
        replies = self._client.get(self._path, wait_s=wait_s)
        for message in replies["messages"]:
            self._print(message)
            self._client.post(f"{self._path}/{segment(message['id'])}/delivered")
            self._look_at(message)
        return bool(replies["owing"])

    def _look_at(self, message: dict[str, Any]) -> None:
        """Whether the run failed that this is the answer of: its customer hears only that it did, and whoever develops
        the project hears why."""
        if message["kind"] != "answer" or not message["run"]:
            return
        run = f"runs/{segment(message['run'])}"
        if self._developer is not None:
            found = self._developer.get(f"{run}/explain")
            if found["status"] == "failed":
                note(f"{found['id']} {found['summary']}")
        else:
            found = self._client.get(f"{run}/result")
            if found["status"] == "failed":
                why = f"`lichen runs explain {found['id']}`, as an operator, says why."
                note(f"{found['id']} failed: {found['code']}. {why}")
        self._has_failed = self._has_failed or found["status"] in ("failed", "cancelled")

    def _listen(self) -> None:
        try:
            while not self._is_over.is_set():
                self._receive(WAIT_S)
        except Exception as error:  # noqa: BLE001 - carried over to the thread that reads the keyboard
            self._error = error
            if not self._is_over.is_set():
                note(f"{error} Press Enter.")
            self._is_over.set()

    def _print(self, message: dict[str, Any]) -> None:
        if self._screen.event(message):
            return
        if not self._is_live:
            self._screen.line(message["text"])
            return
        from rich.text import Text

        typed = _typed()
        sys.stdout.write("\r\033[K")
        self._screen.draw(Text.assemble(("agent › ", "bold cyan"), safe(message["text"])))
        sys.stdout.write(f"{PROMPT}{typed}")
        sys.stdout.flush()


def attachment(path: Path) -> dict[str, str]:
    """A file as it goes with a message. Raises Invalid (`file_unreadable`, `attachments_too_large`)."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # no pipe is waited for
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(FILES_BYTES_MAX + 1) if is_file else b""
    except OSError as error:
        said = f"The file {path} cannot be read: {error.strerror}."
        raise Invalid(said, code="file_unreadable", next_step="Name a file that you may read.") from error
    if not is_file:
        step = "Name a regular file: no pipe, socket or device."
        raise Invalid(f"{path} is no regular file.", code="file_unreadable", next_step=step)
    if len(data) > FILES_BYTES_MAX:
        raise FilesTooLarge(f"The file {path} has more than {FILES_BYTES_MAX} bytes.")
    return {"url": f"data:;base64,{base64.b64encode(data).decode()}", "name": path.name}


def _typed() -> str:
    """What stands in the line that is being typed."""
    import readline

    return readline.get_line_buffer()
