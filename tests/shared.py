"""Where the independent test data is, and a mark for tests that need it."""

import os
from pathlib import Path

import pytest


def _find() -> Path | None:
    beside = Path(__file__).resolve().parents[2] / "shared"
    named = os.environ.get("INFRAGATE_SHARED")
    for folder in (Path(named) if named else beside, beside):
        if (folder / "data").is_dir():
            return folder
    return None


SHARED = _find()

needs_shared = pytest.mark.skipif(
    SHARED is None, reason="no independent data: ../shared or INFRAGATE_SHARED has no data folder"
)
