"""Components that a start did not wait for: compiled one by one beside what is served, the small ones first."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lichen.core.ports.call import Tool
from lichen.core.words.errors import LichenError

if TYPE_CHECKING:
    from lichen.tools.wasm.component import Component

NICE: Final = 10  # what is served comes first
COMPONENT: Final = "component"  # the tag of a component's tools


def warming(tools: Iterable[Tool], tell: Callable[[str], None]) -> str:
    """Begins to compile what is not, and says which components these are; nothing where there is none. What does not
    compile is told, and is refused to whoever asks it."""
    if not any(COMPONENT in tool.spec.tags for tool in tools):
        return ""
    from lichen.tools.wasm.component_tool import ComponentTool  # for projects with components only

    found = {id(tool.component): tool.component for tool in tools if isinstance(tool, ComponentTool)}
    waiting = sorted((each for each in found.values() if not each.is_compiled), key=lambda each: each.size)
    if not waiting:
        return ""
    threading.Thread(target=_compile, args=(waiting, tell), name="components", daemon=True).start()
    names = ", ".join(each.name for each in waiting)
    return f"Components are compiled in the background, once: {names}. What asks one before waits for it."


def _compile(components: Sequence[Component], tell: Callable[[str], None]) -> None:
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    for component in components:
        try:
            component.program  # noqa: B018 - compiled by being wanted
        except LichenError as error:
            tell(f"The component {component.name} cannot be asked: {error.message} ({error.code})")
