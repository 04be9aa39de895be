"""What guests say and are told in JSON and CBOR: trees of it, descriptions, answers, and for whom they are asked.

Others take `tree`, `described` and `answered`.
"""
