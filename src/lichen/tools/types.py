"""Types for the parameters of tools, with the bounds and units that policies count on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Money = Annotated[
    int,
    Field(ge=1, le=10**12, description="Amount in minor units (cents).", json_schema_extra={"x-lichen-unit": "minor"}),
]
"""An amount of money in minor units, 1 to 10^12: a whole number, so a policy compares it exactly."""
