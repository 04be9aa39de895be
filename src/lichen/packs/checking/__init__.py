"""What is wrong with a pack, all of it at once, by the codes that upstream's doctor has for it.

Others take `examined` for the bytes of a pack, and `CODES`, which says what each code means.
"""
