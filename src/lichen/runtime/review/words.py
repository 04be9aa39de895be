"""Keys of words that flows and agent files say and no file of the project has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lichen.core.speech.keyed import PREFIX, found
from lichen.core.speech.texts import DEFAULT
from lichen.runtime.project.project import Project
from lichen.runtime.review.flaw import Flaw
from lichen.settings.words.files import FOLDER

_KEY: Final = re.compile(rf"""["'\s]{PREFIX}([A-Za-z0-9][A-Za-z0-9_.:/-]*)""".encode())


def unworded(project: Project) -> Iterator[Flaw]:
    """Each key without words at its line: a problem where nobody would hear words, a note where customers of one
    language hear those of another."""
    keyed = project.settings.keyed
    spoken = {language for tenant in project.settings.tenants.values() for language in tenant.languages}
    for agent in project.agents:
        for path, text in agent.source.files.items() if agent.source is not None else ():
            for match in _KEY.finditer(text):
                key, line = match[1].decode(), text.count(b"\n", 0, match.start(1)) + 1
                place = f"{path}:{line}"
                if found(keyed, key, DEFAULT) is None and not all(found(keyed, key, each) for each in spoken):
                    message = f"Nobody wrote the words of {PREFIX}{key}, so customers would see the key."
                    mend = f"Add {key!r} to {FOLDER}/{DEFAULT}.json."
                    yield Flaw("words_missing", "problem", message, mend, place)
                    continue
                for language in sorted(each for each in spoken if key not in keyed.get(each, {})):
                    message = f"{PREFIX}{key} has no words in {language!r}, so English ones are said there."
                    yield Flaw(
                        "words_untranslated", "note", message, f"Add {key!r} to {FOLDER}/{language}.json.", place
                    )
