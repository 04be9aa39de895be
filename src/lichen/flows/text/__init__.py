"""Templates, expressions and paths in texts.

Others take the parsers (`parse_template`, `parse_condition`, `parse_pointer`) and what they give.
"""
