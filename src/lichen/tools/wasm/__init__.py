"""WASM components as tools: how one is run, what it may ask of us, and which of the ABIs in use it speaks.

Others take `loaded` and `ComponentHost`.
"""
