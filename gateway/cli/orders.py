"""``energy propose`` and ``energy confirm``: a command to a device, for a reason, in two steps."""

import argparse
import getpass
import json
import secrets
import time

import msgspec

from gateway.cli.command import MAX_COMMAND_BYTES, node_of
from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.config import Settings
from gateway.energy.engine.network.loads import ADVICE
from gateway.energy.engine.policies import EnergyPolicies
from gateway.energy.orders import OrderLine, Orders, reason_of
from gateway.errors import ConfigError, GatewayError
from gateway.ports import Result
from gateway.store.derived import AlarmQuery, DerivedReader
from gateway.topics import SECTORS
from gateway.views.engineering import time_text

_DOMAIN = "energy"
_ADVICE_MS = 15 * 86_400_000  # of this week and the last
_FOREVER_MS = 1 << 53
_MOST = 1000


def add_to(actions: Commands) -> None:
    """Add these verbs to ``energy``."""
    text = "Propose a command to a device, for advice or an alarm that stands."
    propose = add_command(actions, "propose", _propose, text)
    propose.add_argument("device")
    propose.add_argument("request", metavar="JSON", help="the command, see docs/protocol.md")
    propose.add_argument(
        "--for",
        dest="place",
        required=True,
        metavar="PLACE",
        help="whose advice or alarm, such as transformer:tba-0412",
    )
    propose.add_argument("--why", required=True, help="the reason, kept with it")
    text = "Confirm a proposed command: it is sent, and the reply printed."
    confirm = add_command(actions, "confirm", _confirm, text)
    confirm.add_argument("order", metavar="ID")
    confirm.add_argument("--org", help="where the device was not enrolled here")
    confirm.add_argument("--sector", choices=SECTORS)
    for verb in (propose, confirm):
        verb.add_argument("--who", default=None, help="default: the user of this process")
        add_config(verb)
    shown = add_command(actions, "orders", _orders, "Show all proposals, and what became of them.")
    add_config(shown)
    add_json(shown)


def orders_of(settings: Settings) -> Orders:
    """Return the orders of a configuration."""
    energy = settings.energy
    policies = EnergyPolicies.load(energy.tariff, energy.norm, energy.calendar)
    within_s = policies.load_at(_now_ms()).confirm_within_s
    return Orders(settings.gateway.data_dir, within_s * 1000)


def _propose(options: argparse.Namespace) -> int:
    settings, now_ms = settings_of(options), _now_ms()
    try:
        request = json.loads(options.request)
    except ValueError as error:
        raise ConfigError(f"the command is no JSON: {error}") from error
    if not isinstance(request, dict) or len(options.request.encode()) > MAX_COMMAND_BYTES:
        raise ConfigError(f"a command is a JSON object of at most {MAX_COMMAND_BYTES} bytes")
    because = _because(DerivedReader(settings.gateway.data_dir), options.place, now_ms)
    if because is None:
        raise GatewayError(f"there is no advice for {options.place!r}, and no alarm of it lasts")
    order, who = secrets.token_hex(3), options.who or getpass.getuser()
    line = OrderLine(
        order, "proposed", who, now_ms, options.device, request, options.place, because, options.why
    )
    orders_of(settings).note(line)
    print(f"{options.device} shall get {json.dumps(request)}")
    print(f"because {because}")
    print(f"Nothing is sent yet. To send it: infragate energy confirm {order}")
    return 0


def _confirm(options: argparse.Namespace) -> int:
    orders, who = orders_of(settings_of(options)), options.who or getpass.getuser()
    line = orders.confirm(options.order, who, _now_ms())
    options.device = line.device
    try:
        reply = node_of(options).ask(line.request)
    except (GatewayError, ConfigError) as error:
        found = {"error": str(error)}
        orders.note(
            msgspec.structs.replace(line, step="unanswered", when_ms=_now_ms(), reply=found)
        )
        raise
    orders.note(msgspec.structs.replace(line, step="replied", when_ms=_now_ms(), reply=reply))
    print_json(reply)
    return 1 if "error" in reply else 0


def _orders(options: argparse.Namespace) -> int:
    for line in orders_of(settings_of(options)).lines():
        if options.json:
            print_json(msgspec.to_builtins(line))
        else:
            told = json.dumps(line.request if line.reply is None else line.reply)
            when = time_text(line.when_ms)
            print(f"{when} {line.id} {line.step} by {line.who}: {line.device} {told} ({line.why})")
    return 0


def _because(derived: DerivedReader, place: str, now_ms: int) -> str | None:
    asked = Result(ADVICE, place, now_ms - _ADVICE_MS, now_ms, "")
    advice = [one.body for one in derived.results(_DOMAIN, asked, _MOST)]
    query = AlarmQuery(0, _FOREVER_MS, place=place, is_open=True)
    alarms = [
        f"{one.alarm.kind} {one.alarm.evidence}"
        for one in derived.alarms(_DOMAIN, query, _MOST)
        if "withdrawn" not in one.alarm.evidence
    ]
    return reason_of(advice, alarms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
