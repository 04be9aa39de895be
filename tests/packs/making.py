"""Packs made from the public facts alone: another CBOR, another ZIP, and signatures by cryptography and blake3."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from blake3 import blake3
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
WASM = b"\0asm\x0d\0\x01\0"


class Open(dict[str, Any]):
    """A map that is written without its length."""


def cbor(value: Any) -> bytes:
    """A value as CBOR, in the order that it has."""
    match value:
        case bool() | None:
            return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list() | tuple():
            return head(4, len(value)) + b"".join(cbor(each) for each in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case Open():
            return b"\xbf" + b"".join(cbor(k) + cbor(v) for k, v in value.items()) + b"\xff"
        case dict():
            return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            raise TypeError(value)


def head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    width = next(i for i in range(4) if number < 1 << (8 << i))
    return bytes([kind << 5 | (24 + width)]) + number.to_bytes(1 << width, "big")


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP file by Python's own writer."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data, method)
    return out.getvalue()


def listed(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    return [
        {"path": path, "size": len(data), "hash_blake3": blake3(data).hexdigest(), "media_type": "application/x"}
        for path, data in files.items()
    ]


FLOW = b"id: main\ntype: messaging\nnodes:\n  hi:\n    emit.response: {text: Hello}\n"


def meta_files(flow: bytes = FLOW) -> dict[str, bytes]:
    """The files of a pack of the older model, without its bill of materials."""
    graph = b'{"id":"main"}'
    value: dict[str, Any] = {
        "meta": {
            "packVersion": 1,
            "pack_id": "shop.meta",
            "version": "1.2.3",
            "name": "Shop",
            "entry_flows": ["main"],
            "created_at_utc": "2025-01-01T00:00:00Z",
            "annotations": {},
        },
        "flows": [
            {
                "id": "main",
                "kind": "messaging",
                "entry": "hi",
                "file_yaml": "flows/main/flow.ygtc",
                "file_json": "flows/main/flow.json",
                "hash_blake3": blake3(graph).hexdigest(),
            }
        ],
        "components": [
            {
                "name": "qa.process",
                "version": "0.1.0",
                "file_wasm": "components/qa.process@0.1.0/component.wasm",
                "hash_blake3": blake3(WASM).hexdigest(),
                "schema_file": None,
                "manifest_file": None,
                "world": "greentic:component@0.4.0",
                "capabilities": None,
            }
        ],
    }
    return {
        "components/qa.process@0.1.0/component.wasm": WASM,
        "flows/main/flow.json": graph,
        "flows/main/flow.ygtc": flow,
        "manifest.cbor": b"\xd9\xd9\xf7" + cbor(value),
    }


def meta_pack(key: Ed25519PrivateKey | None = None, chain: bytes | None = None) -> bytes:
    """A pack of the older model, signed if there is a key."""
    files = meta_files()
    files["sbom.json"] = json.dumps({"format": "greentic-sbom-v1", "files": listed(files)}).encode()
    return zipped(files if key is None else signed(files, key, chain, "sbom.json"))


def v1_value(**more: Any) -> dict[str, Any]:
    """A manifest of pack-v1 with every form of routing."""
    value: dict[str, Any] = {
        "schema_version": "pack-v1",
        "pack_id": 1,
        "version": "0.1.0",
        "kind": "application",
        "publisher": "Demo",
        "symbols": {
            "component_ids": ["component.exec", "emit.response", "qa"],
            "node_ids": ["ask", "last", "no", "yes"],
            "capability_names": ["greentic.cap.mail"],
            "pack_ids": ["mail", "shop.v1"],
        },
        "components": [
            {
                "id": 2,
                "version": "1.0.0",
                "supports": ["messaging"],
                "world": "greentic:component@0.6.0",
                "profiles": {"supported": []},
                "capabilities": {
                    "wasi": {"random": False, "clocks": False},
                    "host": {"secrets": {"required": [{"key": "TOKEN"}]}, "state": {"read": True}},
                },
                "configurators": None,
                "operations": [{"name": "process", "input_schema": {"type": "object"}, "output_schema": {}}],
                "config_schema": None,
                "resources": {},
                "dev_flows": {},
            }
        ],
        "flows": [
            {
                "id": "main",
                "kind": "messaging",
                "flow": {
                    "schema_version": "flow-v1",
                    "id": "main",
                    "kind": "messaging",
                    "entrypoints": {"default": "ask"},
                    "nodes": [
                        node(0, 2, {"Branch": {"on_status": {"yes": 3}, "default": 2}}, operation="process"),
                        node(3, 1, {"Next": {"node_id": 1}}, {"text": "Yes."}),
                        node(2, 1, {"Custom": [{"condition": 'in.x == "1"', "to": "last"}, {"out": True}]}),
                        node(1, 1, "Reply", {"text": "Bye."}),
                    ],
                    "metadata": {"title": "Main", "tags": [], "extra": {}},
                },
                "tags": ["default"],
                "entrypoints": ["default"],
            }
        ],
        "dependencies": [{"alias": "mail", "pack_id": 0, "version_req": "^1", "required_capabilities": [0]}],
        "capabilities": [{"name": 0, "description": "Mail"}],
        "signatures": {"signatures": []},
        "extensions": {"greentic.pack-mode.v1": extension("greentic.pack-mode.v1", {"mode": "prod"})},
    }
    return {**value, **more}


def extension(kind: str, inline: Any) -> dict[str, Any]:
    return {"kind": kind, "version": "1", "inline": inline}


def node(id: int, component: int, routing: Any, mapping: Any = None, *, operation: str | None = None) -> dict[str, Any]:
    return {
        "id": id,
        "component": {"id": component, "pack_alias": None, "operation": operation},
        "input": {"mapping": mapping or {}},
        "output": {"mapping": {}},
        "routing": routing,
        "telemetry": {"attributes": {}},
    }


def v1_files(**more: Any) -> dict[str, bytes]:
    return {"manifest.cbor": cbor(v1_value(**more)), "components/qa.wasm": WASM}


def v1_pack(files: Mapping[str, bytes] | None = None, key: Ed25519PrivateKey | None = None) -> bytes:
    """A pack-v1, signed if there is a key."""
    held = dict(files or v1_files())
    held["sbom.cbor"] = cbor({"format": "greentic-sbom-v1", "files": listed(held)})
    return zipped(held if key is None else signed(held, key, None, "sbom.cbor"))


def signed(files: dict[str, bytes], key: Ed25519PrivateKey, chain: bytes | None, sbom: str) -> dict[str, bytes]:
    """The files with `signatures/`, made as the facts say."""
    hasher = blake3(files["manifest.cbor"] + files[sbom])
    for path in sorted(set(files) - {sbom}):
        hasher.update(path.encode() + b"\n" + blake3(files[path]).hexdigest().encode())
    digest = hasher.digest()
    said = {
        "alg": "ed25519",
        "sig": base64.urlsafe_b64encode(key.sign(digest)).decode().rstrip("="),
        "digest": digest.hex(),
        "signed_at_utc": "2026-01-01T00:00:00Z",
        "key_fingerprint": blake3(key.public_key().public_bytes_raw()).hexdigest(),
    }
    pem = chain or certificate(key)
    return {**files, "signatures/chain.pem": pem, "signatures/pack.sig": json.dumps(said).encode()}


def certificate(
    key: Ed25519PrivateKey,
    name: str = "Acme",
    *,
    issuer: tuple[Ed25519PrivateKey, str] | None = None,
    until: datetime = NOW + YEAR,
    ca: bool = False,
    path_length: int | None = None,
) -> bytes:
    """A certificate in PEM, by itself or by an issuer."""
    by, of = issuer or (key, name)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, of)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - YEAR)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .sign(by, None)
    )
    return built.public_bytes(serialization.Encoding.PEM)
