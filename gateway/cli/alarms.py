"""``alarms``: what needs a person, who takes care, and where work keeps them quiet.

It reads and speaks beside a gateway that runs, and also without one: what is said is kept, and
has its effect when the annunciator hears it.
"""

import argparse
import getpass
import json
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.cli.common import time_ms as moment_of
from gateway.config import duration_ms
from gateway.errors import ConfigError, GatewayError
from gateway.store.alarms import AlarmFilter, AlarmReader, Happening, KeptAlarm, Window
from gateway.store.alarmwords import (
    MOST_NAME,
    MOST_NOTE,
    MOST_PLACE,
    Acknowledge,
    EndMaintenance,
    Maintain,
    Word,
    say,
)
from gateway.views.alarms import to_document, to_window
from gateway.views.engineering import time_text
from gateway.views.text import readable

STATES = ("open", "raised", "acknowledged", "cleared", "all")
_SEVERITIES = {"note": 1, "warning": 2, "serious": 3, "critical": 4}
_WORDS = {number: word for word, number in _SEVERITIES.items()}
_SUBJECT = re.compile(rf"(all|[a-z_]{{1,32}}:\S{{1,{MOST_PLACE - 40}}})\Z")
_EFFECT_S, _LOOK_EVERY_S = 3.0, 0.1


def add_to(commands: Commands) -> None:
    """Add this command."""
    parser = commands.add_parser("alarms", help="What needs a person, and who takes care.")
    verbs = parser.add_subparsers(dest="action", required=True, metavar="VERB")
    shown = add_command(verbs, "list", _list, "Show alarms, the newest first.")
    shown.add_argument("--state", choices=STATES, default="open")
    shown.add_argument("--severity", choices=_SEVERITIES, default="note", help="at least")
    shown.add_argument("--domain", choices=("energy", "transport", "gateway"), default="")
    shown.add_argument("--subject", default="", metavar="PLACE", help="with all below it")
    shown.add_argument("--limit", type=int, default=1000, metavar="N")
    one = add_command(verbs, "show", _show, "Show one alarm, its evidence and its history.")
    ack = add_command(verbs, "ack", _ack, "Say that somebody has seen an alarm and takes care.")
    for verb in (one, ack):
        verb.add_argument("alarm", metavar="ID")
    ack.add_argument("--note", default="", help="kept with it")
    work = verbs.add_parser("maintenance", help="Work at places, whose alarms are kept quiet.")
    kinds = work.add_subparsers(dest="kind", required=True, metavar="VERB")
    windows = add_command(kinds, "list", _windows, "Show windows, and who opened and ended them.")
    windows.add_argument("--state", choices=("open", "past", "all"), default="open")
    add = add_command(kinds, "add", _maintain, "Keep the alarms of a place quiet for a time.")
    add.add_argument("subject", metavar="PLACE", help="feeder:f-2, device:m-1, sector:water, all")
    add.add_argument("--from", dest="begin", metavar="TIME", help="default now")
    add.add_argument("--for", dest="length", metavar="DURATION", help="such as 4h")
    add.add_argument("--to", dest="end", metavar="TIME")
    add.add_argument("--reason", required=True, help="kept with it")
    end = add_command(kinds, "end", _end, "End a window: what still lasts there is called out.")
    end.add_argument("window", metavar="ID")
    for verb in (ack, add, end):
        verb.add_argument("--who", default=None, help="default: the user of this process")
    for verb in (shown, one, ack, windows, add, end):
        add_config(verb)
        add_json(verb)


def _list(options: argparse.Namespace) -> int:
    state = "" if options.state == "all" else options.state
    severity = _SEVERITIES[options.severity]
    asked = AlarmFilter(
        domain=options.domain, subject=options.subject, severity=severity, state=state
    )
    _print(options, _reader(options).list(asked, max(1, options.limit)))
    return 0


def _show(options: argparse.Namespace) -> int:
    reader = _reader(options)
    alarm, history = _known(reader, options.alarm), reader.history(options.alarm)
    if options.json:
        print_json({**_document(alarm), "history": [_line(one) for one in history]})
        return 0
    _print(options, [alarm])
    print(f"evidence: {_plain(alarm.evidence)}")
    for line in history:
        who = f" by {_plain(line.who)}" if line.who else ""
        note = f": {_plain(line.note)}" if line.note else ""
        print(f"{time_text(line.at_ms)} {line.what}{who}{note}")
    return 0


def _ack(options: argparse.Namespace) -> int:
    reader = _reader(options)
    _known(reader, options.alarm)
    word = Acknowledge(_who(options), _now_ms(), options.alarm, _short(options.note, "--note"))
    _say(options, reader, word)
    _print(options, [_known(reader, options.alarm)])
    return 0


def _maintain(options: argparse.Namespace) -> int:
    now_ms = _now_ms()
    if _SUBJECT.match(options.subject) is None:
        raise ConfigError(f"{options.subject!r} is not level:name, such as feeder:f-2, nor all")
    if (options.length is None) == (options.end is None):
        raise ConfigError("say --for or --to")
    from_ms = now_ms if options.begin is None else moment_of(options.begin)
    to_ms = moment_of(options.end) if options.length is None else from_ms + _length(options.length)
    if to_ms <= max(from_ms, now_ms):
        raise ConfigError("the end must be ahead, and behind the beginning")
    reason = _short(options.reason, "--reason")
    window = secrets.token_hex(4)
    word = Maintain(_who(options), now_ms, window, options.subject, from_ms, to_ms, reason)
    reader = _reader(options)
    _say(options, reader, word)
    _print_windows(
        options, [Window(window, options.subject, from_ms, to_ms, reason, word.who, now_ms)]
    )
    return 0


def _end(options: argparse.Namespace) -> int:
    reader = _reader(options)
    if options.window not in {one.id for one in reader.windows(_now_ms())}:
        raise GatewayError(f"no maintenance window {options.window!r}")
    _say(options, reader, EndMaintenance(_who(options), _now_ms(), options.window))
    _print_windows(options, reader.windows(_now_ms()))
    return 0


def _windows(options: argparse.Namespace) -> int:
    reader, now_ms = _reader(options), _now_ms()
    shown = [] if options.state == "past" else list(reader.windows(now_ms))
    shown += [] if options.state == "open" else reader.past_windows(now_ms)
    _print_windows(options, shown)
    return 0


def _say(options: argparse.Namespace, reader: AlarmReader, word: Word) -> None:
    """Write a word down, and wait a moment for who hears it."""
    try:
        end = say(_data_dir(options), word)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    deadline_s = time.monotonic() + _EFFECT_S
    while reader.heard() < end and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)


def _known(reader: AlarmReader, name: str) -> KeptAlarm:
    alarm = reader.find(name)
    if alarm is None:
        raise GatewayError(f"no alarm {name!r}")
    return alarm


def _print(options: argparse.Namespace, alarms: Sequence[KeptAlarm]) -> None:
    for alarm in alarms:
        if options.json:
            print_json(_document(alarm))
            continue
        quiet = " (suppressed)" if alarm.suppressed else ""
        times = f" ×{alarm.times}" if alarm.times > 1 else ""
        seen = f" by {_plain(alarm.ack_who)}: {_plain(alarm.ack_note)}" if alarm.ack_ms else ""
        words = (alarm.id, _WORDS[alarm.severity], alarm.state + quiet + seen)
        place = f"{_plain(alarm.place)} since {time_text(alarm.raised_ms)}"
        print(f"{words[0]} {words[1]:<8} {alarm.domain}/{alarm.kind}{times} {place} {words[2]}")


def _print_windows(options: argparse.Namespace, windows: Sequence[Window]) -> None:
    now_ms = _now_ms()
    for one in windows:
        if options.json:
            print_json(to_window(one, now_ms))
            continue
        span = f"{time_text(one.from_ms)} to {time_text(one.to_ms)}"
        ended = f", ended by {_plain(one.ended_who)}" if one.ended_who else ""
        said = f"{_plain(one.reason)} (by {_plain(one.who)}{ended})"
        print(f"{one.id} {one.stage(now_ms):<10} {one.subject} {span} {said}")


def _document(alarm: KeptAlarm) -> dict[str, object]:
    return {**to_document(alarm), "evidence": json.loads(alarm.evidence)}


def _line(one: Happening) -> dict[str, object]:
    when = {"at": time_text(one.at_ms), "what": one.what}
    return {**when, "by": one.who or None, "note": one.note}


def _reader(options: argparse.Namespace) -> AlarmReader:
    return AlarmReader(_data_dir(options))


def _data_dir(options: argparse.Namespace) -> Path:
    return settings_of(options).gateway.data_dir


def _who(options: argparse.Namespace) -> str:
    who: str = options.who or getpass.getuser()
    if len(who) > MOST_NAME or not who.isprintable():
        raise ConfigError(f"--who has at most {MOST_NAME} printable characters")
    return who


def _short(text: str, what: str) -> str:
    if len(text) > MOST_NOTE or not text.isprintable():
        raise ConfigError(f"{what} has at most {MOST_NOTE} printable characters")
    return text


def _length(text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _plain(text: str) -> str:
    return readable(text.encode())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
