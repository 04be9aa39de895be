"""What proves a pack: its bill of materials, its lock, the four ways it is signed, and who may have signed it.

Others take `read_sbom`, `proven` and `judged`, the `Ring` of an environment, and the `keys`.
"""
