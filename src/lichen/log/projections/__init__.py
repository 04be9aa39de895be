"""Views of the log, each one value in one file: its table, its fold, how it is read, and its check.

`PROJECTIONS` of `every` is the list of them; a new view is a file here and a line there.
"""
