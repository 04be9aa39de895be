"""What the agent can do: typed functions. `effects` says what a repetition would do to the world."""

from typing import Annotated

from pydantic import BaseModel, Field

from lichen import tool


class Distance(BaseModel):
    """A distance in both measures."""

    km: int
    miles: float


@tool(name="units.convert", effects="none")
def convert(km: Annotated[int, Field(ge=0)]) -> Distance:
    """Converts kilometres into miles."""
    return Distance(km=km, miles=round(km * 0.621371, 2))
