"""The control part of every record type, a file for each thing that happens.

Others take them all from `lichen.core.deciders.events`.
"""
