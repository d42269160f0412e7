"""docs/drivers.md says of each driver what its code takes, and each stays small."""

import re
from pathlib import Path

import pytest

from fieldnode.drivers import load, obis
from tests.firmware.test_dialect import compiled_size
from tests.firmware.tools import ROOT

_FOLDER = ROOT / "firmware/fieldnode/drivers"
_SHARED = {"__init__", "aes_py", "chip", "crc", "glo", "hdlc", "lane", "obis", "text"}
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem not in _SHARED)
_SECRETS = {"key"}  # `driver_secret` of the configuration, handed on by the node
_CHOICES = {"none", "even", "pzem", "sdm120", "sdm630", "lis3mdl", "qmc5883l"}
# What a board carries for one driver, bytes of .mpy: of the app's 60 KB the core has 25 KB.
_CARRIED_MAX = 8 * 1024


def _lines() -> dict[str, str]:
    text = (ROOT / "docs/drivers.md").read_text("utf-8")
    return {found[1]: found[0] for found in re.finditer(r"^\| `(\w+)` \|.*$", text, re.MULTILINE)}


def _options(source: str) -> set[str]:
    return set(re.findall(r'(?:number\(\s*options, |options\.get\()"(\w+)"', source))


def test_every_driver_is_listed() -> None:
    assert sorted(_lines()) == _NAMES


@pytest.mark.parametrize("name", _NAMES)
def test_every_option_is_named(name: str) -> None:
    options = _options((_FOLDER / f"{name}.py").read_text("utf-8")) - _SECRETS
    assert {option for option in options if f"`{option}`" not in _lines()[name]} == set()
    named = set(re.findall(r"`(\w+)`", _lines()[name].rsplit("|", 2)[1]))
    assert named - options <= _CHOICES


@pytest.mark.parametrize("name", [name for name in _NAMES if "`em1`" in _lines()[name]])
def test_the_profiles_are_those_that_load(name: str) -> None:
    for profile in ("em1", "em3", "dtm", "pq3"):
        if f"`{profile}`" in _lines()[name]:
            assert load(name, profile).registers() in {(), (0,)}
    assert obis.columns("pq3")


def _carried(name: str, seen: set[str]) -> set[str]:
    """Return the modules of this folder that one needs."""
    source = (_FOLDER / f"{name}.py").read_text("utf-8")
    lines = re.findall(r"^from fieldnode.drivers.*$", source, re.MULTILINE)
    words = set(re.findall(r"\w+", " ".join(lines)))
    for needed in sorted((words & _SHARED) - seen):
        seen |= _carried(needed, seen | {needed})
    return seen | {name}


@pytest.mark.parametrize("name", _NAMES)
def test_what_a_board_carries_for_a_driver_is_small(name: str, tmp_path: Path) -> None:
    modules = _carried(name, {"__init__"})
    sizes = {module: compiled_size(_FOLDER / f"{module}.py", tmp_path) for module in modules}
    assert sum(sizes.values()) <= _CARRIED_MAX, sizes
