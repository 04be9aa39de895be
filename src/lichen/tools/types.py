"""Types for the parameters and facts of tools, with the bounds and units that policies and people count on."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, GetJsonSchemaHandler

ATTRIBUTE_CHARS_MAX: Final = 64  # of its name
_MINOR: dict[str, Any] = {"x-lichen-unit": "minor"}

Money = Annotated[int, Field(ge=1, le=10**12, description="Amount in minor units (cents).", json_schema_extra=_MINOR)]
"""An amount of money in minor units, 1 to 10^12: a whole number, so a policy compares it exactly."""

Balance = Annotated[
    int, Field(ge=-(10**15), le=10**15, description="Sum in minor units (cents).", json_schema_extra=_MINOR)
]
"""A sum of money in minor units that may be nothing or less, as records and facts hold it."""


class Currency:
    """Says of an amount which currency it is in, as in `Annotated[Money, Currency("EUR")]`: people are shown it."""

    def __init__(self, code: str) -> None:
        if not (len(code) == 3 and code.isascii() and code.isupper()):
            raise ValueError("a currency is named by its three letters of ISO 4217, such as EUR")
        self.code = code

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core_schema), "x-lichen-currency": self.code}


class Attribute:
    """Says of a keyword-only parameter which attribute of the run it gets, as in `Annotated[str, Attribute("region")]`.

    No model sees it. A run without it is not started, unless the parameter takes `str | None`.
    """

    def __init__(self, name: str) -> None:
        if not (name and len(name) <= ATTRIBUTE_CHARS_MAX and name.isprintable()):
            raise ValueError(f"an attribute has a name of at most {ATTRIBUTE_CHARS_MAX} characters")
        self.name = name
