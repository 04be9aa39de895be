"""Webhooks of systems: what happened elsewhere begins a run, once for each delivery, and answers are posted back.

Others take `WebhookChannel` and `WebhookSettings`.
"""
