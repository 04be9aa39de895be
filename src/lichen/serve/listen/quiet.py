"""What the server of the ports may log: its own troubles, never what strangers do wrong and never their tokens."""

from __future__ import annotations

import logging

_STRANGERS = frozenset(
    {
        "ASGI callable returned without completing handshake.",  # a WebSocket was refused
        "Invalid HTTP request received.",
        "Invalid UTF-8 sequence received from client.",
        "Unsupported upgrade request.",
    }
)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.msg not in _STRANGERS


def quiet() -> logging.Logger:
    """The logger for connections. Below WARNING it says nothing: INFO names paths with the tokens in them."""
    logger = logging.getLogger("lichen.serve.connections")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_is_ours)
    return logger
