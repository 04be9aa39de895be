"""Messages of several sessions that came together: each is taken as if alone, and all wait for the disk once."""

from __future__ import annotations

from collections.abc import Sequence

from lichen.engine.intake.messages import Coming, Receipt, receive


async def say_together(messages: Sequence[Coming | Exception]) -> list[Receipt | Exception]:
    """Takes messages of one scope, in their order; returns once all are durable, for each what `say` returns or raises.

    An error stands for a message that is not taken.
    """
    found = [await _taken(message) for message in messages]
    journal = next((message.request.journal for message in messages if isinstance(message, Coming)), None)
    sessions = [each.session for each in found if isinstance(each, Receipt)]
    if journal is None or not sessions:
        return found
    try:
        await journal.durable_sessions(sessions)
    except Exception as error:  # noqa: BLE001 - each of the messages has it
        return [error if isinstance(each, Receipt) else each for each in found]
    return found


async def _taken(message: Coming | Exception) -> Receipt | Exception:
    if isinstance(message, Exception):
        return message
    try:
        await message.request.admitted()
        return receive(message)
    except Exception as error:  # noqa: BLE001 - it is this message's: the others are taken
        return error
