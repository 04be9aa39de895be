"""WASM components: what a project says of each in `[[component]]`.

Others take `ComponentTable` and `alike`.
"""
