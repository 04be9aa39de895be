"""The Merkle tree and its signed heads.

Others take `Frontier` and `TreeHead`, and `parse_and_verify` for a head somebody shows.
"""
