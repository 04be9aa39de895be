"""WASM components as tools: how one is run, what it may ask of us, and which of the ABIs in use it speaks.

Others take `Program`. What adapters of ABIs implement is in port.py.
"""
