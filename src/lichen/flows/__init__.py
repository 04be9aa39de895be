"""Planners that walk a graph: `.ygtc` flows, loaded, checked, drawn, and walked node by node."""
