"""`lichen component`: components seen and examined, each as a file, outside of any project.

`cli/tree.py` names its commands; others take nothing.
"""
