"""The reference pages, written from the code: what a page says is what the program does.

`python -m docs.reference FOLDER` copies `docs/pages` there and puts the generated parts in their places.
"""
