"""``export``: readings of one device from the store to a file, whether or not a gateway runs."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.api.parquet import to_parquet
from gateway.api.table import Table, to_csv, to_ndjson, to_table
from gateway.cli.common import Commands, add_command, add_config, settings_of, time_ms
from gateway.errors import GatewayError
from gateway.roles import files
from gateway.store import StoreReader

PAGE = 100_000
DAY_MS = 86_400_000
WRITERS = {"csv": to_csv, "ndjson": to_ndjson, "parquet": to_parquet}


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(commands, "export", _export, "Write readings of one device to a file.")
    parser.add_argument("--device", required=True)
    parser.add_argument("--profile", required=True)
    parser.add_argument("--from", dest="first", metavar="TIME", help="default: 24 hours ago")
    parser.add_argument("--to", dest="last", metavar="TIME", help="default: now")
    parser.add_argument("--format", choices=sorted(WRITERS), default="csv")
    parser.add_argument("-o", "--output", type=Path, help="default: standard output")
    parser.add_argument("--lineage", action="store_true", help="also what better readings hide")
    add_config(parser)


def _export(options: argparse.Namespace) -> int:
    write = WRITERS[options.format]
    parts = [write(table) for table in _tables(options)]
    if options.format == "parquet" and len(parts) > 1:
        raise GatewayError(f"more than {PAGE} readings: a Parquet file takes a shorter time span")
    if options.format == "csv":  # one header, not one per page
        parts = parts[:1] + [part.split(b"\n", 1)[1] for part in parts[1:]]
    if options.output is None:
        sys.stdout.buffer.write(b"".join(parts))
    else:
        options.output.write_bytes(b"".join(parts))
    return 0


def _tables(options: argparse.Namespace) -> Iterator[Table]:
    now_ms = time.time_ns() // 1_000_000
    first_ms = time_ms(options.first) if options.first else now_ms - DAY_MS
    last_ms = time_ms(options.last) if options.last else now_ms
    settings = settings_of(options)
    profiles = files.load_all_profiles(settings)
    store = StoreReader(settings.gateway.data_dir, profiles)
    device, profile = store.device(options.device), profiles.get(options.profile)
    if device is None or profile is None:
        raise GatewayError(f"no device {options.device!r} with profile {options.profile!r}")
    names, after = {device.device_index: device.device}, None
    while True:
        batch, after = store.readings(
            profile.name,
            device.device_index,
            first_ms,
            last_ms,
            PAGE,
            after,
            lineage=options.lineage,
        )
        yield to_table(profile, batch, names, lineage=options.lineage)
        if after is None:
            return
