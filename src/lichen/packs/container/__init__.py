"""The ZIP file of a pack, read so that nothing it says of itself is trusted, and written so that it is always the same.

Others take `Archive`, `opened` for the bytes and `opened_file` for a file, `packed`, and `pack_error`.
"""
