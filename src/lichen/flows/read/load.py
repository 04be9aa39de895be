"""A `.ygtc` flow from its file: read, checked, lowered, and looked through for what its author may not have meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lichen.core.words.errors import NotFound
from lichen.flows.ir import Flow, Place
from lichen.flows.read.legacy import check_form, modernised
from lichen.flows.read.lint import examine
from lichen.flows.read.lower import lowered
from lichen.flows.syntax import schema
from lichen.flows.syntax.document import BYTES_MAX, Document, read
from lichen.flows.syntax.findings import Finding, Report
from lichen.flows.syntax.shape import check_shapes
from lichen.flows.text.reach import fields_of


class Loaded(msgspec.Struct, frozen=True):
    """A flow that can be walked, what its author should know, and the document it was written as."""

    flow: Flow
    warnings: tuple[Finding, ...] = ()
    document: Any = None


def load(path: Path) -> Flow:
    """The flow of a file. Raises FlowInvalid, which carries every finding, and NotFound `flow_missing`."""
    return parse_file(path).flow


def parse_file(path: Path) -> Loaded:
    """The flow of a file with its warnings. Raises what `load` raises."""
    return parse(text_of(path), str(path))


def sound(document: Document, report: Report) -> Document:
    """The document without the nodes and keys of the top that something is wrong with."""
    errors = (finding for finding in report.found if finding.severity == "error")
    wrong = {tuple(map(_plain, finding.pointer.split("/")[1:3])) for finding in errors}
    if not wrong:
        return document
    nodes = {id: node for id, node in fields_of(document.value.get("nodes")).items() if ("nodes", id) not in wrong}
    tops = {steps[0] for steps in wrong if steps and steps[0] != "nodes"}
    value = {key: found for key, found in document.value.items() if key not in tops}
    return msgspec.structs.replace(document, value={**value, "nodes": nodes})


def _plain(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def text_of(path: Path) -> str:
    """The text of a flow's file. Raises FlowInvalid `yaml_encoding` and NotFound `flow_missing`."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        message = f"The flow {path} cannot be read: {error.strerror}."
        raise NotFound(message, code="flow_missing", next_step="Name a .ygtc file.") from None
    return decoded(data, str(path))


def decoded(data: bytes, path: str) -> str:
    """The text of these bytes; `path` is what findings call it. Raises FlowInvalid `yaml_encoding`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = Place(data[: error.start].count(b"\n") + 1, 1, "")
        message = f"The file is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}."
        step = "Save it as UTF-8."
        raise Report(path).refuse("Yaml", "yaml_encoding", message, at=at, next_step=step) from None


def parse(text: str, path: str) -> Loaded:
    """The flow of a text; `path` is what findings call it.

    Raises FlowInvalid with everything that is wrong: what one check found wrong is left out of the next.
    """
    report = Report(path)
    source = read(text, report)
    check_form(source, report)
    document = modernised(source, report)
    check_shapes(document, report)
    schema.check(document, report)
    flow = lowered(source, sound(document, report), report)
    report.halt()
    assert flow is not None  # lowering gives up only over errors, and there are none
    examine(flow, document, report)
    return Loaded(flow, report.warnings, source.value)
