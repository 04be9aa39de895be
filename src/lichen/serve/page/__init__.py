"""What every page is made of.

Others take `html`, and `static_routes` for what pages link to.
"""
