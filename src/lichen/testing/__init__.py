"""Scripted model, simulated time, fault plans, and conformance suites that adapters subclass."""
