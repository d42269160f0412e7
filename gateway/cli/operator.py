"""``operator add|list|password|remove``: who may sign in at the board, and what he may do there.

A running gateway notices a change with the next request; what somebody signed in with before opens
nothing any more once his password is another or he is removed.
"""

import argparse
import getpass
import re
import sys
import time

from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.config import Settings
from gateway.config.http import HttpSection, OperatorSection
from gateway.errors import ConfigError, GatewayError
from gateway.store.accounts import Account, Accounts, Role, make_password, new_account
from gateway.views.engineering import time_text

_NAME = re.compile(OperatorSection.model_fields["name"].metadata[0].pattern)


def add_to(commands: Commands) -> None:
    """Add these commands."""
    parser = commands.add_parser("operator", help="People who sign in at the board.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = add_command(verbs, "add", _add, "Let somebody sign in; asks for his password.")
    add.add_argument("--role", choices=[role.value for role in Role], default="operator")
    password = add_command(verbs, "password", _password, "Set another password.")
    for verb in (add, password):
        verb.add_argument("name")
        verb.add_argument(
            "--generate", action="store_true", help="make a password and print it, once"
        )
    remove = add_command(verbs, "remove", _remove, "Sign somebody out, for good.")
    remove.add_argument("name")
    listing = add_command(verbs, "list", _list, "List who may sign in.")
    for verb in (add, password, remove, listing):
        add_config(verb)
        add_json(verb)


def _add(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if _NAME.match(options.name) is None:
        raise ConfigError("a name has up to 63 printable characters and no colon")
    if options.name in {one.name for one in (settings.http or HttpSection()).operator}:
        raise ConfigError(f"{options.name} is an operator of the configuration, with a token")
    accounts = _accounts(settings)
    if options.name in accounts.all():
        raise ConfigError(f"{options.name} has an account: `operator password` sets another one")
    return _set(options, settings, Role(options.role))


def _password(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    return _set(options, settings, _known(_accounts(settings), options.name).role)


def _set(options: argparse.Namespace, settings: Settings, role: Role) -> int:
    password, is_made = _new_password(options)
    account = new_account(options.name, role, password, time.time_ns() // 1_000_000)
    _accounts(settings).put(account)
    if options.json:
        made = {"password": password} if is_made else {}
        print_json({"name": account.name, "role": account.role, **made})
        return 0
    print(f"{account.name} may sign in now as {account.role}: {_address(settings)}/sign-in")
    if is_made:
        print(f"password     {password}\nThis is shown once; only a hash of it is kept.")
    return 0


def _new_password(options: argparse.Namespace) -> tuple[str, bool]:
    """Return what somebody typed twice or piped in, or what was made, and whether it was."""
    if options.generate:
        return make_password(), True
    if not sys.stdin.isatty():
        piped = sys.stdin.readline().rstrip("\r\n")
        if not piped:
            raise ConfigError("no terminal and no password on stdin: pipe one in, or --generate")
        return piped, False
    typed = getpass.getpass(f"Password of {options.name}: ")
    if getpass.getpass("Once more: ") != typed:
        raise ConfigError("the two are not the same: nothing was changed")
    return typed, False


def _remove(options: argparse.Namespace) -> int:
    if not _accounts(settings_of(options)).remove(options.name):
        raise GatewayError(f"{options.name!r} has no account")
    shown = {"removed": options.name}
    print_json(shown) if options.json else print(f"{options.name} removed")
    return 0


def _list(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    shown = [
        {"name": one.name, "role": str(one.role), "since": time_text(one.since_ms)}
        for one in _accounts(settings).all().values()
    ]
    tokens = (settings.http or HttpSection()).operator
    shown += [{"name": one.name, "role": "operator", "since": "token"} for one in tokens]
    if options.json:
        print_json(shown)
        return 0
    for one in shown:
        print("{name:<24} {role:<10} {since}".format(**one))
    if not shown:
        print("Nobody has an account; `infragate operator add NAME` makes one.")
    return 0


def _accounts(settings: Settings) -> Accounts:
    settings.gateway.data_dir.mkdir(parents=True, exist_ok=True)
    return Accounts(settings.gateway.data_dir)


def _known(accounts: Accounts, name: str) -> Account:
    found = accounts.all().get(name)
    if found is None:
        raise GatewayError(f"{name!r} has no account")
    return found


def _address(settings: Settings) -> str:
    http = settings.http or HttpSection()
    return f"{'http' if http.cert is None else 'https'}://{http.listen}"
