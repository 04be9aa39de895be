"""What a tool gives beside its result, for people's eyes: declared kinds, each with its type and its audience."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from lichen.core.ports.call import RESULT_BYTES_MAX, ArtifactSpec, Audience, Produced
from lichen.core.ports.call import Artifact as Given
from lichen.tools.arguments.codec import ResultCodec, ResultRefused
from lichen.tools.spec import tool_invalid

T = TypeVar("T")
KINDS_MAX: Final = 16


class WithArtifacts(Generic[T]):
    """The result of a tool, and beside it things of the kinds that it declares, by name: no model reads them."""

    def __init__(self, result: T, **artifacts: Any) -> None:
        self.result = result
        self.artifacts = artifacts


@dataclass(frozen=True, slots=True)
class Artifact:
    """A kind of thing that a tool gives beside its result: its type, for whom it is, and what it is."""

    type: Any
    audience: Audience = "timeline"
    description: str = ""


class ArtifactCodecs:
    """Encodes what a tool gives beside its result. Raises Invalid (`tool_invalid`) for kinds that cannot be meant."""

    def __init__(self, kinds: Mapping[str, Any], returns: Any, place: str) -> None:
        self.result_type, has_artifacts = _result_type(returns)
        if bool(kinds) != has_artifacts:
            message = "A tool with artifacts returns them with its result, and no other does."
            step = "Declare artifacts={...}, and annotate -> WithArtifacts[Type]."
            raise tool_invalid(message, place=place, next_step=step)
        if len(kinds) > KINDS_MAX or not all(name.isidentifier() for name in kinds):
            message, step = "The kinds of artifacts are too many, or not named by words.", f"{KINDS_MAX} at most."
            raise tool_invalid(message, place=place, next_step=step)
        self._place = place
        declared = {name: kind if isinstance(kind, Artifact) else Artifact(kind) for name, kind in kinds.items()}
        self._codecs = {name: ResultCodec(kind.type, place, noun="artifact") for name, kind in declared.items()}
        self.specs = {
            name: ArtifactSpec(self._codecs[name].schema, kind.audience, kind.description)
            for name, kind in declared.items()
        }

    def encode(self, value: Any, result: ResultCodec) -> bytes | Produced:
        """What was returned; of a tool without artifacts the result alone. Raises ResultRefused."""
        if not self._codecs:
            return result.encode(value)
        if not isinstance(value, WithArtifacts):
            raise self._refused("The tool returned no WithArtifacts, as it declares.")
        return Produced(result.encode(value.result), self._artifacts(value.artifacts))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    def _artifacts(self, given: Mapping[str, Any]) -> bytes:
        unknown = next((name for name in given if name not in self._codecs), None)
        if unknown is not None:
            raise self._refused("The tool gave an artifact of a kind that it does not declare.")
        made = [
            Given(name, self.specs[name].audience, msgspec.Raw(self._codecs[name].encode(value)))
            for name, value in given.items()
        ]
        data = msgspec.json.encode(made) if made else b""
        if len(data) > RESULT_BYTES_MAX:
            step = "Return less, or a reference to the rest."
            message = f"Artifacts of {len(data)} bytes are more than the {RESULT_BYTES_MAX} that fit."
            raise ResultRefused(message, code="result_too_large", next_step=step, place=self._place)
        return data

    def _refused(self, message: str) -> ResultRefused:
        return ResultRefused(message, place=self._place)


def _result_type(returns: Any) -> tuple[Any, bool]:
    if typing.get_origin(returns) is WithArtifacts:
        return typing.get_args(returns)[0], True
    return returns, False
