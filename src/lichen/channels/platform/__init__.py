"""What channels of all platforms share: proofs by HMAC, and APIs asked so that it is known what became of a message.

Others take `check_same`, `check_recent` and `hmac_hex`.
"""
