"""Characters that a reader does not see: they steer a terminal, turn the direction of a line, or only take up room."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls (tab and line feed apart), directions of text, invisible signs, halves of pairs."""
