"""`lichen bundle`: bundles made, looked at, built and unpacked.

Others take nothing: the table of commands names what is here.
"""
