"""Packs that a project names: proven, trusted in each environment, taken apart into what it brings.

Others take `open_pack` for one of them, `Opened`, `Brought` and `with_components`, `agents_of` and `policies_of`,
`packs_named` for what entries name, and `came` for what lies in a registry.
"""
