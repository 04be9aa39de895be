"""Which arguments are endorsed, and by whom.

Others take `endorse`, and `evidence_from_text` and `evidence_from_json` for what vouches.
"""
