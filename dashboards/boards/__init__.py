"""The nine boards, from the general to the particular."""

from dashboards.boards import (
    collection,
    corridor,
    detectors,
    device,
    gateway,
    load,
    losses,
    voltage,
    wall,
)
from dashboards.spec import Board

BOARDS: tuple[Board, ...] = (
    wall.BOARD,
    collection.BOARD,
    load.BOARD,
    voltage.BOARD,
    losses.BOARD,
    device.BOARD,
    corridor.BOARD,
    detectors.BOARD,
    gateway.BOARD,
)
