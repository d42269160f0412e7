"""The web process: API, metrics and board; it reads only."""

import socket

from gateway import api, board
from gateway.config import Settings
from gateway.roles import now_ms
from gateway.roles.building import load_all_profiles


def run(settings: Settings, sock: socket.socket | None) -> int:
    """Serve until SIGTERM."""
    mounts = [board.mount] if settings.http is not None and settings.http.board else []
    return api.serve(settings, load_all_profiles(settings), now_ms, mounts, sock)
