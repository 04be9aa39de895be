"""Who says a setting: the user's own file, the project's, or a variable; the last one that does counts.

Others take `Layers`, `toml_layer`, `user_layer`, `variable_layer`, and `says`.
"""
