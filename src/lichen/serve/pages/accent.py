"""A tenant's colour as a style: fills in it, and text on it that can be read."""

from __future__ import annotations

LIGHT, DARK = "#ffffff", "#000000"


def stylesheet(accent: str) -> str:
    """The style that sets a tenant's accent (`#rrggbb`), with the ink that reads better on it."""
    return f":root {{ --accent: {accent.lower()}; --on-accent: {ink_on(accent)}; }}\n"


def ink_on(colour: str) -> str:
    """White or black, whichever stands out more: the better of the two has a contrast of at least 4.58."""
    return LIGHT if contrast(colour, LIGHT) >= contrast(colour, DARK) else DARK


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (`#rrggbb`), 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
