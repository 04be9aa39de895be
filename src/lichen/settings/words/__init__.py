"""What a project says to customers in its own words: `i18n/<language>.json` beside `lichen.toml`.

Others take `keyed_in`.
"""
