"""What is given bytes of strangers, each with seeds: it takes them or refuses them with an error of ours."""

from __future__ import annotations

import base64
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
from lichen.packs.bundles.checking import examined as examined_bundle
from lichen.packs.checking.doctor import examined
from lichen.packs.checking.structure import manifest_errors
from lichen.packs.container.archive import opened
from lichen.packs.manifests.cbor import decoded
from lichen.packs.manifests.reading import manifest_of
from lichen.packs.squash.image import opened as opened_bundle
from lichen.packs.squash.writing import squashed
from lichen.settings.bundles import words
from lichen.settings.bundles.reading import read_words
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


def bundle(data: bytes) -> None:
    """Opened, every file read, and all that is wrong with it found."""
    image = opened_bundle("x.gtbundle", data)
    for path in image:
        image.read(path)
    examined_bundle(image)


def bundle_file(data: bytes) -> None:
    """The documents of a bundle's folder: what is wrong with them is told and not raised."""
    for kind in (words.Bundle, words.Demo, words.Operator):
        read_words("x.yaml", data, kind)


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
ROOT = b"""bundle_id: shop
bundle_name: The shop
locale: de-AT
app_packs: [packs/x.gtpack, 'oci://r/y:1']
app_pack_mappings:
  - {reference: packs/x.gtpack, scope: tenant, tenant: acme}
providers: {messaging-webchat: {pack: a.gtpack}}
telemetry: {enabled: true, sampling: 0.5}
"""
STARTS = b"""tenant: acme
services: {nats: {enabled: false}, gateway: {port: 8080}, events: {enabled: auto}}
webchat: {notifier: {backend: redis, capacity: 64}}
"""
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
PACKED = base64.b64decode(
    "aHNxcwcAAAAAAAAAABAAAAEAAAABAAwAQAIBAAQAAADAAAAAAAAAAIMBAAAAAAAAewEAAAAAAAD//////////6QAAAAAAAAA+AAAAAAAAABtAQ"
    "AAAAAAAP//////////eNpLKs1LyUmNz0yxUijOyC/gSoLw8xJzU60UQjJSIaI5mXmpCvlpCiWpFSUKo5xRzoBxuOIVbBUKSpNyMpO5AAoa+LFS"
    "AHjaY2JYwsgABXAGFKgBMROSPDOaXDcTSM9buDwTEi0DxOxo+tmQ9G8EKuJmQNXPiqRfiUGSgQVNngXJHdIMFmDzkeXZkdTZMQQwcABpAMAuCM"
    "JjAHjaY2CAAGYgVgBiJgYWhgq9kooSqDgDGxAngCW4GEpS8xLzSvTScxMLYNKsQNwAxIxAExKTc1OZoOKMUBqkLak0LyUnVa8yMTfHASjBCLSi"
    "IDE5u3gBUA8j0AKIscUAFCgThw4AeNpLYIAAFygNAAgwAKVdAQAAAAAAAASAAAAAAHUBAAAAAAAA"
)
"""A bundle as mksquashfs packs it: three files in one fragment, all by gzip."""
TARGETS: Mapping[str, Target] = {
    "pack": Target(pack, (meta_pack(), v1_pack()), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff")),
    "bundle": Target(
        bundle,
        (PACKED, squashed("x", {"bundle.yaml": ROOT, "packs/x.gtpack": v1_pack(), "a/b/c": b"1"})),
        (b"hsqs", b"\xff\xff\xff\xff", b"\x00\x80", b"\x01\x00", b"../", b"\x00\x00\x00\x01"),
    ),
    "bundle-file": Target(
        bundle_file,
        (ROOT, STARTS),
        (b"- ", b"&a ", b"*a", b"<<: ", b"{", b"[", b": ", b"!!int ", b"\n  ", b"0x", b".inf", b"2001-01-01", b"? "),
        TEXT,
    ),
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
