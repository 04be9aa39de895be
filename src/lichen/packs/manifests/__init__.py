"""What a pack says it holds: CBOR read within bounds, both models of manifest, extensions, and the source `pack.yaml`.

Others take `Manifest` and `read_manifest`, `decoded`, `encoded` and `canonical` for CBOR, and `read_source`.
"""
