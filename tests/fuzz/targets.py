"""What is given bytes of strangers, each with seeds: it takes them or refuses them with an error of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from lichen.core.words.errors import LichenError
from lichen.flows.draw.mermaid import mermaid
from lichen.flows.draw.svg import svg
from lichen.flows.read.doctor import as_json, diagnose_bytes
from lichen.flows.read.load import decoded as text_of
from lichen.flows.read.load import parse
from lichen.flows.text.expr import ExprError, holds, parse_condition
from lichen.flows.text.rendering import RenderError
from lichen.flows.text.template import TemplateError, parse_template
from lichen.flows.walk.planner import FlowPlanner
from lichen.packs.building.compiling import source_of
from lichen.packs.checking.doctor import examined
from lichen.packs.checking.structure import manifest_errors
from lichen.packs.container.archive import opened
from lichen.packs.manifests.cbor import decoded
from lichen.packs.manifests.reading import manifest_of
from tests.flows.test_template import TREE, Values
from tests.packs.making import FLOW, cbor, meta_files, meta_pack, v1_pack, v1_value


class Target(NamedTuple):
    """A parser, what it is begun with, words that mean something to it, and the bytes that are put among them: of a
    parser of texts those of texts, or hardly anything would come further than its first look."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    alphabet: bytes = bytes(range(256))


def pack(data: bytes) -> None:
    archive = opened("x.gtpack", data)
    for path in archive:
        archive.read(path)
    examined("x.gtpack", data)


def manifest(data: bytes) -> None:
    document = decoded(data, "m")
    for each in manifest_of(document, "m").flows:
        if each.compiled is not None:
            source_of(each.compiled)
    value: Any = document.value
    if isinstance(value, dict):
        list(manifest_errors(cast("dict[str, Any]", value)))


def flow(data: bytes) -> None:
    """Read, diagnosed, drawn, and made ready to be walked. A diagnosis refuses nothing: it is what tells."""
    as_json(diagnose_bytes(data, "a.ygtc"))
    found = parse(text_of(data, "a.ygtc"), "a.ygtc").flow
    mermaid(found)
    svg(found)
    FlowPlanner(found)


def expression(data: bytes) -> None:
    """Read, and asked of values of every kind."""
    text = data.decode("utf-8", "replace")
    with suppress(ExprError):
        holds(parse_condition(text), Values(TREE))
    with suppress(TemplateError, RenderError):
        parse_template(text).text(Values(TREE))


FIXTURES = Path(__file__).parents[1] / "flows" / "fixtures"
WRITTEN = tuple(each.read_bytes() for each in sorted(FIXTURES.rglob("*.ygtc")) if each.stat().st_size < 4096)
TEXT = bytes([*range(32, 127), 10])
LONG = b"""id: long
type: messaging
parameters: {a: 1}
nodes:
  ask:
    session.wait: {}
    routing: [{condition: 'in.x == "1" and not (vars.y >= 2)', to: say}, {out: true}]
  say:
    text: 'Hello {{ in.name }} {{json node.ask}}'
    retry: {attempts: 2}
"""
TARGETS: Mapping[str, Target] = {
    "pack": Target(pack, (meta_pack(), v1_pack()), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff")),
    "manifest": Target(
        manifest,
        (cbor(v1_value()), meta_files()["manifest.cbor"]),
        (b"\xbf", b"\x9f", b"\xff", b"\xd9\xd9\xf7", b"\x1b"),
    ),
    "flow": Target(
        flow,
        (FLOW, LONG, *WRITTEN),
        (b"nodes:", b"- ", b"&a ", b"*a", b"<<: ", b"{", b"[", b": ", b"!!", b"\n  ", b"flow.each"),
        TEXT,
    ),
    "expression": Target(
        expression,
        (b'in.x == "1" and not (vars.y >= 2)', b"Hello {{ in.name }} {{json node.ask}} {{#each x}}{{/each}}"),
        (b"{{", b"}}", b"(", b"not ", b" and ", b'"', b"[0]", b"..", b"contains", b"{{{"),
        TEXT,
    ),
}
REFUSALS = (LichenError,)
