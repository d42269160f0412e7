"""Readings as rows of engineering values, and those as JSON, NDJSON or CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.model import NO_SEQ, IntArray, ReadingBatch
from gateway.profiles import Profile
from gateway.views.engineering import reason_lists, to_numbers, to_rfc3339

BEFORE = ("time", "device", "log", "seq")
AFTER = ("status", "quality", "reasons")
LINEAGE = ("received", "record")

# a spreadsheet takes a text that begins so for a formula (OWASP, CSV injection)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Table(NamedTuple):
    """Readings ready to be written: one list per column, all of one length."""

    names: tuple[str, ...]
    columns: list[Sequence[Any]]
    profile: Profile
    batch: ReadingBatch


def names_of(profile: Profile, *, lineage: bool) -> tuple[str, ...]:
    """Return the names of all columns, the profile's own between ours."""
    ours = {*BEFORE, *AFTER, *LINEAGE}
    # a profile may call a column "status": ours keep their meaning in every profile
    own = [f"{c.name}_value" if c.name in ours else c.name for c in profile.columns]
    return (*BEFORE, *own, *AFTER, *(LINEAGE if lineage else ()))


def to_table(
    profile: Profile, batch: ReadingBatch, devices: Mapping[int, str], *, lineage: bool
) -> Table:
    """Return readings in engineering units; ``devices`` names the device indexes."""
    columns: list[Sequence[Any]] = [
        to_rfc3339(batch.time_ms),
        [devices.get(index, "") for index in batch.device_index.tolist()],
        batch.log.tolist(),
        _sequence_numbers(batch.seq),
    ]
    for place, column in enumerate(profile.columns):
        columns.append(to_numbers(column, batch.values[:, place]))
    columns += [batch.status.tolist(), batch.quality.tolist(), reason_lists(batch.reasons)]
    if lineage:
        columns += [to_rfc3339(batch.received_ms), batch.record.tolist()]
    return Table(names_of(profile, lineage=lineage), columns, profile, batch)


def _sequence_numbers(seq: IntArray) -> list[int | None]:
    return [None if number == NO_SEQ else number for number in seq.tolist()]


def to_structs(table: Table) -> list[msgspec.Struct]:
    """Return one struct per row: a third of the time and memory of dicts."""
    fields = [f"f{place}" for place in range(len(table.names))]
    row = msgspec.defstruct(
        "Row",
        [(field, object) for field in fields],
        rename=dict(zip(fields, table.names, strict=True)),
        gc=False,  # rows hold no cycles; a hundred thousand would wake the collector
    )
    return list(map(row, *table.columns))


def to_ndjson(table: Table) -> bytes:
    """Return one JSON object per line."""
    return msgspec.json.Encoder().encode_lines(to_structs(table))


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_csv(table: Table) -> bytes:
    """Return RFC 4180 with a header; empty where there is no value, reasons split by spaces."""
    columns = list(table.columns)
    columns[table.names.index("device")] = [
        safe_cell(device) for device in table.columns[table.names.index("device")]
    ]
    columns[table.names.index("reasons")] = [
        " ".join(reasons) for reasons in table.columns[table.names.index("reasons")]
    ]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(table.names)
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode()
