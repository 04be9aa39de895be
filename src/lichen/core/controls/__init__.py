"""The control part of every record type, a file for each thing that happens.

Others take `Control` and all of its kinds through `lichen.core.deciders.events`, which knows whose stream each is for.
"""
