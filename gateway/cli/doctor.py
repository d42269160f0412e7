"""``doctor``: look for what loses data later – the broker's queue, the disk, the clock, TLS."""

import argparse
import ctypes
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from gateway.cli.brokerprobe import probe
from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.config import BrokerSource, Settings, SourceSection

FSYNC_TRIES = 50
SLOW_FSYNC_S = 0.05  # group commit still gives 20 commits a second; slower cards hurt receipts
LOW_DISK_BYTES = 2 << 30
CERT_DAYS = 30
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Finding(NamedTuple):
    """One thing looked at."""

    level: str  # ok | warn | fail
    what: str
    text: str


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = add_command(
        commands, "doctor", _doctor, "Check brokers, disk, clock and certificates before they hurt."
    )
    add_config(parser)
    add_json(parser)


def _doctor(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    findings = list(_findings(settings))
    if options.json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.level:<4}  {finding.what:<22} {finding.text}")
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    yield from _disk(settings.gateway.data_dir)
    yield _clock()
    for section in settings.source:
        if isinstance(section, BrokerSource):
            yield from (Finding(*finding) for finding in probe(section))
        yield from _certificates(section)


def _disk(folder: Path) -> Iterator[Finding]:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    level = "ok" if free > LOW_DISK_BYTES else "warn"
    yield Finding(level, "disk", f"{free / 1e9:.1f} GB free in {folder}")
    times_s = sorted(_fsync_times_s(folder))
    p50_s, p99_s = times_s[len(times_s) // 2], times_s[-1]
    level = "ok" if p99_s < SLOW_FSYNC_S else "warn"
    yield Finding(level, "fsync", f"p50 {p50_s * 1e3:.2f} ms, slowest {p99_s * 1e3:.2f} ms")


def _fsync_times_s(folder: Path) -> Iterator[float]:
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNC_TRIES):
            file.write(b"\0" * 4096)
            file.flush()
            began_s = time.perf_counter()
            os.fdatasync(file.fileno())
            yield time.perf_counter() - began_s


def _clock() -> Finding:
    if sys.platform != "linux":
        return Finding("warn", "clock", "cannot tell on this system whether it is synchronised")
    # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    if state == TIME_ERROR:
        return Finding("warn", "clock", "not synchronised: run chrony or systemd-timesyncd")
    return Finding("ok", "clock", "synchronised")


def _certificates(section: SourceSection) -> Iterator[Finding]:
    for file in {section.cert, section.ca} - {None}:
        assert file is not None  # noqa: S101  # taken out in the line above
        try:
            certificate = x509.load_pem_x509_certificate(file.read_bytes())
        except (OSError, ValueError) as error:
            yield Finding("fail", "certificate", f"{file}: {error}")
            continue
        left = certificate.not_valid_after_utc - datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
        level = "fail" if left.days < 0 else "warn" if left.days < CERT_DAYS else "ok"
        yield Finding(level, "certificate", f"{file}: {left.days} days left")
