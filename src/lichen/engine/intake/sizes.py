"""How much somebody may bring at once."""

from __future__ import annotations

from lichen.core.ports.plan import TEXT_BYTES_MAX
from lichen.core.words.errors import Invalid

MESSAGE_BYTES_MAX = 16 * 1024
ADDRESS_BYTES_MAX = 8 * 1024


def text_of(message: str) -> bytes:
    """A message's text as it is kept. Raises Invalid (`message_empty`, `message_too_large`)."""
    said = message.encode()
    size = len(said)
    if not message.strip():
        raise Invalid("The message is empty.", code="message_empty")
    if size > min(MESSAGE_BYTES_MAX, TEXT_BYTES_MAX):
        raise Invalid(
            f"The message has {size} bytes; {MESSAGE_BYTES_MAX} are allowed.",
            code="message_too_large",
            next_step="Send it in shorter messages.",
        )
    return said


def check_address(address: bytes) -> None:
    """Raises Invalid (`address_too_large`)."""
    if len(address) > ADDRESS_BYTES_MAX:
        raise Invalid(
            f"An address has {len(address)} bytes and may have {ADDRESS_BYTES_MAX}.",
            code="address_too_large",
            next_step="Keep what is larger with the channel, and send its key.",
        )
