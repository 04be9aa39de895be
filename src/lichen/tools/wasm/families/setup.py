"""How a component of 0.6 is set up: its form in a mode, its words in a language, and the configuration that its answers
come to.

The third mode is called `update` in the text of the interface and `upgrade` in what is built; in 0.6.1 answers are
applied without the configuration that there was.

Source: greentic:component@0.6.0, component-qa and component-i18n; 0.6.1, qa and component-i18n.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from lichen.core.words.errors import Invalid
from lichen.tools.wasm.documents.answers import COMPONENT_ERROR, document, failure, halves
from lichen.tools.wasm.documents.forms import Form, form_of
from lichen.tools.wasm.documents.trees import cbor, refused, table
from lichen.tools.wasm.port import Exports, Instance, Reported

Mode = Literal["default", "setup", "update", "remove"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
QA: Final = ("greentic:component/qa@0.6.1", "greentic:component/component-qa@0.6.0")
I18N: Final = ("greentic:component/component-i18n@0.6.1", "greentic:component/component-i18n@0.6.0")
WITH_CURRENT: Final = 3  # arguments
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {"update": ("update", "upgrade")}


def asks(exports: Exports) -> str | None:
    """The interface by which a component asks how it is to be set up, if it does."""
    return next((each for each in QA if "qa-spec" in exports.interfaces.get(each, ())), None)


def form(instance: Instance, exports: Exports, mode: Mode, words: Mapping[str, Any]) -> Form:
    """The form of a mode. Raises Trapped, Invalid (`component_invalid`)."""
    where = _where(exports)
    said = instance.call(where, "qa-spec", _mode(exports, where, "qa-spec", mode))
    is_good, held = halves(said)
    if not is_good:
        raise refused("It", "has no form of this mode")
    return form_of(document(held, "Its form"), words)


def words(instance: Instance, exports: Exports, language: str) -> Mapping[str, Any]:
    """Its texts in a language, by their keys; none where it does not say any."""
    where = next((each for each in I18N if "i18n-bundle" in exports.interfaces.get(each, ())), None)
    if where is None:
        return {}
    _, held = halves(instance.call(where, "i18n-bundle", language))
    try:
        found = table(document(held, "Its words"))
    except Invalid:
        return {}
    return table(found.get("messages", found))


def applied(
    instance: Instance, exports: Exports, mode: Mode, answers: Mapping[str, Any], current: Any = None
) -> Mapping[str, Any] | Reported:
    """The configuration that answers come to, or the failure that the component reports.

    Raises Trapped, Invalid (`component_invalid`).
    """
    where = _where(exports)
    if not instance.has(where, "apply-answers"):
        raise refused("It", "asks, and takes no answers")
    given = [_mode(exports, where, "apply-answers", mode)]
    before = [cbor({} if current is None else current)] if exports.takes(where, "apply-answers") == WITH_CURRENT else []
    is_good, held = halves(instance.call(where, "apply-answers", *given, *before, cbor(dict(answers))))
    said = document(held, "Its configuration") if isinstance(held, bytes | str) else held
    fields = table(said)
    if not is_good or fields.get("ok") is False:
        return failure(fields.get("error", said), COMPONENT_ERROR)
    config = fields.get("config") if "config" in fields else said
    if config is not None and config != table(config):
        raise refused("Its configuration", "is no object")
    return table(config)


def _where(exports: Exports) -> str:
    where = asks(exports)
    if where is None:
        step = "Write its `config` by hand; its component.manifest.json may say what that is."
        raise Invalid("The component asks nothing when it is set up.", code="component_asks_nothing", next_step=step)
    return where


def _mode(exports: Exports, where: str, function: str, mode: Mode) -> str:
    """The mode as the component spells it."""
    known = exports.cases(where, function)
    found = next((each for each in _SPELLINGS.get(mode, (mode,)) if each in known), None)
    if found is None:
        raise refused("It", f"has no mode {mode!r}")
    return found
