"""What the native formats share: bounds, and the shape of a message of rows.

Each profile gets a type of its own, so that widths, nulls and ranges are checked in C while the
payload is parsed, and the error names the row: "… - at `$.r[3][2]`".
"""

from types import GenericAlias
from typing import Annotated, Literal, Never, cast

import msgspec

from gateway.errors import RejectedError
from gateway.model import NO_SEQ, QuarantineReason
from gateway.profiles import Profile

MAX_PAYLOAD_BYTES = 1 << 20  # a day of one-second rows; a bigger one is an attack or a mistake
MAX_ROWS = 4096  # one message; bounds what a single journal record can cost the pipeline
MAX_INT = 2**53  # every integer up to here is exact in float64

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
_U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
_Value = Annotated[int, msgspec.Meta(ge=-MAX_INT, le=MAX_INT)]
_Status = Annotated[int, msgspec.Meta(ge=0, le=255)]


class RowsMessage(msgspec.Struct, kw_only=True, gc=False):
    """A message of rows; defaults lie outside the ranges, so that absent keys can be told."""

    p: str
    t: _Count
    r: list[tuple[int | None, ...]]
    log: _U32 = -1
    b: _U32 = -1
    n: _Count = NO_SEQ
    i: _Count = -1


def rows_type(profile: Profile) -> type[RowsMessage]:
    """Return the type that only messages of this profile are."""
    row = (_Value, *[_Value | None for _ in profile.columns], _Status | None)
    fields = [("p", Literal[profile.name]), ("r", GenericAlias(list, GenericAlias(tuple, row)))]
    made = msgspec.defstruct(
        f"Rows_{profile.name}", fields, bases=(RowsMessage,), kw_only=True, gc=False
    )
    return cast("type[RowsMessage]", made)


def reject(reason: QuarantineReason, detail: str) -> Never:
    """Raise the error that sends a message to quarantine; the detail is kept short."""
    raise RejectedError(reason, detail[:500])
