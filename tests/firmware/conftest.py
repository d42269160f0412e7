"""What the tests of the firmware may use."""

from pathlib import Path

import pytest

from tests.firmware.tools import build_image, compile_all


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and its tests as .mpy."""
    folder = tmp_path_factory.mktemp("mpy")
    compile_all(folder)
    return folder


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and a node's program as a board has them in flash."""
    return build_image(tmp_path_factory.mktemp("image"))
