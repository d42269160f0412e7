"""``energy edit``, ``held``, ``edits``: what a meter used, by a person, with a reason."""

import argparse
import getpass
import math
import time

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.cli.common import time_ms as moment_of
from gateway.energy.calendar import DAY_MS
from gateway.energy.edits import EditBook, EditLine, append
from gateway.energy.engine.bills.holds import held_slots
from gateway.errors import ConfigError, GatewayError
from gateway.store import StoreReader
from gateway.store.derived import DerivedReader
from gateway.views.engineering import time_text


def add_to(actions: Commands) -> None:
    """Add these actions."""
    edit = add_command(actions, "edit", _edit, "Say what a meter used in a slot, or that it did.")
    edit.add_argument("device")
    edit.add_argument("slot", metavar="TIME", help="when the slot begins")
    edit.add_argument("--to", metavar="TIME", help="with --verify: all that is held until then")
    what = edit.add_mutually_exclusive_group(required=True)
    what.add_argument("--wh", type=float, metavar="N", help="what it used")
    what.add_argument("--verify", action="store_true", help="the value is right as it stands")
    edit.add_argument("--why", required=True, help="the reason, kept with it")
    edit.add_argument("--who", default=None, help="default: the user of this process")
    add_config(edit)
    held = add_command(actions, "held", _held, "Show the slots that wait for a person's look.")
    held.add_argument("device", nargs="?", default="", help="default: all")
    held.add_argument("--days", type=int, default=62, metavar="N", help="back; default: 62")
    add_config(held)
    add_json(held)
    shown = add_command(actions, "edits", _edits, "Show all corrections in the order they came.")
    add_config(shown)
    add_json(shown)


def _edit(options: argparse.Namespace) -> int:
    if options.wh is not None and not (math.isfinite(options.wh) and options.wh >= 0):
        raise ConfigError("--wh must be a number of at least 0")
    if options.to is not None and not options.verify:
        raise ConfigError("--to goes with --verify: what was used is said slot by slot")
    settings, slots_ms = settings_of(options), [moment_of(options.slot)]
    data_dir = settings.gateway.data_dir
    if StoreReader(data_dir, {}).device(options.device) is None:
        raise GatewayError(f"no device {options.device!r}")
    if options.to is not None:
        span = slots_ms[0], moment_of(options.to), options.device
        slots_ms = [one.slot_ms for one in held_slots(DerivedReader(data_dir), *span)]
    who = options.who or getpass.getuser()
    now_ms = time.time_ns() // 1_000_000
    value = "verified" if options.wh is None else f"{options.wh:g} Wh"
    for slot_ms in slots_ms:
        try:
            line = EditLine(options.device, slot_ms, options.wh, who, now_ms, options.why)
            append(data_dir, line)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        print(f"{options.device} {time_text(slot_ms)}: {value}, by {who}")
    if options.to is not None:
        print(f"{len(slots_ms)} slots")
    return 0


def _held(options: argparse.Namespace) -> int:
    now_ms = time.time_ns() // 1_000_000
    derived = DerivedReader(settings_of(options).gateway.data_dir)
    waiting = list(held_slots(derived, now_ms - options.days * DAY_MS, now_ms, options.device))
    for one in waiting:
        if options.json:
            print_json(one._asdict() | {"begin": time_text(one.slot_ms)})
        else:
            used = "?" if one.import_wh is None else f"{one.import_wh:g}"
            why = ", ".join(one.reasons)
            print(f"{one.device} {time_text(one.slot_ms)} {used} Wh {one.quality}: {why}")
    if not options.json:
        print(f"{len(waiting)} slots wait")
    return 0


def _edits(options: argparse.Namespace) -> int:
    book = EditBook(settings_of(options).gateway.data_dir)
    for _, line in book.news():
        if options.json:
            print_json({name: getattr(line, name) for name in EditLine.__struct_fields__})
        else:
            value = "verified" if line.value_wh is None else f"{line.value_wh:g} Wh"
            when, slot = time_text(line.when_ms), time_text(line.slot_ms)
            print(f"{when} {line.who}: {line.device} {slot} {value} ({line.why})")
    return 0
