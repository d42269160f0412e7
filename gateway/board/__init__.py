"""The built-in board: one page for the wall, over the same views as the API."""

from gateway.board.page import mount

__all__ = ["mount"]
