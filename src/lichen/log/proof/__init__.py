"""The Merkle tree and its signed heads."""
