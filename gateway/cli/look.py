"""``status``, ``tap`` and ``journal verify``: look at a gateway without touching it."""

import argparse

from gateway import journal
from gateway.cli.common import (
    Commands,
    add_command,
    add_config,
    add_json,
    ask,
    listen,
    print_json,
    settings_of,
)


def add_to(commands: Commands) -> None:
    """Add these commands."""
    status = add_command(commands, "status", _status, "Say how the running gateway does.")
    add_config(status)
    add_json(status)
    tap = add_command(commands, "tap", _tap, "Show messages as they pass.")
    tap.add_argument("filter", nargs="?", default="#", help="MQTT topic filter (default: #)")
    tap.add_argument("--count", type=int, default=0, metavar="N", help="stop after N messages")
    add_config(tap)
    add_json(tap)
    parser = commands.add_parser("journal", help="Work on the journal's files.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verify = add_command(verbs, "verify", _verify, "Read every record and check its checksum.")
    add_config(verify)
    add_json(verify)


def _status(options: argparse.Namespace) -> int:
    answer = ask(settings_of(options), {"do": "status"})
    if options.json:
        print_json(answer)
        return 0
    width = max(len(key) for key in answer)
    for key, value in answer.items():
        print(f"{key:<{width}}  {value}")
    return 0


def _tap(options: argparse.Namespace) -> int:
    request = {"do": "tap", "filter": options.filter}
    for seen, message in enumerate(listen(settings_of(options), request), 1):
        if options.json:
            print_json(message)
        else:
            payload = message.get("payload") or f"base64:{message['payload_base64']}"
            print(f"{message['topic']}  {payload}", flush=True)
        if seen == options.count:
            break
    return 0


def _verify(options: argparse.Namespace) -> int:
    report = journal.verify(settings_of(options).gateway.data_dir / "journal")
    if options.json:
        print_json(report._asdict())
    else:
        _print_report(report)
    return 0 if report.is_sound else 1


def _print_report(report: journal.Report) -> None:
    verdict = "sound" if report.is_sound else "damaged"
    print(f"{verdict}: {report.records} records, {report.first} to {report.last}")
    print(f"{report.segments} segments, {report.bytes} bytes, torn tail {report.torn_bytes} bytes")
    for damage in report.damaged:
        first, last = damage.first_missing, damage.first_missing + damage.missing - 1
        lost = f"records {first} to {last} lost" if damage.missing else "no record lost"
        print(f"segment {damage.segment} byte {damage.offset}: {damage.size} bytes, {lost}")
