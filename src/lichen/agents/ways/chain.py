"""Several models, the first that can answer does: the fallback chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from lichen.agents.models.model import resolve
from lichen.agents.ways.shown import Shown
from lichen.core.ports.model import (
    HELD,
    KINDS,
    Deltas,
    Model,
    ModelError,
    ModelHandle,
    ModelReply,
    ModelRequest,
    unasked,
)
from lichen.core.words.errors import Denied, Invalid
from lichen.tools.spec import written_at

MODELS_MAX: Final = 8
RESERVE_S: Final = 15.0  # of the time is kept for each model that is yet to be asked, but never more than half of it


class Chain:
    """`Chain("openai:gpt-5", "anthropic:claude-sonnet-4-5")`: a model that is several.

    Each is asked through the gate under its own name and billed apart. One that policy forbids, or that fails in a way
    in which another one may not, is followed by the next at once: nothing is waited for longer than two seconds. When
    all have failed, the first of those that may come back is waited for, in what is left of `request.time_s`. Raises
    Invalid (`planner_invalid`, and what `resolve` raises).
    """

    def __init__(self, *models: Model | str) -> None:
        if not 1 <= len(models) <= MODELS_MAX:
            raise Invalid(f"A chain has 1 to {MODELS_MAX} models.", code="planner_invalid")
        self._models = tuple(map(_model, models))

    @property
    def name(self) -> str:
        """The names of all of them, in order."""
        return " > ".join(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all of them, in order."""
        return tuple(model.name for model in self._models)

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """Raises ModelError (`model_unasked`): policy has to be asked about each of them."""
        raise unasked(self.name)

    async def ask(self, handle: ModelHandle, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The reply of the first that gives one. Raises what says most about why there is none: a ModelError that
        another attempt may mend, any other, Denied."""
        if len(self._models) == 1:
            return await handle(self._models[0], request, deltas)
        ends_s, shown = asyncio.get_running_loop().time() + request.time_s, Shown(deltas)
        failures = list[tuple[Model, ModelError | Denied]]()
        for number, model in enumerate(self._models):
            shown.again()
            asked = _asked(request, ends_s, others=len(self._models) - number - 1)
            try:
                return await handle(model, asked, shown.deltas)
            except (ModelError, Denied) as error:
                if not goes_elsewhere(error):
                    raise
                failures.append((model, error))
        model, error = _most_hopeful(failures)
        left_s = ends_s - asyncio.get_running_loop().time()
        if not request.is_patient or isinstance(error, Denied) or not error.retryable or left_s <= 0:
            raise error
        shown.again()
        return await handle(model, msgspec.structs.replace(request, time_s=left_s), shown.deltas)


def several(models: Model | str | Sequence[Model | str]) -> Model:
    """The model that these are: one, or a chain of them."""
    return Chain(*models) if isinstance(models, Sequence) and not isinstance(models, str) else _model(models)


def _model(model: object) -> Model:
    """A model, or the one of a name. Raises Invalid (`planner_invalid`, `model_unknown`)."""
    if isinstance(model, str):
        return resolve(model)
    if isinstance(model, type) or not callable(getattr(model, "generate", None)) or not hasattr(model, "name"):
        what = model.__name__ if isinstance(model, type) else type(model).__name__
        step = 'Name one, as in LLMPlanner("openai:gpt-5"), or hand over a Model.'
        raise Invalid(f"{what} is no model.", code="planner_invalid", next_step=step, place=written_at())
    return cast("Model", model)


def goes_elsewhere(error: ModelError | Denied) -> bool:
    """Whether another model may answer what this one did not."""
    if isinstance(error, Denied):
        return True
    return error.code != HELD and (error.code not in KINDS or KINDS[error.code].elsewhere)


def _asked(request: ModelRequest, ends_s: float, *, others: int) -> ModelRequest:
    """The request as one of the models gets it: with the time that is left, less some for those after it, and without
    patience."""
    left_s = max(0.0, ends_s - asyncio.get_running_loop().time())
    time_s = left_s - min(RESERVE_S * others, left_s / 2)
    return msgspec.structs.replace(request, time_s=time_s, is_patient=False)


def _most_hopeful(failures: Sequence[tuple[Model, ModelError | Denied]]) -> tuple[Model, ModelError | Denied]:
    def hope(failure: tuple[Model, ModelError | Denied]) -> int:
        error = failure[1]
        return 2 if isinstance(error, Denied) else 0 if error.retryable else 1

    return min(failures, key=hope)
