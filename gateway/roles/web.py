"""The web process: API, metrics and board; it reads only."""

from gateway import api, board
from gateway.config import Settings
from gateway.roles import Heritage, now_ms
from gateway.roles.files import load_all_profiles


def run(settings: Settings, heritage: Heritage) -> int:
    """Serve until SIGTERM."""
    mounts = [board.mount] if settings.http is not None and settings.http.board else []
    profiles, durable = load_all_profiles(settings), heritage.waterline.read
    return api.serve(settings, profiles, now_ms, mounts, heritage.sock, durable)
