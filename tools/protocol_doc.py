"""Fill the generated parts of docs/protocol.md: profile tables and test vectors of blocks.

Run it after changing a profile or the block layout: ``python tools/protocol_doc.py``.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "firmware")]

from fieldnode.core import block  # noqa: E402
from gateway.profiles import Column, Profile, load_profiles  # noqa: E402
from tools.generated import with_parts  # noqa: E402

DOCUMENT = ROOT / "docs" / "protocol.md"

Row = tuple[int, tuple[int | None, ...], int]

# title, schema, clock, base, rows
VECTORS: list[tuple[str, int, int, int, list[Row]]] = [
    (
        "One row of `em1`, clock set by SNTP",
        1,
        block.CLOCK_SNTP,
        1_795_300_200_000,
        [(0, (1_234_567, 0, 812, 2304, 371, 982), 0)],
    ),
    (
        "Four rows at an even spacing: from the second change of spacing on, a row's head is 0",
        1,
        block.CLOCK_RTC,
        1_795_300_200_000,
        [
            (0, (1_234_567, 0, 812, 2304, 371, 982), 0),
            (1_800_000, (1_234_967, 0, 798, 2301, 366, 981), 0),
            (3_600_000, (1_235_380, 0, 826, 2307, 374, 982), 0),
            (5_400_000, (1_235_380, 12, -24, 2322, -11, -999), 0),
        ],
    ),
    (
        "Nulls and status: after a null, the next difference is from the last value there was",
        1,
        block.CLOCK_RTC,
        1_795_300_200_000,
        [
            (0, (1_234_567, None, 812, 2304, None, None), 0),
            (1000, (None, None, None, None, None, None), 0x80),
            (2000, (1_234_570, 0, 815, 2300, 370, 980), 0x80),
            (3000, (1_234_571, 0, 816, 2300, 370, 980), 0),
        ],
    ),
    (
        "A node without clock: the base is uptime, the gateway stamps the last row when it comes",
        5,
        block.CLOCK_NONE,
        63_250,
        [
            (0, (4, 100_004, 87, 412, 495, 3, 1, 0, 0, 0), 0x02),
            (30_000, (7, 100_011, 131, 388, 470, 4, 2, 0, 1, 0), 0x02),
        ],
    ),
    (
        "The widest integers, and time going backwards",
        1,
        block.CLOCK_SNTP,
        2**53 - 5000,
        [
            (5000, (2**53, -(2**53), 0, 0, 0, 0), 255),
            (-5000, (-(2**53), 2**53, 1, -1, 64, -64), 255),
        ],
    ),
]


def encode(schema: int, clock: int, base_ms: int, rows: list[Row]) -> bytes:
    """Return the block of a vector."""
    writer = block.BlockWriter(schema, len(rows[0][1]))
    writer.open(7, 17, 48_213, clock, base_ms)
    for row in rows:
        assert writer.add(*row)  # noqa: S101
    return bytes(writer.close())


def _vectors() -> str:
    parts = []
    for number, (title, schema, clock, base_ms, rows) in enumerate(VECTORS, 1):
        profile = load_profiles().by_number[schema].name
        meaning = {
            "p": profile,
            "log": 7,
            "b": 17,
            "n": 48_213,
            "t": base_ms if clock else 0,
            "r": [[dt, *values, status] for dt, values, status in rows],
        }
        dump = encode(schema, clock, base_ms, rows).hex()
        lines = "\n".join(dump[at : at + 64] for at in range(0, len(dump), 64))
        said = json.dumps(meaning, separators=(",", ":"))
        parts.append(
            f"**Vector {number}.** {title}.\n\n```json\n{said}\n```\n```hex\n{lines}\n```\n"
        )
    return "\n".join(parts)


def _profiles() -> str:
    profiles = sorted(load_profiles().values(), key=lambda profile: profile.number)
    return "\n".join(_profile(profile) for profile in profiles)


def _profile(profile: Profile) -> str:
    every = f"every {profile.interval_s} s" if profile.interval_s else "when something happens"
    head = (
        f"**{profile.number} `{profile.name}`** {profile.title}: sector {profile.sector}, {every}"
    )
    table = [
        "| # | column | unit | scale | kind | min | max | OBIS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    table += [_row(place, column) for place, column in enumerate(profile.columns, 1)]
    return f"{head}.\n\n" + "\n".join(table) + "\n"


def _row(place: int, column: Column) -> str:
    codes = "".join(f"; {code} {meaning}" for code, meaning in column.codes.items())
    cells = (
        str(place),
        f"`{column.name}` {column.title}{codes}",
        column.unit,
        f"{column.scale:g}",
        str(column.kind),
        f"{column.minimum:.15g}",
        f"{column.maximum:.15g}",
        column.obis or "",
    )
    return "| " + " | ".join(cells) + " |"


def render(text: str) -> str:
    """Return the document with its generated parts made anew."""
    return with_parts(text, {"vectors": _vectors(), "profiles": _profiles()})


if __name__ == "__main__":
    DOCUMENT.write_text(render(DOCUMENT.read_text("utf-8")), "utf-8")
