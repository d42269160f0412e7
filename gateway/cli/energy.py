"""``energy``: corrections by people, orders to devices, bills as files."""

import argparse
import sys
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from gateway.cli import corrections, orders
from gateway.cli.common import Commands, add_command, add_config, settings_of
from gateway.config import Settings
from gateway.energy.billing import month
from gateway.energy.calendar import day_number
from gateway.energy.engine.bills.exports import MOST_DAYS, Exports, Shelf
from gateway.energy.engine.policies import EnergyPolicies
from gateway.errors import ConfigError, GatewayError
from gateway.roles.files import load_all_profiles, load_registry
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = commands.add_parser("energy", help="Corrections of intervals, bills.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    bills = add_command(actions, "bills", _bills, "Write the determinants of a month as CSV.")
    bills.add_argument("month", metavar="YYYY-MM")
    bills.add_argument("-o", "--output", type=Path, help="default: standard output")
    add_config(bills)
    feed = add_command(actions, "green-button", _feed, "Write a meter's slots as Green Button.")
    feed.add_argument("device")
    feed.add_argument("--month", metavar="YYYY-MM", help="with a summary of its bill")
    feed.add_argument("--from", dest="first", metavar="DAY", help="local day, such as 2026-03-01")
    feed.add_argument("--to", dest="last", metavar="DAY", help="the last one")
    feed.add_argument("-o", "--output", type=Path, help="default: standard output")
    add_config(feed)
    orders.add_to(actions)
    corrections.add_to(actions)


def exports_of(settings: Settings) -> Exports:
    """Return what makes files of the data that a configuration names."""
    data_dir, profiles = settings.gateway.data_dir, load_all_profiles(settings)
    devices = StoreReader(data_dir, profiles).devices()
    shelf = Shelf(DerivedReader(data_dir), devices, profiles, load_registry(settings))
    energy = settings.energy
    return Exports(shelf, EnergyPolicies.load(energy.tariff, energy.norm, energy.calendar))


def _bills(options: argparse.Namespace) -> int:
    settings, (first, _) = settings_of(options), _month(options.month)
    _write(options, exports_of(settings).determinants(first))
    return 0


def _feed(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if (options.month is None) == (options.first is None):
        raise ConfigError("say --month, or --from and --to")
    days = _days(options) if options.month is None else _month(options.month)
    now_ms = time.time_ns() // 1_000_000
    found = exports_of(settings).green_button(options.device, days, now_ms)
    if found is None:
        raise GatewayError(f"no intervals of {options.device!r} in that time")
    _write(options, [found])
    return 0


def _month(text: str) -> tuple[int, int]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a month such as 2026-03") from error
    return month(first.year, first.month)


def _days(options: argparse.Namespace) -> tuple[int, int]:
    try:
        first, last = (date.fromisoformat(text) for text in (options.first, options.last or ""))
    except ValueError as error:
        raise ConfigError("--from and --to are days such as 2026-03-01") from error
    days = day_number(first), day_number(last) + 1
    if not 0 < days[1] - days[0] <= MOST_DAYS:
        raise ConfigError(f"--to must be behind --from, by less than {MOST_DAYS} days")
    return days


def _write(options: argparse.Namespace, parts: Iterable[str]) -> None:
    if options.output is None:
        sys.stdout.writelines(parts)
    else:
        with options.output.open("w", encoding="utf-8") as file:
            file.writelines(parts)
