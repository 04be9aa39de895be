"""The SquashFS file of a bundle, read so that nothing it says of itself is trusted, and written always the same.

Others take `opened_file`, `squashed`, `LIMITS`, and `bundle_error`.
"""
