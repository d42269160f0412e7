"""What the tests of the firmware may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.tools import build_image, build_node, compile_all, write_vectors


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package and its tests as .mpy."""
    folder = tmp_path_factory.mktemp("mpy")
    compile_all(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Manifests for test_ota.py, which runs where no library can sign."""
    folder = tmp_path_factory.mktemp("ota")
    write_vectors(folder)
    os.environ["FIELDNODE_OTA"] = str(folder)
    yield
    del os.environ["FIELDNODE_OTA"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's program as a board has it in flash."""
    return build_node(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def image_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is written, and the tests that run under both interpreters."""
    return build_image(tmp_path_factory.mktemp("tests"))
