"""`lichen component`: components seen, examined and tried, each as a file, outside of any project.

`cli/tree.py` names its commands; others take nothing.
"""
