"""The built-in board: one page for the wall, over the same views as the API.

As with ``api``: NiceGUI is loaded only in the process that calls ``mount``.
"""

from typing import Any, cast

from gateway.imports import load


def mount(app: Any) -> None:  # noqa: ANN401  # a FastAPI, whose type would load it
    """Serve the board at ``/`` of an application that has a ``state.sight``."""
    cast("Any", load("gateway.board.page")).mount(app)
