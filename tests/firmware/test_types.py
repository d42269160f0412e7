"""pyright with the ESP32's own stubs finds nothing, and finds what is planted."""

from pathlib import Path
from typing import Any

import pytest

from tests.firmware.tools import tool

typecheck: Any = tool("typecheck")
# What CPython's typeshed would let pass, or could not know.
PLANTED = (
    ("fieldnode/hal/esp32.py", "machine.WDT_RESET", "machine.WDT_RESETT", "WDT_RESETT"),
    ("fieldnode/hal/esp32.py", "self._store.commit()", "self._store.comit()", "comit"),
    ("fieldnode/hal/esp32.py", "def feed(self)", "def feet(self)", '"feed" is not present'),
    ("fieldnode/app.py", "hal.fw", "hal.fww", "fww"),
    ("boot.py", "state.ioctl(5, 0)", 'state.ioctl("5", 0)', "ioctl"),
    ("fieldnode/core/ota.py", "a2b_base64(text)", "a2b_base64(text, strict_mode=True)", "strict"),
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("types")
    typecheck.copy(folder)
    return folder


def test_the_firmware_has_the_types_of_the_board(copied: Path) -> None:
    assert typecheck.check(copied) == []


def test_a_planted_error_is_found(copied: Path, tmp_path: Path) -> None:
    typecheck.copy(tmp_path)
    for name, sound, wrong, _ in PLANTED:
        path = tmp_path / name
        text = path.read_text("utf-8")
        assert sound in text, sound
        path.write_text(text.replace(sound, wrong, 1), "utf-8")
    found = "\n".join(typecheck.check(tmp_path))
    for name, _, _, what in PLANTED:
        assert what in found, (name, what, found)
