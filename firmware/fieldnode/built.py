"""Which build this is; ``make firmware`` writes another one into each image."""

BOARD = "host"
VERSION = "0.0.0"
BUILD_MS = 1_767_225_600_000  # 2026-01-01: the least that the time can be
CONFIG: "dict[str, object]" = {}  # defaults of the board (firmware/boards)
