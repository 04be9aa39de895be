"""How values lie in memory where the C API of wasmtime takes and gives them: sizes, offsets, the number of each kind.

Source: wasmtime/component/val.h of the C API.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# the structures of the C API are ctypes, which says nothing of their fields

from __future__ import annotations

import struct
from ctypes import addressof, c_char, sizeof
from typing import Any, Final

from wasmtime import _ffi as ffi
from wasmtime.component import Bool, Char, ValType
from wasmtime.component._types import F32, F64, S8, S16, S32, S64, U8, U16, U32, U64


def _offset(structure: Any) -> int:
    return structure.val.offset


VALUE: Final = sizeof(ffi.wasmtime_component_val_t)
BODY: Final = ffi.wasmtime_component_val_t.of.offset
ENTRY: Final = sizeof(ffi.wasmtime_component_valrecord_entry_t)
ENTRY_VALUE: Final = ffi.wasmtime_component_valrecord_entry_t.val.offset
VARIANT_VALUE: Final[int] = BODY + _offset(ffi.wasmtime_component_valvariant_t)
RESULT_VALUE: Final[int] = BODY + _offset(ffi.wasmtime_component_valresult_t)
NAME: Final = sizeof(ffi.wasm_name_t)

STRING: Final = ffi.WASMTIME_COMPONENT_STRING.value
LIST: Final = ffi.WASMTIME_COMPONENT_LIST.value
RECORD: Final = ffi.WASMTIME_COMPONENT_RECORD.value
TUPLE: Final = ffi.WASMTIME_COMPONENT_TUPLE.value
VARIANT: Final = ffi.WASMTIME_COMPONENT_VARIANT.value
ENUM: Final = ffi.WASMTIME_COMPONENT_ENUM.value
OPTION: Final = ffi.WASMTIME_COMPONENT_OPTION.value
RESULT: Final = ffi.WASMTIME_COMPONENT_RESULT.value
FLAGS: Final = ffi.WASMTIME_COMPONENT_FLAGS.value
BYTE: Final = ffi.WASMTIME_COMPONENT_U8.value

WORD: Final = struct.Struct("<Q")
SPAN: Final = struct.Struct("<QQ")  # a length, and an address

NUMBERS: Final[dict[type[ValType], tuple[int, struct.Struct]]] = {
    Bool: (ffi.WASMTIME_COMPONENT_BOOL.value, struct.Struct("<?")),
    S8: (ffi.WASMTIME_COMPONENT_S8.value, struct.Struct("<b")),
    U8: (BYTE, struct.Struct("<B")),
    S16: (ffi.WASMTIME_COMPONENT_S16.value, struct.Struct("<h")),
    U16: (ffi.WASMTIME_COMPONENT_U16.value, struct.Struct("<H")),
    S32: (ffi.WASMTIME_COMPONENT_S32.value, struct.Struct("<i")),
    U32: (ffi.WASMTIME_COMPONENT_U32.value, struct.Struct("<I")),
    S64: (ffi.WASMTIME_COMPONENT_S64.value, struct.Struct("<q")),
    U64: (ffi.WASMTIME_COMPONENT_U64.value, struct.Struct("<Q")),
    F32: (ffi.WASMTIME_COMPONENT_F32.value, struct.Struct("<f")),
    F64: (ffi.WASMTIME_COMPONENT_F64.value, struct.Struct("<d")),
    Char: (ffi.WASMTIME_COMPONENT_CHAR.value, struct.Struct("<I")),
}
"""The number of each kind of number, and how it lies."""


class Unfit(Exception):
    """A value does not fit its type, or is too large. The message says no more than that."""


class Unsupported(Exception):
    """Values of a type are not read and written here: handles, streams and futures."""


def address(buffer: bytearray) -> int:
    """Where a buffer lies, as long as somebody holds it and it keeps its size."""
    return addressof(c_char.from_buffer(buffer))
