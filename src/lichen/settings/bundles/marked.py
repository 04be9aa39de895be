"""A small YAML text as plain values, with the line and column of each: bounded, without tags, aliases or keys twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from lichen.core.reading.misfits import Steps
from lichen.core.words.errors import Invalid

BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 32
VALUES_MAX: Final = 50_000
_STEP: Final = "Correct it at the place named; `lichen bundle doctor` reads it again."


class Marked(NamedTuple):
    """The values of a text, and where each stands, by its path; `name` is the file as errors call it."""

    name: str
    value: Any
    marks: Mapping[Steps, tuple[int, int]]

    def place(self, *steps: str | int) -> str:
        """`file:line:column#/pointer` of something, with the line of the closest thing around it that is there."""
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
        for length in range(len(steps), -1, -1):
            found = self.marks.get(tuple(steps[:length]))
            if found is not None:
                return f"{self.name}:{found[0]}:{found[1]}{f'#{pointer}' if pointer else ''}"
        return f"{self.name}#{pointer}" if pointer else self.name


def read_marked(name: str, data: bytes) -> Marked:
    """The one document of a text. Raises Invalid (`bundle_yaml`) with its place."""
    import yaml

    if len(data) > BYTES_MAX:
        raise _refused(name, f"The file has more than {BYTES_MAX} bytes.")
    made = cast("Any", yaml)  # its functions have no types
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8")
        for event in made.parse(text, Loader=loader):
            _check_event(name, event)
        node = made.compose(text, Loader=loader)
    except UnicodeDecodeError:
        raise _refused(name, "The file is no UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        raise _refused(at, f"This is not YAML: {error.problem or 'it ends too early'}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _refused(name, "This is not YAML.") from None
    marks: dict[Steps, tuple[int, int]] = {}
    value = None if node is None else _Values(name, loader(""), marks).value(node, ())
    return Marked(name, value, marks)


def _check_event(name: str, event: Any) -> None:
    """Refuses aliases, by which a short text is a long one, and tags."""
    import yaml

    at = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
    if isinstance(event, yaml.AliasEvent):
        raise _refused(at, "An alias is not read here: write what it stands for.")
    if getattr(event, "tag", None) not in (None, "!"):
        raise _refused(at, "A tag is not read here: values are plain.")


class _Values:
    """Makes values of nodes, and notes where they stand."""

    def __init__(self, name: str, scalars: Any, marks: dict[Steps, tuple[int, int]]) -> None:
        self._name, self._scalars, self._marks = name, scalars, marks

    def value(self, node: Any, steps: Steps) -> Any:
        mark = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._marks.setdefault(steps, mark)
        if len(self._marks) > VALUES_MAX or len(steps) > DEPTH_MAX:
            message = f"There are more than {VALUES_MAX} values, or they lie deeper than {DEPTH_MAX}."
            raise _refused(f"{self._name}:{mark[0]}:{mark[1]}", message)
        if node.id == "sequence":
            return [self.value(each, (*steps, i)) for i, each in enumerate(node.value)]
        if node.id == "mapping":
            return self._mapping(node, steps)
        return self._scalar(node)

    def _mapping(self, node: Any, steps: Steps) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            at = f"{self._name}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
            if key.id != "scalar":
                raise _refused(at, "A key is a plain text here.")
            if key.value in found:
                raise _refused(at, f"The key {key.value!r} stands here twice.")
            self._marks[(*steps, key.value)] = (key.start_mark.line + 1, key.start_mark.column + 1)
            found[key.value] = self.value(value, (*steps, key.value))
        return found

    def _scalar(self, node: Any) -> Any:
        kind = node.tag.rpartition(":")[2]
        if kind not in ("bool", "int", "float", "null"):
            return node.value
        if kind == "bool" and node.value.lower() not in ("true", "false"):
            return node.value  # yes and no are texts in the YAML of today
        try:
            return self._scalars.construct_object(node)
        except (ValueError, OverflowError):
            return node.value


def _refused(place: str, message: str) -> Invalid:
    return Invalid(message, code="bundle_yaml", place=place, next_step=_STEP)
