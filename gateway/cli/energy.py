"""``energy``: corrections of what a meter used, by a person, with a reason."""

import argparse
import getpass
import math
import time

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.cli.common import time_ms as moment_of
from gateway.energy.edits import EditBook, EditLine, append
from gateway.errors import ConfigError, GatewayError
from gateway.store import StoreReader
from gateway.views.engineering import time_text


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = commands.add_parser("energy", help="Corrections of intervals.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    edit = add_command(actions, "edit", _edit, "Say what a meter used in a slot, or that it did.")
    edit.add_argument("device")
    edit.add_argument("slot", metavar="TIME", help="when the slot begins")
    what = edit.add_mutually_exclusive_group(required=True)
    what.add_argument("--wh", type=float, metavar="N", help="what it used")
    what.add_argument("--verify", action="store_true", help="the value is right as it stands")
    edit.add_argument("--why", required=True, help="the reason, kept with it")
    edit.add_argument("--who", default=None, help="default: the user of this process")
    add_config(edit)
    shown = add_command(actions, "edits", _edits, "Show all corrections in the order they came.")
    add_config(shown)
    add_json(shown)


def _edit(options: argparse.Namespace) -> int:
    if options.wh is not None and not (math.isfinite(options.wh) and options.wh >= 0):
        raise ConfigError("--wh must be a number of at least 0")
    settings, slot_ms = settings_of(options), moment_of(options.slot)
    data_dir = settings.gateway.data_dir
    if StoreReader(data_dir, {}).device(options.device) is None:
        raise GatewayError(f"no device {options.device!r}")
    who = options.who or getpass.getuser()
    now_ms = time.time_ns() // 1_000_000
    try:
        append(data_dir, EditLine(options.device, slot_ms, options.wh, who, now_ms, options.why))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    value = "verified" if options.wh is None else f"{options.wh:g} Wh"
    print(f"{options.device} {time_text(slot_ms)}: {value}, by {who}")
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
