"""The words of the chat page, by language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class PageWords(msgspec.Struct, frozen=True):
    """What the page itself says: names of its parts, and what becomes of messages."""

    fresh: str = "New conversation"
    log: str = "Conversation"
    typing: str = "An answer is being written"
    suggestions: str = "Suggestions"
    label: str = "Your message"
    hint: str = "Write a message"
    send: str = "Send"
    signed_in: str = "Signed in as"
    no_script: str = "This chat needs JavaScript."
    today: str = "Today"
    sending: str = "Sending…"
    failed: str = "Not sent."
    again: str = "Try again"
    connecting: str = "Connecting…"
    reconnecting: str = "Reconnecting…"
    offline: str = "You are offline"
    long: str = "This is too long for one message. Please shorten it, or send it in parts."
    renewed: str = "The conversation before has ended. This is a new one."
    person: str = "A colleague"
    attach: str = "Attach files"
    files: str = "Files to send"
    remove: str = "Remove"
    large: str = "That is too much: ten files with 8 MB together are taken."
    unfit: str = "Not sent: a file is not what its name says."
    full: str = "Not sent: no more files are taken today."
    gone: str = "Not sent: please attach the files again."

    @property
    def spoken(self) -> str:
        """Those that the script says, as JSON."""
        return msgspec.json.encode({name: getattr(self, name) for name in _SPOKEN}).decode()


_SPOKEN: Final = ("today", "sending", "failed", "again", "connecting", "reconnecting", "offline", "long", "renewed",
    "person", "remove", "large", "unfit", "full", "gone",
)  # fmt: skip

ENGLISH: Final = PageWords()
WORDS: Final[Mapping[str, PageWords]] = {
    "en": ENGLISH,
    "de": PageWords(
        fresh="Neues Gespräch",
        log="Gespräch",
        typing="Eine Antwort wird geschrieben",
        suggestions="Vorschläge",
        label="Ihre Nachricht",
        hint="Schreiben Sie eine Nachricht",
        send="Senden",
        signed_in="Angemeldet als",
        no_script="Dieser Chat braucht JavaScript.",
        today="Heute",
        sending="Wird gesendet…",
        failed="Nicht gesendet.",
        again="Noch einmal versuchen",
        connecting="Verbindung wird aufgebaut…",
        reconnecting="Neuer Versuch…",
        offline="Sie sind offline",
        long="Das ist zu lang für eine Nachricht. Bitte kürzen Sie sie, oder senden Sie sie in Teilen.",
        renewed="Das vorige Gespräch ist beendet. Dies ist ein neues.",
        person="Jemand aus dem Team",
        attach="Dateien anhängen",
        files="Dateien, die gesendet werden",
        remove="Entfernen",
        large="Das ist zu viel: Zehn Dateien mit zusammen 8 MB sind möglich.",
        unfit="Nicht gesendet: Eine Datei ist nicht, was ihr Name sagt.",
        full="Nicht gesendet: Heute werden keine Dateien mehr angenommen.",
        gone="Nicht gesendet: Bitte hängen Sie die Dateien noch einmal an.",
    ),
}
