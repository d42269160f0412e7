"""``device enrol|claim|list|show|rotate|revoke``: who may connect to the listener.

A secret is printed once, at enrolment, and never kept; a running gateway notices a change within
about a second, and a revoked device's live connection ends.
"""

import argparse
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.cli import command
from gateway.cli.common import Commands, add_command, add_config, add_json, print_json, settings_of
from gateway.config import duration_ms
from gateway.errors import GatewayError
from gateway.ports import ClientRole
from gateway.security import Credential, CredentialStore, Issued, Method, Request
from gateway.topics import SECTORS

CLAIM_MS = 24 * 3_600_000  # from the bench to the site within a day


def add_to(commands: Commands) -> None:
    """Add these commands."""
    parser = commands.add_parser("device", help="Credentials of devices, concentrators, monitors.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    enrol = add_command(verbs, "enrol", _enrol, "Let a device in; prints its secret once.")
    claim = add_command(verbs, "claim", _claim, "Give out a claim: good once, to set a password.")
    claim.add_argument("--valid", type=duration_ms, default=CLAIM_MS, metavar="DURATION")
    for verb in (enrol, claim):
        verb.add_argument("device")
        verb.add_argument("--org", required=True)
        verb.add_argument("--sector", choices=SECTORS, default="energy")
    roles = [role.value for role in ClientRole if role is not ClientRole.ANONYMOUS]
    enrol.add_argument("--role", choices=roles, default="device")
    methods = [method.value for method in Method if method is not Method.CLAIM]
    enrol.add_argument("--method", choices=methods, default="password")
    enrol.add_argument("--under", nargs="*", default=[], metavar="DEVICE", help="of a concentrator")
    enrol.add_argument("--valid-days", type=int, default=0, metavar="N")
    listing = add_command(verbs, "list", _list, "List who may connect.")
    show = add_command(verbs, "show", _show, "Show the credentials of one device.")
    rotate = add_command(verbs, "rotate", _rotate, "Give a new secret; the old one may overlap.")
    rotate.add_argument("--overlap", type=duration_ms, default=0, metavar="DURATION")
    revoke = add_command(verbs, "revoke", _revoke, "Shut a device out, at once.")
    for verb in (show, rotate, revoke):
        verb.add_argument("device")
    for verb in (enrol, claim, listing, show, rotate, revoke):
        add_config(verb)
        add_json(verb)
    command.add_to(verbs)


def _store(options: argparse.Namespace) -> CredentialStore:
    return CredentialStore(settings_of(options).gateway.data_dir)


def _enrol(options: argparse.Namespace) -> int:
    request = Request(
        options.device,
        options.org,
        options.sector,
        ClientRole(options.role),
        Method(options.method),
        tuple(options.under),
        options.valid_days,
    )
    return _print_issued(options, _store(options).enrol(request))


def _claim(options: argparse.Namespace) -> int:
    request = Request(options.device, options.org, options.sector)
    return _print_issued(options, _store(options).claim(request, options.valid))


def _rotate(options: argparse.Namespace) -> int:
    issued = _store(options).rotate(options.device, options.overlap)
    return _print_issued(options, issued)


def _print_issued(options: argparse.Namespace, issued: Issued) -> int:
    shown: dict[str, object] = {"device": issued.device, "method": issued.method.value}
    if issued.secret:
        shown["secret"] = issued.secret
    if issued.method is Method.PSK:
        shown["psk"] = issued.psk.hex()  # what TLS takes; the identity is the device id
    if issued.certificate is not None:
        shown |= {
            "certificate": issued.certificate.certificate_pem.decode(),
            "key": issued.certificate.key_pem.decode(),
        }
    if issued.not_after_ms:
        shown["valid_until"] = _time(issued.not_after_ms)
    if options.json:
        print_json(shown)
    else:
        for key, value in shown.items():
            print(f"{key:<12} {value}")
        print("This is shown once; only a hash of it is kept.")
    return 0


def _list(options: argparse.Namespace) -> int:
    store, found = _store(options), list[Credential]()
    while page := store.devices(1000, found[-1].device if found else ""):
        found += page
    return _print_credentials(options, found)


def _show(options: argparse.Namespace) -> int:
    credentials = _store(options).show(options.device)
    if not credentials:
        raise GatewayError(f"no device {options.device!r} was ever enrolled")
    return _print_credentials(options, credentials)


def _revoke(options: argparse.Namespace) -> int:
    revoked = _store(options).revoke(options.device)
    if not revoked:
        raise GatewayError(f"{options.device!r} has no credential that is good")
    print_json({"revoked": revoked}) if options.json else print(f"{revoked} revoked")
    return 0


def _print_credentials(options: argparse.Namespace, credentials: Sequence[Credential]) -> int:
    shown = [_described(credential) for credential in credentials]
    if options.json:
        print_json(shown)
        return 0
    for one in shown:
        print("{device:<24} {role:<12} {org}/{sector:<10} {method:<12} {state}".format(**one))
    return 0


def _described(credential: Credential) -> dict[str, object]:
    return {
        "device": credential.device,
        "role": credential.role.value,
        "org": credential.org,
        "sector": credential.sector,
        "method": credential.method.value,
        "state": _state(credential),
        "created": _time(credential.created_ms),
        "valid_until": _time(credential.not_after_ms) if credential.not_after_ms else None,
        "revoked": _time(credential.revoked_ms) if credential.revoked_ms else None,
    }


def _state(credential: Credential) -> str:
    if credential.revoked_ms:
        return "used" if credential.method is Method.CLAIM else "revoked"
    return "good" if credential.is_good(time.time_ns() // 1_000_000) else "ended"


def _time(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="seconds")
