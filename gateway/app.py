"""The composition root: which processes exist, and how a message walks through them.

::

    intake       sources ─▶ GroupCommit(journal) ─▶ PUBACK        keeps the other five alive
                                    │ durable up to N      ▲ receipts
    processor    JournalReader ─▶ pipeline ─▶ store, quarantine, outbox ─▶ checkpoint
    keeper       outbox ─▶ sinks;  merges pages, rollups, retention
    analyst      store ─▶ energy, transport ─▶ derived.sqlite
    annunciator  derived, self-metrics, people ─▶ alarms.sqlite, calls over MQTT
    web          store, quarantine, derived, alarms, stats ─▶ API, metrics, board

Each of these is one process and one module of ``roles``, where its rooms are put together;
nothing else in the program knows more than its own room. ``nursery`` forks them.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NoReturn, Protocol, cast

from gateway.config import Settings, split_address
from gateway.errors import GatewayError
from gateway.imports import load
from gateway.nursery import NurseryLink, Trade, name_process, start_nursery
from gateway.roles import NAMES, TAUGHT, Heritage, now_ms, run_role
from gateway.roles.checking import check, has_anybody
from gateway.supervisor import locked, start_logging
from gateway.waterline import Waterline

logger = logging.getLogger(__name__)

HTTP_BACKLOG = 2048  # as uvicorn's own


class _Intake(Protocol):
    run: Callable[[Settings, Waterline, NurseryLink, Sequence[str], float | None], int]


def run_gateway(
    settings: Settings,
    *,
    helpers: Mapping[str, Sequence[str]] | None = None,
    run_s: float | None = None,
) -> int:
    """Run the whole gateway until SIGTERM, SIGINT or ``run_s``; return the exit code.

    Args:
        settings: checked here before anything is touched.
        helpers: commands by name that live as long as it does (the demo's fleet).
        run_s: stop by itself after so long.

    Raises:
        GatewayError: another gateway runs on the data, or the HTTP port is taken.
    """
    check(settings)
    start_logging()
    for exposure in settings.exposures:
        logger.warning("insecure = true: %s", exposure)
    if settings.http is not None and not has_anybody(settings):
        logger.warning("nobody can sign in at the board yet: infragate operator add NAME -c FILE")
    helpers = helpers or {}
    run_dir = settings.gateway.data_dir / "run"
    run_dir.mkdir(parents=True, exist_ok=True)
    name_process("intake")
    with locked(settings.gateway.data_dir / "lock"):
        for snapshot in run_dir.glob("*.json"):
            snapshot.unlink()  # what a former life said of itself makes nobody ready
        waterline = Waterline()
        nursery = start_nursery(_roles(settings, waterline, helpers))
        if settings.http is not None:
            nursery.start_early("web")  # it has most to load, and readiness waits for it
        nursery.teach("processor")  # at the same time as we load the intake
        intake = cast("_Intake", load("gateway.roles.intake"))
        return intake.run(settings, waterline, nursery, list(helpers), run_s)


def _roles(
    settings: Settings, waterline: Waterline, helpers: Mapping[str, Sequence[str]]
) -> dict[str, Trade]:
    started_ms = now_ms()

    def role(name: str, sock: socket.socket | None) -> int:
        return run_role(name, settings, Heritage(sock, waterline, started_ms))

    def learn(name: str) -> None:
        load(f"gateway.roles.{name}")

    roles = {name: Trade(partial(role, name)) for name in NAMES}
    for name in TAUGHT:
        roles[name] = roles[name]._replace(learn=partial(learn, name))
    if settings.http is not None:
        door = _open_door(settings.http.listen)
        roles["web"] = Trade(lambda _: role("web", door))
    for name, command in helpers.items():
        roles[name] = Trade(partial(_become, command))
    return roles


def _open_door(listen: str) -> socket.socket:
    """Take the HTTP port, for as long as we run: a web process that dies does not lose it."""
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=HTTP_BACKLOG)
    except OSError as error:
        raise GatewayError(f"http: cannot listen on {listen}: {error.strerror}") from error


def _become(command: Sequence[str], _sock: socket.socket | None) -> NoReturn:
    os.execv(command[0], list(command))  # noqa: S606  # our own command, without a shell
